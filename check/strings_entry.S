/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprintf() and snprintf() for CHECK=memory: the arguments become a va_list (x86-64 psABI, 3.5.7), which C without floating point
 * registers could not do, and strings.c does the rest. The frame pointer is set up first, so that the caller's place is
 * where a backtrace looks for it.
 *
 *	rsp + 0    va_list: gp_offset, fp_offset, overflow_arg_area, reg_save_area
 *	rsp + 32   register save area: 6 * 8, then 8 * 16
 */
	.macro entry name:req, real:req, fixed:req
	.section .text.__wrap_\name, "ax", @progbits
	.globl __wrap_\name
	.hidden __wrap_\name
	.type __wrap_\name, @function
__wrap_\name:
	push	%rbp
	mov	%rsp, %rbp
	sub	$208, %rsp
	mov	%rdi, 32(%rsp)
	mov	%rsi, 40(%rsp)
	mov	%rdx, 48(%rsp)
	mov	%rcx, 56(%rsp)
	mov	%r8, 64(%rsp)
	mov	%r9, 72(%rsp)
	test	%al, %al
	je	1f
	movaps	%xmm0, 80(%rsp)
	movaps	%xmm1, 96(%rsp)
	movaps	%xmm2, 112(%rsp)
	movaps	%xmm3, 128(%rsp)
	movaps	%xmm4, 144(%rsp)
	movaps	%xmm5, 160(%rsp)
	movaps	%xmm6, 176(%rsp)
	movaps	%xmm7, 192(%rsp)
1:	movl	$8 * \fixed, (%rsp)
	movl	$48, 4(%rsp)
	lea	16(%rbp), %rax
	mov	%rax, 8(%rsp)
	lea	32(%rsp), %rax
	mov	%rax, 16(%rsp)
	.if \fixed == 2
	mov	%rsi, %rdx		/* sprintf(d, fmt): the format is the third there */
	.endif
	mov	%rsp, %rcx
	mov	8(%rbp), %r8
	dec	%r8			/* inside the call */
	mov	(%rbp), %r9
	call	\real
	leave
	ret
	.size __wrap_\name, . - __wrap_\name
	.endm

	.hidden strings_vsnprintf, strings_vsprintf
	entry snprintf, strings_vsnprintf, 3
	entry sprintf, strings_vsprintf, 2

	.section .note.GNU-stack, "", @progbits
