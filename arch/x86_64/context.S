/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Voluntary switch between kernel stacks, first entry of a thread, and the way out to an application stack. What a switch
 * keeps is in arch/context.h. Runs with interrupts off and preempt_count 1, so the FS base read and the stack pointer
 * stored belong to one thread. CPUs without FSGSBASE go through the MSR.
 *
 * Saved on the stack of the thread that is switched away from, from its rsp upwards:
 *	mxcsr | x87 control word, r15, r14, r13, r12, rbx, rbp, return address
 */
#include <arch/boot_abi.h>

	.text
	/* void *arch_switch(struct arch_context *prev, struct arch_context *next, void *arg) */
	.globl	arch_switch
	.hidden	arch_switch
	.type	arch_switch, @function
arch_switch:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	%rdx, %r8
	cmpb	$0, arch_fsgsbase(%rip)
	je	1f
	rdfsbase %rax
	mov	%rax, 8(%rdi)
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	mov	8(%rsi), %rax
	wrfsbase %rax
	jmp	2f
1:	mov	$MSR_FS_BASE, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, 8(%rdi)
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	mov	8(%rsi), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
2:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	mov	%r8, %rax
	ret

	/* First return of a new thread: r12 = entry, r13 = its argument, rax = what the switcher passed. */
	.globl	arch_thread_start
	.hidden	arch_thread_start
	.type	arch_thread_start, @function
arch_thread_start:
	mov	%rax, %rdi
	mov	%r13, %rsi
	xor	%ebp, %ebp
	call	*%r12
	ud2

	/* void arch_enter_app(uintptr_t sp, void (*fn)(void *), void *arg) */
	.globl	arch_enter_app
	.hidden	arch_enter_app
	.type	arch_enter_app, @function
arch_enter_app:
	cli
	fninit
	pushq	$0x1f80
	ldmxcsr	(%rsp)
	and	$-16, %rdi
	mov	%rdi, %rsp
	mov	%rdx, %rdi
	xor	%ebp, %ebp
	push	%rbp		/* return address: none; a return faults on the null page */
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	sti
	jmp	*%rsi
