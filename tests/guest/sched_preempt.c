// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt
/*
 * Preemption: threads that spin on one CPU without a call all get on; sleepers run in spite of them. Who had a CPU for itself for
 * long does not pay for it when others come.
 */
#include "check.h"

#include <semaphore.h>
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

#define ALONE_NS    300000000
#define TOGETHER_NS 100000000

static atomic_long loops;
static sem_t alone_over;

static long cpu_ns(void)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *alone(void *arg)
{
	while (cpu_ns() < ALONE_NS)
		;
	sem_post(&alone_over);
	while (!atomic_load(&stop)) {
		atomic_fetch_add(&loops, 1);
		check_pause();
	}
	return arg;
}

static void *newcomer(void *arg)
{
	while (cpu_ns() < TOGETHER_NS)
		;
	CHECK(atomic_load(&loops) != 0);
	return arg;
}

static void after_being_alone(void)
{
	pthread_t t[2];

	stop = 0;
	sem_init(&alone_over, 0, 0);
	t[0] = check_spawn(alone, NULL);
	sem_wait(&alone_over);
	t[1] = check_spawn(newcomer, NULL);
	check_join(t[1]);
	stop = 1;
	check_join(t[0]);
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
	after_being_alone();
	return 0;
}
