// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* The futex call's answers that need no second thread: wrong value, nobody to wake, bad arguments, time-outs. */
#include <sys/mman.h>

#include "check.h"
#include "futex.h"

#define ODD  ((_Atomic uint32_t *)((char *)&word + 2))
#define NONE ((_Atomic uint32_t *)4096)

/* Operations with a bad address, a misaligned one, a flag that is not theirs; and what is not there at all. */
static void table(void)
{
	_Atomic uint32_t word = 5, other = 6, *ro;
	struct timespec bad = { 0, -1 };
	static const int all[] = { FUTEX_WAIT,	     FUTEX_WAKE,	FUTEX_REQUEUE,	  FUTEX_CMP_REQUEUE,
				   FUTEX_WAKE_OP,    FUTEX_LOCK_PI,	FUTEX_LOCK_PI2,	  FUTEX_UNLOCK_PI,
				   FUTEX_TRYLOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET };
	static const int reads[] = { FUTEX_WAIT,      FUTEX_CMP_REQUEUE, FUTEX_LOCK_PI,	   FUTEX_LOCK_PI2,
				     FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI,	 FUTEX_WAIT_BITSET };
	static const int absent[] = { 2, 11, 12, 14, 77, 127 };
	int op;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		op = all[i];
		CHECK_EQ(futex(ODD, op | FUTEX_PRIVATE, 5, NULL, &other, 1), -EINVAL);
		CHECK_EQ(futex(ODD, op, 5, NULL, &other, 1), -EINVAL);
		CHECK_EQ(futex(&word, op | 0x200, 5, NULL, &other, 1), -ENOSYS);
		if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET && op != FUTEX_LOCK_PI2)
			CHECK_EQ(futex(&word, op | FUTEX_CLOCK_REALTIME, 5, NULL, &other, 1), -ENOSYS);
	}
	for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++)
		CHECK_EQ(futex(NONE, reads[i], 5, NULL, &other, 1), -EFAULT);
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		CHECK_EQ(futex(&word, absent[i], 5, NULL, &other, 1), -ENOSYS);
	CHECK_EQ(futex(&word, FUTEX_REQUEUE, 0, NULL, ODD, 0), -EINVAL);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP, 0, NULL, ODD, 0), -EINVAL);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP, 0, NULL, NONE, 0), -EFAULT);
	CHECK_EQ(futex(&word, FUTEX_REQUEUE, (uint32_t)-1, NULL, &other, 0), -EINVAL);
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE, 0, (void *)-1l, &other, 5), -EINVAL);
	for (int i = 0; i < 2; i++) {
		op = i ? FUTEX_LOCK_PI2 : FUTEX_LOCK_PI;
		CHECK_EQ(futex(&word, op, 0, &bad, NULL, 0), -EINVAL);
		CHECK_EQ(futex(&word, op, 0, (void *)8, NULL, 0), -EFAULT);
	}
	CHECK_EQ(futex(&word, FUTEX_WAIT, 5, (void *)8, NULL, 0), -EFAULT);
	/* memory that may only be read */
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(ro != MAP_FAILED);
	CHECK_EQ(futex(ro, FUTEX_WAIT, 1, NULL, NULL, 0), -EAGAIN);
	CHECK_EQ(futex(ro, FUTEX_LOCK_PI, 0, NULL, NULL, 0), -EFAULT);
	CHECK_EQ(futex(ro, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EFAULT);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP, 0, NULL, ro, WAKE_OP(OP_SET, 0, CMP_EQ, 0)), -EFAULT);
	CHECK_EQ(atomic_load(&word), 5);
	CHECK_EQ(atomic_load(&other), 6);
}

int main(void)
{
	_Atomic uint32_t a = 5, b = 6;
	struct timespec nothing = { 0, 0 }, bad = { 0, 1000000000 }, negative = { -1, 0 }, some = { 0, 3000000 }, at;
	int64_t before;

	CHECK_EQ(futex_wait(&a, 6), -EAGAIN);
	CHECK_EQ(futex_wake(&a, 100), 0);
	CHECK_EQ(futex(&a, FUTEX_WAIT | FUTEX_PRIVATE, 5, &nothing, NULL, 0), -ETIMEDOUT);
	CHECK_EQ(futex(&a, FUTEX_WAIT, 5, &nothing, NULL, 0), -ETIMEDOUT);
	CHECK_EQ(futex(&a, FUTEX_WAIT | FUTEX_PRIVATE, 5, &bad, NULL, 0), -EINVAL);
	CHECK_EQ(futex(&a, FUTEX_WAIT | FUTEX_PRIVATE, 5, &negative, NULL, 0), -EINVAL);
	CHECK_EQ(futex(&a, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 5, NULL, NULL, 0), -EINVAL);
	CHECK_EQ(futex(&a, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 1, NULL, NULL, 0), -EINVAL);
	CHECK_EQ(futex((_Atomic uint32_t *)((char *)&a + 1), FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL, NULL, 0), -EINVAL);
	CHECK_EQ(futex(&a, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)1, &b, 4), -EAGAIN);
	CHECK_EQ(futex(&a, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)1, &b, 5), 0);
	CHECK_EQ(futex(&a, FUTEX_REQUEUE | FUTEX_PRIVATE, 1, (void *)1, &b, 0), 0);
	CHECK_EQ(futex(&a, 77, 0, NULL, NULL, 0), -ENOSYS);

	before = check_clock(CLOCK_MONOTONIC); /* WAIT: a relative time */
	CHECK_EQ(futex(&a, FUTEX_WAIT | FUTEX_PRIVATE, 5, &some, NULL, 0), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_MONOTONIC) - before >= 3000000);
	at = check_after(CLOCK_MONOTONIC, 3000000); /* WAIT_BITSET: an absolute one */
	CHECK_EQ(futex(&a, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 5, &at, NULL, ~0u), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_MONOTONIC) >= (int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
	at = check_after(CLOCK_REALTIME, 3000000);
	CHECK_EQ(futex(&a, FUTEX_WAIT_BITSET | FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME, 5, &at, NULL, ~0u), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
	at = (struct timespec){ 0, 1 }; /* long past */
	CHECK_EQ(futex(&a, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 5, &at, NULL, ~0u), -ETIMEDOUT);
	CHECK_EQ(atomic_load(&a), 5);
	table();
	return 0;
}
