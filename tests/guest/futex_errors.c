// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* The futex call's answers that need no second thread: wrong value, nobody to wake, bad arguments, time-outs. */
#include "check.h"
#include "futex.h"

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
	return 0;
}
