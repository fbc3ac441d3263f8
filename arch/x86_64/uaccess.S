/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to application memory that may fault. Each instruction that may is entered in .extable with the place to go on
 * at (both relative to the entry itself, so the table needs no relocation); the trap code looks there when nobody could
 * resolve the fault. Contract: arch/uaccess.h. No locks, no state.
 */
#define EFAULT 14

	.macro	extable from, to
	.pushsection .extable, "a", @progbits
	.balign	4
	.long	\from - ., \to - .
	.popsection
	.endm
	.macro	function name
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.endm

	.text
	function arch_user_load32
1:	mov	(%rdi), %eax
	mov	%eax, (%rsi)
	xor	%eax, %eax
	ret
	extable 1b, fault

	function arch_user_store32
1:	mov	%esi, (%rdi)
	xor	%eax, %eax
	ret
	extable 1b, fault

	function arch_user_cmpxchg32
	mov	%esi, %eax
1:	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%rcx)
	xor	%eax, %eax
	ret
	extable 1b, fault

	function arch_user_copy
	mov	%rdx, %rcx
	shr	$3, %rcx
1:	rep movsq
	mov	%edx, %ecx
	and	$7, %ecx
2:	rep movsb
	xor	%eax, %eax
	ret
	extable 1b, fault
	extable 2b, fault

	function arch_user_strnlen
	xor	%eax, %eax
0:	cmp	%rsi, %rax
	jae	2f
1:	cmpb	$0, (%rdi, %rax)
	je	2f
	inc	%rax
	jmp	0b
2:	ret
	extable 1b, fault

fault:	mov	$-EFAULT, %rax
	ret
