/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The `syscall` instructions of the host platform, all of them: system call dispatch lets through what lies between hostcall_start
 * and hostcall_end and nothing else. Contracts: arch/hostcall.h. No state.
 */
#include <arch/boot_abi.h>

#define NR_RT_SIGRETURN 15
#define NR_CLONE	56
#define NR_ARCH_PRCTL	158
#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003

	.macro	function name
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.endm

	.section .text.hostcall, "ax", @progbits
	.globl	hostcall_start, hostcall_end
	.hidden	hostcall_start, hostcall_end
hostcall_start:

	/* long hostcall(nr, a, b, c, d, e, f) */
	function hostcall
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret
	.size	hostcall, . - hostcall

	/* long hostcall_clone(flags, stack, tid, fn, arg) */
	function hostcall_clone
	sub	$16, %rsi
	mov	%rcx, (%rsi)
	mov	%r8, 8(%rsi)
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$NR_CLONE, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	pop	%rax
	pop	%rdi
	call	*%rax
	ud2
	.size	hostcall_clone, . - hostcall_clone

	function hostcall_sigreturn
	mov	$NR_RT_SIGRETURN, %eax
	syscall
	ud2
	.size	hostcall_sigreturn, . - hostcall_sigreturn

	/* uintptr_t hostcall_get_fs(void) */
	function hostcall_get_fs
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r11
	sub	$8, %rsp
	mov	$ARCH_GET_FS, %edi
	mov	%rsp, %rsi
	mov	$NR_ARCH_PRCTL, %eax
	syscall
	pop	%rax
	pop	%r11
	pop	%rdx
	pop	%rsi
	pop	%rdi
	ret
	.size	hostcall_get_fs, . - hostcall_get_fs

	/* void hostcall_set_fs(uintptr_t base) */
	function hostcall_set_fs
	push	%rdi
	push	%rsi
	mov	%rdi, %rsi
	mov	$ARCH_SET_FS, %edi
	mov	$NR_ARCH_PRCTL, %eax
	syscall
	pop	%rsi
	pop	%rdi
	ret
	.size	hostcall_set_fs, . - hostcall_set_fs

	/* void hostcall_set_gs(uintptr_t base) */
	function hostcall_set_gs
	push	%rdi
	push	%rsi
	mov	%rdi, %rsi
	mov	$ARCH_SET_GS, %edi
	mov	$NR_ARCH_PRCTL, %eax
	syscall
	pop	%rsi
	pop	%rdi
	ret
	.size	hostcall_set_gs, . - hostcall_set_gs
hostcall_end:

	.section .note.GNU-stack, "", @progbits
