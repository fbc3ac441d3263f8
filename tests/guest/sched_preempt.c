// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt
/* Preemption: threads that spin on one CPU without a call all get on; sleepers run in spite of them. */
#include "check.h"

#include <stdatomic.h>

enum { THREADS = 5 };

static atomic_int turn, stop, woken;

static void *spin_for_turn(void *arg)
{
	int self = (int)(intptr_t)arg, round;

	for (round = 0; round < 3; round++) {
		while (atomic_load_explicit(&turn, memory_order_relaxed) != round * THREADS + self)
			;
		atomic_store(&turn, round * THREADS + self + 1);
	}
	return NULL;
}

static void *spin(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
	return arg;
}

static void *nap(void *arg)
{
	struct timespec ts = { 0, 1000000 };
	int i;

	for (i = 0; i < 10; i++)
		CHECK_EQ(nanosleep(&ts, NULL), 0);
	if (atomic_fetch_add(&woken, 1) == THREADS - 1)
		atomic_store(&stop, 1);
	return arg;
}

int main(void)
{
	pthread_t threads[2 * THREADS];
	intptr_t i;

	check_pin(0); /* inherited: all on one CPU */
	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(spin_for_turn, (void *)(THREADS - 1 - i));
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&turn), 3 * THREADS);

	for (i = 0; i < 2 * THREADS; i++)
		threads[i] = check_spawn(i < THREADS ? spin : nap, NULL);
	for (i = 0; i < 2 * THREADS; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&woken), THREADS);
	return 0;
}
