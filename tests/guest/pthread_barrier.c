// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/* A barrier lets nobody through before all are there, and names exactly one of them, round after round. */
#include "check.h"

#include <stdatomic.h>

enum { THREADS = 9 };

static pthread_barrier_t barrier;
static atomic_long arrived, serial;
static long rounds;

static void *meet(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++) {
		int result;

		atomic_fetch_add(&arrived, 1);
		result = pthread_barrier_wait(&barrier);
		CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
		CHECK(atomic_load(&arrived) >= (n + 1) * THREADS);
		if (result)
			atomic_fetch_add(&serial, 1);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	int i;

	rounds = check_rounds(500);
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
	CHECK_OK(pthread_barrier_init(&barrier, NULL, THREADS));
	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(meet, NULL);
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&arrived), rounds * THREADS);
	CHECK_EQ(atomic_load(&serial), rounds);
	CHECK_OK(pthread_barrier_destroy(&barrier));
	return 0;
}
