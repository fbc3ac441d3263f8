/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that posix/syscall_entry.S uses; posix/signal.c asserts each one against the C structures. */
#pragma once

#define PERCPU_CURRENT	  8
#define PERCPU_KSTACK_TOP 16
#define THREAD_FLAGS	  24

#define FRAME_R15	0
#define FRAME_R14	8
#define FRAME_R13	16
#define FRAME_R12	24
#define FRAME_R11	32
#define FRAME_R10	40
#define FRAME_R9	48
#define FRAME_R8	56
#define FRAME_RBP	64
#define FRAME_RDI	72
#define FRAME_RSI	80
#define FRAME_RDX	88
#define FRAME_RCX	96
#define FRAME_RBX	104
#define FRAME_RAX	112
#define FRAME_VECTOR	120
#define FRAME_ERROR	128
#define FRAME_RIP	136
#define FRAME_CS	144
#define FRAME_RFLAGS	152
#define FRAME_RSP	160
#define FRAME_SS	168
#define TRAP_FRAME_SIZE 176

#define THREAD_SIGPENDING 1 /* TF_SIGPENDING */

/*
 * Internal results, never seen by the application: the slow path of posix/syscall_entry.S makes the call again, or turns
 * them into -EINTR when a handler runs that does not want that. RESTART follows SA_RESTART; RESTART_NOHAND is made again
 * only if no handler ran at all; RESTART_NOINTR is always made again.
 */
#define ERESTART	512
#define ERESTART_NOINTR 513
#define ERESTART_NOHAND 514
