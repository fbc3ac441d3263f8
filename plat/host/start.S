/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * First instructions of the process. The image is linked at fixed addresses, so nothing is relocated. The boot context gets the
 * stack and the per-CPU area that it has on vm; the host's own stack is read once (arguments, environment) and then left alone.
 */
#include <arch/boot_abi.h>


	.section .note.tutti, "a", @note
	.balign 4
	.long	6, 4, 1			/* name, desc, type: a host image */
	.asciz	"tutti"
	.balign 4
	.long	1

	.text
	.globl	_start
	.hidden	_start
	.type	_start, @function
_start:
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, boot_tsc(%rip)
	mov	%rsp, host_initial_stack(%rip)
	lea	boot_stack_top(%rip), %rsp
	xor	%ebp, %ebp
	lea	percpu_areas(%rip), %rdi
	call	hostcall_set_gs
	lea	percpu_areas(%rip), %rax
	mov	%rax, PERCPU_SELF(%rax)
	mov	%rsp, PERCPU_KSTACK_TOP(%rax)
	lea	boot_stack(%rip), %rcx
	mov	%rcx, PERCPU_KSTACK_BASE(%rax)
	movl	$1, PERCPU_IRQ_OFF(%rax)
	call	host_early
	call	tutti_main
	ud2

	.section .bss.boot, "aw", @nobits
	.balign 4096
	.globl	boot_stack_guard, boot_stack, boot_stack_top, boot_tsc, host_initial_stack
	.hidden	boot_stack_guard, boot_stack, boot_stack_top, boot_tsc, host_initial_stack
boot_stack_guard:
	.skip	4096
boot_stack:
	.skip	16384
boot_stack_top:
boot_tsc:
	.skip	8
host_initial_stack:
	.skip	8

	.section .note.GNU-stack, "", @progbits
