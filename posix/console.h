/* SPDX-License-Identifier: BSD-3-Clause */
/* The three standard streams over the platform's console. Thread context, may sleep, unless noted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "plat/plat.h"
#include "posix/iov.h"

/* At least one byte (or 0 at the end of input); -EAGAIN if `wait` is false and there is none; -ERESTART for a signal, -EFAULT. */
long console_read(struct iov *to, bool wait);
/* All of it, in one piece towards other writers. */
long console_write(enum plat_stream s, struct iov *from);
/* Would console_read() return at once? Does not sleep. */
bool console_readable(void);
/* Sleep until console_readable() may have changed: `cond` is checked as in waitq_wait_intr(). */
extern struct waitq console_input;
/* Upcall, from the interrupt. */
void console_event(void);
