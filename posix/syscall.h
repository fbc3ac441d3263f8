/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entry of system calls made as function calls, and the table.
 *
 * libc calls tutti_syscall(nr, a..f) (posix/syscall_entry.S) in place of the `syscall` instruction: it moves to the thread's
 * kernel stack, calls posix_syscall(), moves back, and if TF_SIGPENDING is set calls posix_deliver_signals() on the
 * application stack. Result as in Linux: value or -errno.
 */
#pragma once

long tutti_syscall(long nr, long a, long b, long c, long d, long e, long f);
