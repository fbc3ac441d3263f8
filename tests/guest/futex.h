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
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_PRIVATE = 128,
	FUTEX_CLOCK_REALTIME = 256,
};

#define FUTEX_WAITERS	 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK	 0x3fffffffu

/* The last argument of WAKE_OP: *word2 = *word2 op arg, and was it cmp cmp_arg? */
enum { OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR, OP_ARG_SHIFT = 8 };
enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };
#define WAKE_OP(op, arg, cmp, cmp_arg) \
	((uint32_t)(op) << 28 | (uint32_t)(cmp) << 24 | ((uint32_t)(arg)&0xfff) << 12 | ((uint32_t)(cmp_arg)&0xfff))

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

static inline uint32_t futex_tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static inline long futex_lock_pi(_Atomic uint32_t *word, const struct timespec *until)
{
	return futex(word, FUTEX_LOCK_PI | FUTEX_PRIVATE, 0, until, NULL, 0);
}

static inline long futex_unlock_pi(_Atomic uint32_t *word)
{
	return futex(word, FUTEX_UNLOCK_PI | FUTEX_PRIVATE, 0, NULL, NULL, 0);
}

/* As a library does it: the call only if somebody else has or wants the lock. */
static inline long pi_lock(_Atomic uint32_t *word)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong(word, &free, futex_tid()) ? 0 : futex_lock_pi(word, NULL);
}

static inline long pi_unlock(_Atomic uint32_t *word)
{
	uint32_t mine = futex_tid();

	return atomic_compare_exchange_strong(word, &mine, 0) ? 0 : futex_unlock_pi(word);
}
