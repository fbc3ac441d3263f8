/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first half of every interrupt, for both platforms: from the stack where it arrived, on which one frame fits, to the stack on
 * which the handler may be preempted and migrate (arch/trap.h).
 */
#pragma once

#include <arch/boot_abi.h>

#define FRAME_SIZE 176
#define RED_ZONE 128
/* What a handler needs at least: less than this left counts as used up. */
#define HANDLER_ROOM 1024
#define GUARD_SIZE 4096

	.macro push_registers
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm

/*
 * Stack: vector error rip cs rflags rsp ss, from the top. Builds struct trap_frame where it belongs, leaves with rsp at it; a kernel
 * stack that is used up: trap_stack_overflow, with rdx, rcx and rax pushed as well. Interrupts off.
 */
	.macro move_frame
	cld
	push	%rax
	push	%rcx
	push	%rdx
	/* rsp: rdx rcx rax vector error rip cs rflags rsp ss */
	mov	64(%rsp), %rdx
	mov	%gs:PERCPU_KSTACK_TOP, %rax
	mov	%gs:PERCPU_KSTACK_BASE, %rcx
	cmp	%rax, %rdx
	ja	2f
	cmp	%rcx, %rdx
	jbe	1f
	/* on the kernel stack: go on below the red zone */
	sub	$RED_ZONE, %rdx
	and	$-16, %rdx
	add	$(FRAME_SIZE + HANDLER_ROOM), %rcx
	cmp	%rcx, %rdx
	jb	trap_stack_overflow
	jmp	3f
1:	sub	$GUARD_SIZE, %rcx
	cmp	%rcx, %rdx
	jae	trap_stack_overflow
2:	mov	%rax, %rdx	/* application: its kernel stack is empty */
3:	mov	%rsp, %rax
	mov	%rdx, %rsp
	push	72(%rax)
	push	64(%rax)
	push	56(%rax)
	push	48(%rax)
	push	40(%rax)
	push	32(%rax)
	push	24(%rax)
	mov	(%rax), %rdx
	mov	8(%rax), %rcx
	mov	16(%rax), %rax
	push_registers
	.endm
