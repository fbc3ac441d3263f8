/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing on the baton (replay.c).
 *
 * What a CPU needs to go on is kept in its struct replay_context, and the decision is made on a stack of its own: the stack of whoever
 * calls may be an application's, tiny, and in pages that are not there. All that is used of it is the return address that the
 * call has just pushed. So no fault can happen between the moment a CPU is left and the moment another one goes on, and when
 * the first instruction of that one touches its stack, everything else (GS, FS, address space) is its own already.
 *
 * Caller-saved registers need no keeping: to all concerned this is a function call.
 */
#include "plat/host/replay.h"

#define STACK_SIZE 32768

	.text
	.globl	replay_slow
	.hidden	replay_slow
	.type	replay_slow, @function
replay_slow:
	mov	replay_current(%rip), %rax
	mov	(%rsp), %rcx
	lea	8(%rsp), %rdx
	mov	%rcx, REPLAY_RIP(%rax)
	mov	%rdx, REPLAY_RSP(%rax)
	mov	%rbx, REPLAY_RBX(%rax)
	mov	%rbp, REPLAY_RBP(%rax)
	mov	%r12, REPLAY_R12(%rax)
	mov	%r13, REPLAY_R13(%rax)
	mov	%r14, REPLAY_R14(%rax)
	mov	%r15, REPLAY_R15(%rax)
	stmxcsr	REPLAY_MXCSR(%rax)
	fnstcw	REPLAY_FCW(%rax)
	lea	replay_stack_top(%rip), %rsp
	/* a frame, so that a report from in there shows the caller */
	push	%rcx
	push	%rbp
	mov	%rsp, %rbp
	call	replay_decide
	ldmxcsr	REPLAY_MXCSR(%rax)
	fldcw	REPLAY_FCW(%rax)
	mov	REPLAY_RBX(%rax), %rbx
	mov	REPLAY_RBP(%rax), %rbp
	mov	REPLAY_R12(%rax), %r12
	mov	REPLAY_R13(%rax), %r13
	mov	REPLAY_R14(%rax), %r14
	mov	REPLAY_R15(%rax), %r15
	mov	REPLAY_RSP(%rax), %rsp
	jmp	*REPLAY_RIP(%rax)
	.size	replay_slow, . - replay_slow

	.section .bss.replay, "aw", @nobits
	.balign	16
	.skip	STACK_SIZE
	.globl	replay_stack_top
	.hidden	replay_stack_top
replay_stack_top:

	.section .note.GNU-stack, "", @progbits
