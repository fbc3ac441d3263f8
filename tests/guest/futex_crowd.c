// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 cpus=1,2,4
/*
 * More waiters than are woken in one go in the kernel: WAKE, REQUEUE, CMP_REQUEUE and WAKE_OP count and wake as many as asked, once the
 * comparison has held it is not made again while those who were woken change the word, and nobody is left.
 *
 * A thread is known to sleep when it was moved: all begin on `door` and are moved to `first`, so every count after that is exact.
 */
#include "check.h"
#include "futex.h"

enum { CROWD = 40 };

static _Atomic uint32_t door, first, second, returned;

static void *sleeper(void *arg)
{
	CHECK_EQ(futex_wait(&door, 0), 0);
	atomic_store(&first, 1);
	atomic_fetch_add(&returned, 1);
	return arg;
}

static void gather(pthread_t *threads)
{
	long n, count;

	atomic_store(&first, 0);
	atomic_store(&returned, 0);
	for (int i = 0; i < CROWD; i++)
		threads[i] = check_spawn(sleeper, NULL);
	for (count = 0; count < CROWD; count += n) {
		n = futex(&door, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)1000, &first, 0);
		CHECK(n >= 0);
		if (n == 0)
			sched_yield();
	}
}

static void part(pthread_t *threads)
{
	for (int i = 0; i < CROWD; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&returned), CROWD);
}

int main(void)
{
	long rounds = check_rounds(8);
	pthread_t threads[CROWD];

	for (long round = 0; round < rounds; round++) {
		gather(threads);
		CHECK_EQ(futex_wake(&first, 37), 37);
		CHECK_EQ(futex_wake(&first, INT32_MAX), 3);
		part(threads);

		gather(threads);
		CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 20, (void *)7, &second, 0), 27);
		CHECK_EQ(futex_wake(&second, INT32_MAX), 7);
		CHECK_EQ(futex_wake(&first, INT32_MAX), 13);
		part(threads);

		gather(threads);
		CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)1000, &second, 1), -EAGAIN);
		CHECK_EQ(futex(&first, FUTEX_REQUEUE | FUTEX_PRIVATE, 33, (void *)1000, &second, 0), 33);
		CHECK_EQ(futex_wake(&first, INT32_MAX), 0);
		CHECK_EQ(futex_wake(&second, INT32_MAX), CROWD - 33);
		part(threads);

		gather(threads);
		CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)20, &second, 0), 20);
		CHECK_EQ(futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 18, (void *)19, &second,
			       WAKE_OP(OP_ADD, 0, CMP_EQ, 0)),
			 37);
		CHECK_EQ(futex_wake(&first, INT32_MAX), 2);
		CHECK_EQ(futex_wake(&second, INT32_MAX), 1);
		part(threads);
	}
	return 0;
}
