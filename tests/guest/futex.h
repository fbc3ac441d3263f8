// SPDX-License-Identifier: BSD-3-Clause
/* The futex system call itself, as its manual page has it: returns the result, or -errno. */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_PRIVATE = 128,
	FUTEX_CLOCK_REALTIME = 256,
};

static inline long futex(_Atomic uint32_t *word, int op, uint32_t value, const void *timeout_or_count,
			 _Atomic uint32_t *word2, uint32_t value3)
{
	long result = syscall(SYS_futex, word, op, value, timeout_or_count, word2, value3);

	return result < 0 ? -errno : result;
}

static inline long futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	return futex(word, FUTEX_WAIT | FUTEX_PRIVATE, value, NULL, NULL, 0);
}

static inline long futex_wake(_Atomic uint32_t *word, uint32_t count)
{
	return futex(word, FUTEX_WAKE | FUTEX_PRIVATE, count, NULL, NULL, 0);
}
