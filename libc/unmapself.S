/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * void __unmapself(void *base, size_t size): the end of a detached thread. It leaves the stack that is about to go for its
 * kernel stack at once; the rest happens there and does not return. All signals are blocked by the caller.
 */
#include "posix/entry_offsets.h"

	.text
	.globl	__unmapself
	.hidden	__unmapself
	.type	__unmapself, @function
__unmapself:
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	xor	%ebp, %ebp
	call	posix_unmap_and_exit
	ud2
	.size	__unmapself, . - __unmapself

	.section .note.GNU-stack, "", @progbits
