/* SPDX-License-Identifier: BSD-3-Clause */
/* For assembly that serves both platforms: interrupts of this CPU, and the FS base on processors without the instructions. */
#pragma once

#include <arch/boot_abi.h>

	.macro irq_disable
	movl	$1, %gs:PERCPU_IRQ_OFF
	.endm

/* What came meanwhile is taken here, as an interrupt after this line. */
	.macro irq_enable
	movl	$0, %gs:PERCPU_IRQ_OFF
	cmpl	$0, %gs:PERCPU_IRQ_PENDING
	je	.Lenabled\@
	call	soft_raise
.Lenabled\@:
	.endm

/* FS base to rax. Changes rcx, rdx. */
	.macro read_fs_base_slow
	call	hostcall_get_fs
	.endm

/* rax to FS base. Changes rcx, rdx. */
	.macro write_fs_base_slow
	push	%rdi
	push	%r11
	mov	%rax, %rdi
	call	hostcall_set_fs
	pop	%r11
	pop	%rdi
	.endm
