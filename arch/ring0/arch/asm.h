/* SPDX-License-Identifier: BSD-3-Clause */
/* For assembly that serves both platforms: interrupts of this CPU, and the FS base on processors without the instructions. */
#pragma once

#include <arch/boot_abi.h>

	.macro irq_disable
	cli
	.endm

	.macro irq_enable
	sti
	.endm

/* FS base to rax. Changes rcx, rdx. */
	.macro read_fs_base_slow
	mov	$MSR_FS_BASE, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	.endm

/* rax to FS base. Changes rcx, rdx. */
	.macro write_fs_base_slow
	mov	$MSR_FS_BASE, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
	.endm
