/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entry and exit of interrupts and exceptions in a process.
 *
 * The host delivers them as signals. A handler (signal.c) never runs kernel code and never switches threads: it writes the
 * frame where entry code of ring 0 would (arch/trap.h), sets irq_off and makes the signal return to soft_trap_enter with
 * the stack pointer at the frame. So no signal frame stays on a thread's stack, none moves to another CPU, and however long
 * the handler's caller is delayed, interrupts nest no deeper than the flag allows.
 *
 * The way back loads all registers from the frame and leaves by iretq, which a process may use between its own segments; the
 * interrupt flag goes on first. A signal between the two finds an address in [soft_return_begin, soft_return_end) and a frame that
 * is still whole, at rsp or, at the last instruction, 136 bytes below it. The handler then goes back to soft_return_again: the
 * interrupt is taken on the frame that was about to be left. The same is done here if something is pending already.
 *
 * soft_raise() takes pending interrupts where they are enabled by a function: it pushes what a processor would push and goes the
 * common way; the return is to its caller, with all registers.
 */
#include <arch/boot_abi.h>
#include <arch/trap_asm.inc>

#define FRAME_RFLAGS   152
#define FRAME_VECTOR   120
#define FRAME_IRET     136 /* rip, cs, rflags, rsp, ss */
#define RFLAGS_IF      0x200

	.text
	.macro	function name
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.endm

	function soft_trap_enter
	pushq	$2			/* no flag of the program's: NT would make iretq fail */
	popfq
	mov	%rsp, %rdi
	call	arch_trap_dispatch
	jmp	trap_return

	/* void arch_return_frame(const struct trap_frame *f) */
	function arch_return_frame
	mov	%rdi, %rsp
trap_return:
	testl	$RFLAGS_IF, FRAME_RFLAGS(%rsp)
	jz	1f
	function soft_return_begin
	movl	$0, %gs:PERCPU_IRQ_OFF
	cmpl	$0, %gs:PERCPU_IRQ_PENDING
	jne	soft_return_again
1:	mov	0(%rsp), %r15
	mov	8(%rsp), %r14
	mov	16(%rsp), %r13
	mov	24(%rsp), %r12
	mov	32(%rsp), %r11
	mov	40(%rsp), %r10
	mov	48(%rsp), %r9
	mov	56(%rsp), %r8
	mov	64(%rsp), %rbp
	mov	72(%rsp), %rdi
	mov	80(%rsp), %rsi
	mov	88(%rsp), %rdx
	mov	96(%rsp), %rcx
	mov	104(%rsp), %rbx
	mov	112(%rsp), %rax
	add	$FRAME_IRET, %rsp
	function soft_return_last
	iretq
	function soft_return_end

	/* rsp: a frame that was about to be left */
	function soft_return_again
	movl	$1, %gs:PERCPU_IRQ_OFF
	movq	$VECTOR_PENDING, FRAME_VECTOR(%rsp)
	jmp	soft_trap_enter

	/* void soft_raise(void) */
	function soft_raise
	movl	$1, %gs:PERCPU_IRQ_OFF
	push	%rax
	mov	%ss, %eax
	push	%rax			/* ss */
	lea	24(%rsp), %rax
	push	%rax			/* rsp after our return */
	pushfq
	mov	%cs, %eax
	push	%rax
	push	40(%rsp)		/* rip: the return address */
	push	$0
	push	$VECTOR_PENDING
	mov	56(%rsp), %rax
	move_frame
	mov	%rsp, %rdi
	call	arch_trap_dispatch
	jmp	trap_return
	.size	soft_raise, . - soft_raise

/* The frame still is on the stack that is used up, below it nothing but the guard: the report runs on the stack of this CPU's signals. */
	.type	trap_stack_overflow, @function
trap_stack_overflow:
	pop	%rdx
	pop	%rcx
	pop	%rax
	push_registers
	mov	%rsp, %rbx
	call	soft_signal_stack
	mov	%rbx, %rdi
	mov	%rax, %rsp
	call	arch_trap_stack_overflow
	ud2

	/* bool soft_read_word(uintptr_t addr, uint64_t *value): false if it faults, which signal.c sees to */
	function soft_read_word
	mov	(%rdi), %rax
	mov	%rax, (%rsi)
	mov	$1, %eax
	ret
	function soft_read_word_failed
	xor	%eax, %eax
	ret

	.section .note.GNU-stack, "", @progbits
