// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/* POSIX spin locks exclude, also with more threads than CPUs (a preempted holder is waited for). */
#include "check.h"

static pthread_spinlock_t lock;
static long counter, rounds;

static void *count(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++) {
		if (n % 5 == 0)
			while (pthread_spin_trylock(&lock) == EBUSY)
				sched_yield();
		else
			CHECK_OK(pthread_spin_lock(&lock));
		counter++;
		CHECK_OK(pthread_spin_unlock(&lock));
	}
	return arg;
}

int main(void)
{
	pthread_t threads[4];
	int i;

	rounds = check_rounds(20000);
	CHECK_OK(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE));
	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(count, NULL);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);
	CHECK_EQ(counter, 4 * rounds);
	CHECK_OK(pthread_spin_destroy(&lock));
	return 0;
}
