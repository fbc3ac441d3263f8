/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Voluntary switch between kernel stacks, first entry of a thread, and the way out to an application stack. What a switch
 * keeps is in arch/context.h. Runs with interrupts off and preempt_count 1, so the FS base read and the stack pointer
 * stored belong to one thread.
 *
 * CPUs without XSAVE take the older instructions: FS base through the MSR (in a process: a call of the host), MXCSR and the x87 control word as parts of an
 * FXSAVE image below the stack pointer (interrupts are off; an NMI has its own stack). Slower, same frame on the stack.
 * Emulating hypervisors know these instructions where they do not know LDMXCSR and FLDCW.
 *
 * Saved on the stack of the thread that is switched away from, from its rsp upwards:
 *	mxcsr | x87 control word, r15, r14, r13, r12, rbx, rbp, return address (ARCH_CONTEXT_RBP, ARCH_CONTEXT_RIP)
 */
#include <arch/asm.inc>
#include <arch/boot_abi.h>
#include <arch/trap_asm.inc>

/* Offset and bit in struct uk_thread, which belongs to sched/, above; sched.h asserts them. */
#define THREAD_FLAGS	  24
#define THREAD_SIGPENDING 1

/* Layout of an FXSAVE image (Intel SDM vol. 1, 10.5.1). */
#define FXSAVE_SIZE  512
#define FXSAVE_FCW   0
#define FXSAVE_MXCSR 24

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
	mov	%rdx, %r8
	cmpb	$0, arch_has_xsave(%rip)
	je	arch_switch_old
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	(%rsp), %r12d
	movzwl	4(%rsp), %r13d
	cmpb	$0, arch_fsgsbase(%rip)
	je	1f
	rdfsbase %rax
	mov	%rax, 8(%rdi)
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	mov	8(%rsi), %rax
	wrfsbase %rax
	jmp	2f
1:	read_fs_base_slow
	mov	%rax, 8(%rdi)
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	mov	8(%rsi), %rax
	write_fs_base_slow
	/* The CPU has those of `prev`: most often the same. Loading them costs more than a comparison, an emulator most. */
2:	cmp	%r12d, (%rsp)
	jne	4f
	cmp	%r13w, 4(%rsp)
	jne	4f
3:	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	mov	%r8, %rax
	ret
4:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	jmp	3b
	.set	switch_finish, 3b

	/* rsp is 16-byte aligned here, on both stacks. */
	.type	arch_switch_old, @function
arch_switch_old:
	fxsave64 -FXSAVE_SIZE(%rsp)
	mov	FXSAVE_MXCSR-FXSAVE_SIZE(%rsp), %eax
	mov	%eax, (%rsp)
	movzwl	FXSAVE_FCW-FXSAVE_SIZE(%rsp), %eax
	mov	%eax, 4(%rsp)
	read_fs_base_slow
	mov	%rax, 8(%rdi)
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	mov	8(%rsi), %rax
	write_fs_base_slow
	mov	(%rsp), %ecx
	mov	4(%rsp), %edx
	call	load_control_words
	jmp	switch_finish

	/* ecx: MXCSR, edx: x87 control word. rsp is 8 below a multiple of 16. Changes rax. */
	.type	load_control_words, @function
load_control_words:
	lea	-FXSAVE_SIZE-8(%rsp), %rax
	fxsave64 (%rax)
	mov	%ecx, FXSAVE_MXCSR(%rax)
	mov	%dx, FXSAVE_FCW(%rax)
	fxrstor64 (%rax)
	ret

	/* void arch_load_control_words_old(uint32_t mxcsr, uint32_t fcw): interrupts off, or on a stack no interrupt uses */
	.globl	arch_load_control_words_old
	.hidden	arch_load_control_words_old
	.type	arch_load_control_words_old, @function
arch_load_control_words_old:
	mov	%edi, %ecx
	mov	%esi, %edx
	jmp	load_control_words

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
	irq_disable
	fninit
	and	$-16, %rsp
	cmpb	$0, arch_has_xsave(%rip)
	je	1f
	pushq	$0x1f80
	ldmxcsr	(%rsp)
	jmp	2f
1:	mov	%rdx, %r8
	mov	$0x1f80, %ecx
	mov	$0x37f, %edx
	call	load_control_words
	mov	%r8, %rdx
2:	and	$-16, %rdi
	mov	%rdi, %rsp
	mov	%rdx, %rdi
	xor	%ebp, %ebp
	push	%rbp		/* return address: none; a return faults on the null page */
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	irq_enable
	jmp	*%rsi

/*
 * long sched_on_kstack(long (*fn)(void *a, void *b), void *a, void *b)
 *
 * A program calls the kernel's sleeping functions on its own stack, which may be tiny or not there yet. Already on the kernel stack
 * of the current thread: a jump. Otherwise that stack is empty, as in a system call, and everything that matters is the same as in
 * posix/syscall_entry.S: all that is kept of the application stack is its pointer, in a register for two instructions (an interrupt
 * between them goes on below rsp, which is the kernel stack's top), then in the frame. The thread may be preempted, sleep and go on
 * elsewhere in fn: its kernel stack goes with it, and so do the three words of it that GS shows.
 *
 * A signal that arrives while fn runs finds a kernel stack and is left pending. The flag is tested after rsp is the application's
 * again: from then on an interrupt delivers it itself. Not where preemption or interrupts are off: whoever did that turns
 * them on again, and the next way back sees the flag.
 */
	.globl	sched_on_kstack
	.hidden	sched_on_kstack
	.type	sched_on_kstack, @function
	.p2align 4
sched_on_kstack:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%gs:PERCPU_KSTACK_BASE, %r8
	mov	%gs:PERCPU_KSTACK_TOP, %rcx
	mov	%rsp, %r10
	cmp	%r8, %r10
	jbe	1f
	cmp	%rcx, %r10
	ja	1f
	jmp	*%rax
1:	mov	%rcx, %rsp
	push	%r10
	push	(%r10)		/* return address, for backtraces */
	push	%rbp
	mov	%rsp, %rbp
	sub	$8, %rsp
	call	*%rax
	mov	16(%rbp), %rcx
	mov	(%rbp), %rbp
	mov	%rcx, %rsp
	mov	%gs:PERCPU_CURRENT, %rcx
	testl	$THREAD_SIGPENDING, THREAD_FLAGS(%rcx)
	jnz	3f
2:	ret
	/* On the application stack as at entry, result in rax: the common way back, on a frame of here. */
3:	cmpl	$0, %gs:PERCPU_PREEMPT_COUNT
	jne	2b
	cmpl	$0, %gs:PERCPU_IRQ_OFF
	jne	2b
	lea	2b(%rip), %rcx
	mov	%rsp, %rdx
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	mov	%ss, %esi
	push	%rsi
	push	%rdx
	pushfq
	mov	%cs, %esi
	push	%rsi
	push	%rcx
	push	$0		/* error */
	push	$0		/* vector */
	push_registers
	mov	%rsp, %rdi
	irq_disable
	call	arch_trap_leave	/* does not return */
	.size	sched_on_kstack, . - sched_on_kstack
