/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What code built with -fsanitize=thread calls before each access, in replay images: change points. They take arguments that nobody looks
 * at and are all the same, so that the commonest thing a replayed run does is three instructions. (Atomic operations: replay_atomics.c.)
 *
 * The beginning of a function is a point, too: code between two accesses that only uses inline assembly (per-CPU words, the interrupt
 * flag) can be interrupted there. In programs every basic block is one (check/flags.mk, -fsanitize-coverage): no loop of
 * theirs goes round without passing a point.
 */
#include "plat/host/replay.h"

	.text
	.macro	names suffix:vararg
	.irp	n, \suffix
	.globl	\n
	.type	\n, @function
\n:
	.endr
	.endm

	.p2align 4
	names	__tsan_read1, __tsan_read2, __tsan_read4, __tsan_read8, __tsan_read16
	names	__tsan_write1, __tsan_write2, __tsan_write4, __tsan_write8, __tsan_write16
	names	__tsan_volatile_read1, __tsan_volatile_read2, __tsan_volatile_read4, __tsan_volatile_read8, __tsan_volatile_read16
	names	__tsan_volatile_write1, __tsan_volatile_write2, __tsan_volatile_write4, __tsan_volatile_write8, __tsan_volatile_write16
	names	__tsan_unaligned_read2, __tsan_unaligned_read4, __tsan_unaligned_read8, __tsan_unaligned_read16
	names	__tsan_unaligned_write2, __tsan_unaligned_write4, __tsan_unaligned_write8, __tsan_unaligned_write16
	names	__tsan_unaligned_volatile_read2, __tsan_unaligned_volatile_read4, __tsan_unaligned_volatile_read8
	names	__tsan_unaligned_volatile_read16, __tsan_unaligned_volatile_write2, __tsan_unaligned_volatile_write4
	names	__tsan_unaligned_volatile_write8, __tsan_unaligned_volatile_write16
	names	__tsan_read_write1, __tsan_read_write2, __tsan_read_write4, __tsan_read_write8, __tsan_read_write16
	names	__tsan_unaligned_read_write2, __tsan_unaligned_read_write4, __tsan_unaligned_read_write8, __tsan_unaligned_read_write16
	names	__tsan_read_range, __tsan_write_range, __tsan_vptr_read, __tsan_vptr_update, __tsan_func_entry
	names	__sanitizer_cov_trace_pc
	subq	$1, replay_points_left(%rip)
	jle	1f
	ret
1:	mov	$REPLAY_POINT, %edi
	jmp	replay_slow		/* returns to our caller */

	names	__tsan_func_exit, __tsan_init
	ret

	.section .note.GNU-stack, "", @progbits
