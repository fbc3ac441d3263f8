// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=coop
/*
 * In coop mode a thread keeps its CPU until it blocks or yields: threads on one CPU increment a counter in two steps
 * with a long computation between them, and nobody ever sees it half done, even while timers expire for sleepers.
 */
#include "check.h"

enum { THREADS = 4, ROUNDS = 40 };

static volatile long first, second; /* plain on purpose */

static void *compute(void *arg)
{
	volatile long work;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		CHECK_EQ(first, second);
		first++;
		for (work = 0; work < 300000; work++)
			;
		second++;
		CHECK_EQ(first, second);
		sched_yield();
	}
	return arg;
}

static void *doze(void *arg)
{
	struct timespec ts = { 0, 200000 };
	int n;

	for (n = 0; n < 20; n++) {
		nanosleep(&ts, NULL);
		CHECK_EQ(first, second);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[2 * THREADS];
	int i;

	check_pin(0);
	for (i = 0; i < 2 * THREADS; i++)
		threads[i] = check_spawn(i < THREADS ? compute : doze, NULL);
	for (i = 0; i < 2 * THREADS; i++)
		check_join(threads[i]);
	CHECK_EQ(first, THREADS * ROUNDS);
	CHECK_EQ(second, THREADS * ROUNDS);
	return 0;
}
