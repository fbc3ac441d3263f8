/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entry and exit of every interrupt and exception.
 *
 * All vectors enter on an interrupt stack (IST) with interrupts off, because the interrupted code may use the 128 bytes
 * below its stack pointer (libgcc, libc and applications do) and an application's stack may not even be mapped. The frame
 * is built straight on the stack where the handler may be preempted (see arch/trap.h), so an interrupt stack is in use for
 * a few instructions only and can be entered again at once, by any thread that runs next on this CPU.
 *
 * A stack pointer in the last bytes of the kernel stack or in the guard page below it means that the kernel stack is
 * used up. That is told apart here, before anything is written, and reported on the double-fault stack.
 *
 * #DF, NMI and #MC stay where they are: they may hit the lines above at any point.
 */
#include <arch/boot_abi.h>
#include <arch/trap_asm.inc>

	.text

/* One 16-byte stub per vector: error code (0 where the CPU pushes none) and vector number. */
	.balign 16
	.globl trap_stubs
	.hidden trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	VECTOR_COUNT
	.balign 16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	push	$0
	.endif
	push	$vector
	.if	(vector == 2) || (vector == 8) || (vector == 18)
	jmp	trap_in_place
	.else
	jmp	trap_move
	.endif
	.set	vector, vector + 1
	.endr

	.type	trap_move, @function
trap_move:
	move_frame
	mov	%rsp, %rdi
	call	arch_trap_dispatch
	jmp	trap_return

	/* void arch_return_frame(const struct trap_frame *f) */
	.globl	arch_return_frame
	.hidden	arch_return_frame
	.type	arch_return_frame, @function
arch_return_frame:
	mov	%rdi, %rsp
trap_return:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq

	.type	trap_in_place, @function
trap_in_place:
	cld
	push_registers
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	arch_trap_dispatch_in_place
	mov	%rbx, %rsp
	jmp	trap_return

/* The frame still is on the exception or interrupt stack; its registers go on there, the report runs on the #DF stack. */
	.type	trap_stack_overflow, @function
trap_stack_overflow:
	pop	%rdx
	pop	%rcx
	pop	%rax
	push_registers
	mov	%rsp, %rdi
	call	arch_trap_df_stack
	mov	%rsp, %rdi
	mov	%rax, %rsp
	call	arch_trap_stack_overflow
	ud2
