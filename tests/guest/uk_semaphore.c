// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/semaphore.h: results of each function; never more inside than units; a pipeline in which no unit is lost or made; units go to
 * waiters in the order in which they came.
 */
#include "check.h"

#include <uk/semaphore.h>

enum { THREADS = 4, ROUNDS = 3000, UNITS = 2 };

static struct uk_semaphore sem = UK_SEMAPHORE_INITIALIZER(sem, UNITS), stage[THREADS];
static long inside, order[THREADS], next_place;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static void states(void)
{
	int64_t start;

	CHECK_EQ(tutti_semaphore_count(&sem), UNITS);
	uk_semaphore_down(&sem);
	CHECK_EQ(uk_semaphore_down_try(&sem), 1);
	CHECK_EQ(uk_semaphore_down_try(&sem), 0);
	CHECK_EQ(tutti_semaphore_count(&sem), 0);
	start = now();
	CHECK_EQ(uk_semaphore_down_to(&sem, 1000000), __NSEC_MAX);
	CHECK(now() >= start + 1000000);
	CHECK_EQ(tutti_semaphore_down_until(&sem, now() + 100000), -ETIMEDOUT);
	CHECK_EQ(tutti_semaphore_down_until(&sem, 0), -ETIMEDOUT);
	CHECK_EQ(tutti_semaphore_count(&sem), 0);
	uk_semaphore_up(&sem);
	CHECK_EQ(tutti_semaphore_down_until(&sem, 0), 0);
	uk_semaphore_up(&sem);
	/* 0: no limit */
	CHECK(uk_semaphore_down_to(&sem, 0) < 1000000000);
	uk_semaphore_up(&sem);
	CHECK(uk_semaphore_down_to(&sem, 1000000000) < 1000000000);
	uk_semaphore_up(&sem);
	uk_semaphore_up(&sem);
	CHECK_EQ(tutti_semaphore_count(&sem), UNITS);
}

static int queued(void)
{
	unsigned long flags;
	int n = 0;

	uk_spin_lock_irqsave(&sem.lock, flags);
	list_foreach(it, &sem.waiters)
		n++;
	uk_spin_unlock_irqrestore(&sem.lock, flags);
	return n;
}

static void *waits(void *arg)
{
	uk_semaphore_down(&sem);
	order[__atomic_fetch_add(&next_place, 1, __ATOMIC_SEQ_CST)] = (long)arg;
	uk_semaphore_up(&sem);
	return NULL;
}

static void turns(void)
{
	pthread_t t[THREADS];

	CHECK_EQ(uk_semaphore_down_try(&sem), 1);
	CHECK_EQ(uk_semaphore_down_try(&sem), 1);
	for (long i = 0; i < THREADS; i++) {
		t[i] = check_spawn(waits, (void *)i);
		while (queued() != i + 1)
			sched_yield();
	}
	/* the others pass the unit on one by one */
	uk_semaphore_up(&sem);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(order[i], i);
	uk_semaphore_up(&sem);
	CHECK_EQ(tutti_semaphore_count(&sem), UNITS);
}

static void *worker(void *arg)
{
	uint64_t rnd = (uintptr_t)arg + 1;
	long rounds = check_rounds(ROUNDS);

	for (long i = 0; i < rounds; i++) {
		unsigned how = check_random(&rnd) % 4;

		if (how == 0)
			while (!uk_semaphore_down_try(&sem))
				sched_yield();
		else if (how == 1)
			while (uk_semaphore_down_to(&sem, 1 + (__nsec)(check_random(&rnd) % 30000)) == __NSEC_MAX)
				;
		else
			uk_semaphore_down(&sem);
		CHECK(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) <= UNITS);
		if (check_random(&rnd) % 16 == 0)
			sched_yield();
		__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
		uk_semaphore_up(&sem);
	}
	return NULL;
}

static void *pipe_stage(void *arg)
{
	long me = (long)arg, rounds = check_rounds(ROUNDS);

	for (long i = 0; i < rounds; i++) {
		uk_semaphore_down(&stage[me]);
		uk_semaphore_up(&stage[(me + 1) % THREADS]);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	states();
	turns();
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	states();
	for (int i = 0; i < THREADS; i++)
		uk_semaphore_init(&stage[i], i == 0 ? 2 : 0);
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(pipe_stage, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(tutti_semaphore_count(&stage[0]), 2);
	for (int i = 1; i < THREADS; i++)
		CHECK_EQ(tutti_semaphore_count(&stage[i]), 0);
	return 0;
}
