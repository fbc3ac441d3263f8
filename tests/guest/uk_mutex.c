// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/mutex.h: results of each function, recursion, time-outs; mutual exclusion with every way to lock; the mutex forms of wait queues.
 */
#include "check.h"

#include <uk/mutex.h>

enum { THREADS = 4, ROUNDS = 4000 };

static struct uk_mutex lock = UK_MUTEX_INITIALIZER(lock);
static struct uk_mutex again = UK_MUTEX_INITIALIZER_RECURSIVE(again);
static struct uk_waitq queue;
static long counter, inside, timeouts;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static void *foreign(void *arg)
{
	struct uk_mutex *m = arg;
	int64_t start;

	/* held by another thread */
	CHECK_EQ(uk_mutex_is_locked(m), 1);
	CHECK(!tutti_mutex_is_held(m));
	CHECK_EQ(uk_mutex_trylock(m), 0);
	CHECK_EQ(tutti_mutex_lock_until(m, 0), -ETIMEDOUT);
	CHECK_EQ(tutti_mutex_lock_until(m, -5), -ETIMEDOUT);
	start = now();
	CHECK_EQ(tutti_mutex_lock_until(m, start + 2000000), -ETIMEDOUT);
	CHECK(now() >= start + 2000000);
	return NULL;
}

static void states(struct uk_mutex *m, bool recursive)
{
	CHECK_EQ(uk_mutex_is_recursive(m), recursive);
	CHECK_EQ(uk_mutex_is_locked(m), 0);
	CHECK(!tutti_mutex_is_held(m));
	uk_mutex_lock(m);
	CHECK_EQ(uk_mutex_is_locked(m), 1);
	CHECK(tutti_mutex_is_held(m));
	tutti_mutex_assert_held(m);
	check_join(check_spawn(foreign, m));
	CHECK_EQ(uk_mutex_trylock(m), recursive);
	if (recursive) {
		uk_mutex_lock(m);
		CHECK_EQ(tutti_mutex_lock_until(m, 0), 0);
		for (int i = 0; i < 3; i++) {
			uk_mutex_unlock(m);
			CHECK_EQ(uk_mutex_is_locked(m), 1);
		}
		check_join(check_spawn(foreign, m));
	}
	uk_mutex_unlock(m);
	CHECK_EQ(uk_mutex_is_locked(m), 0);
	CHECK_EQ(uk_mutex_trylock(m), 1);
	uk_mutex_unlock(m);
	CHECK_EQ(tutti_mutex_lock_until(m, now() + 1000000000), 0);
	uk_mutex_unlock(m);
	CHECK_EQ(uk_mutex_is_locked(m), 0);
}

static void section(struct uk_mutex *m, uint64_t *rnd)
{
	/* not atomic on purpose */
	inside++;
	counter++;
	if (check_random(rnd) % 64 == 0)
		sched_yield();
	CHECK_EQ(*(volatile long *)&inside, 1);
	inside--;
	uk_mutex_unlock(m);
}

static void *worker(void *arg)
{
	uint64_t rnd = (uintptr_t)arg + 1;
	long rounds = check_rounds(ROUNDS);

	for (long i = 0; i < rounds; i++) {
		switch (check_random(&rnd) % 4) {
		case 0:
			while (!uk_mutex_trylock(&lock))
				sched_yield();
			break;
		case 1:
			while (tutti_mutex_lock_until(&lock, now() + (int64_t)(check_random(&rnd) % 50000)))
				__atomic_fetch_add(&timeouts, 1, __ATOMIC_RELAXED);
			break;
		default:
			uk_mutex_lock(&lock);
		}
		section(&lock, &rnd);
	}
	return NULL;
}

static int ready;

static void *setter(void *arg)
{
	(void)arg;
	uk_mutex_lock(&lock);
	ready = 1;
	uk_waitq_wake_up(&queue);
	uk_mutex_unlock(&lock);
	return NULL;
}

static void waiting(void)
{
	pthread_t t;

	uk_waitq_init(&queue);
	uk_mutex_lock(&lock);
	CHECK_EQ(uk_waitq_wait_event_deadline_mutex(&queue, ready, now() + 1000000, &lock), 1);
	CHECK(tutti_mutex_is_held(&lock));
	t = check_spawn(setter, NULL);
	CHECK_EQ(uk_waitq_wait_event_mutex(&queue, ready, &lock), 0);
	CHECK(tutti_mutex_is_held(&lock));
	CHECK_EQ(uk_waitq_wait_event_deadline_mutex(&queue, ready, now() + 1000000, &lock), 0);
	uk_mutex_unlock(&lock);
	check_join(t);
	CHECK(uk_waitq_empty(&queue));
}

int main(void)
{
	struct uk_mutex_metrics metrics;
	struct uk_mutex made;
	pthread_t t[THREADS];

	states(&lock, false);
	states(&again, true);
	memset(&made, 0x5a, sizeof(made));
	uk_mutex_init(&made);
	states(&made, false);
	uk_mutex_init_config(&made, UK_MUTEX_CONFIG_RECURSE);
	states(&made, true);
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(counter, THREADS * check_rounds(ROUNDS));
	CHECK_EQ(uk_mutex_is_locked(&lock), 0);
	waiting();
	uk_mutex_get_metrics(&metrics);
	/* all zeros without the option */
	CHECK(metrics.total_locks + metrics.total_ok_trylocks == 0 ||
	      metrics.total_locks + metrics.total_ok_trylocks >= (size_t)counter);
	CHECK(metrics.total_unlocks <= metrics.total_locks + metrics.total_ok_trylocks);
	return 0;
}
