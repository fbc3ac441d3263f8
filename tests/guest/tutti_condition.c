// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * tutti/condition.h: a bounded buffer in which nothing is lost; a signal wakes one waiter, the one that waits longest, and a broadcast
 * all, who move to the mutex's queue at once; time-outs give the mutex back; a signal that comes before the deadline counts.
 */
#include "check.h"

#include <tutti/condition.h>

enum { THREADS = 4, ITEMS = 4000, SLOTS = 3 };

static struct uk_mutex lock = UK_MUTEX_INITIALIZER(lock);
static struct tutti_condition not_full = TUTTI_CONDITION_INITIALIZER(not_full), not_empty;
static long slots[SLOTS], filled, put_in, taken_out, sum_in, sum_out, items;
static long waiting, woken, order[THREADS];

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static void wait_some(struct tutti_condition *c, uint64_t *rnd)
{
	if (check_random(rnd) % 4)
		tutti_condition_wait(c, &lock);
	else
		tutti_condition_wait_until(c, &lock, now() + (int64_t)(check_random(rnd) % 50000));
	CHECK(tutti_mutex_is_held(&lock));
}

static void *producer(void *arg)
{
	uint64_t rnd = (uintptr_t)arg + 1;

	for (;;) {
		uk_mutex_lock(&lock);
		while (filled == SLOTS && put_in < items)
			wait_some(&not_full, &rnd);
		if (put_in >= items)
			break;
		slots[filled++] = ++put_in;
		sum_in += put_in;
		tutti_condition_signal(&not_empty);
		if (put_in == items) {
			tutti_condition_broadcast(&not_full);
			tutti_condition_broadcast(&not_empty);
		}
		uk_mutex_unlock(&lock);
	}
	uk_mutex_unlock(&lock);
	return NULL;
}

static void *consumer(void *arg)
{
	uint64_t rnd = (uintptr_t)arg + 101;

	for (;;) {
		uk_mutex_lock(&lock);
		while (!filled && taken_out < items)
			wait_some(&not_empty, &rnd);
		if (!filled)
			break;
		sum_out += slots[--filled];
		if (++taken_out == items)
			tutti_condition_broadcast(&not_empty);
		uk_mutex_unlock(&lock);
		/* without the mutex as well */
		tutti_condition_signal(&not_full);
	}
	uk_mutex_unlock(&lock);
	return NULL;
}

static void *waiter(void *arg)
{
	uk_mutex_lock(&lock);
	waiting++;
	tutti_condition_wait(&not_full, &lock);
	order[woken] = (long)arg;
	__atomic_store_n(&woken, woken + 1, __ATOMIC_RELEASE);
	uk_mutex_unlock(&lock);
	return NULL;
}

/* `n` waiters, in the order of their numbers */
static void line_up(pthread_t *t, long n)
{
	waiting = woken = 0;
	for (long i = 0; i < n; i++) {
		long w;

		t[i] = check_spawn(waiter, (void *)i);
		do {
			sched_yield();
			uk_mutex_lock(&lock);
			w = waiting;
			uk_mutex_unlock(&lock);
		} while (w != i + 1);
	}
}

/* Without the mutex: its unlock would wake a waiter that the signal forgot. */
static long read_woken(void)
{
	return __atomic_load_n(&woken, __ATOMIC_ACQUIRE);
}

static void one_by_one(void)
{
	pthread_t t[THREADS];

	line_up(t, THREADS);
	for (long i = 0; i < THREADS; i++) {
		tutti_condition_signal(&not_full);
		while (read_woken() != i + 1)
			sched_yield();
		CHECK_EQ(order[i], i);
	}
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
}

static void all_at_once(void)
{
	pthread_t t[THREADS];
	int n = 0;

	line_up(t, THREADS);
	uk_mutex_lock(&lock);
	tutti_condition_broadcast(&not_full);
	/* no herd: they are in the mutex's queue, and none has it before this unlock */
	uk_spin_lock(&lock.lock);
	list_foreach(it, &lock.waiters)
		n++;
	uk_spin_unlock(&lock.lock);
	CHECK_EQ(n, THREADS);
	CHECK_EQ(woken, 0);
	uk_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(woken, THREADS);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(order[i], i);
}

static void *holder(void *arg)
{
	(void)arg;
	uk_mutex_lock(&lock);
	tutti_condition_signal(&not_full);
	/* the deadline of the waiter passes while it is in the mutex's queue */
	usleep(6000);
	uk_mutex_unlock(&lock);
	return NULL;
}

static void late(void)
{
	int64_t start = now();
	pthread_t t;
	int r;

	uk_mutex_lock(&lock);
	CHECK_EQ(tutti_condition_wait_until(&not_full, &lock, start + 1000000), -ETIMEDOUT);
	CHECK(now() >= start + 1000000 && tutti_mutex_is_held(&lock));
	CHECK_EQ(tutti_condition_wait_until(&not_full, &lock, 0), -ETIMEDOUT);
	CHECK_EQ(tutti_condition_wait_until(&not_full, &lock, -1), -ETIMEDOUT);
	t = check_spawn(holder, NULL);
	start = now();
	r = tutti_condition_wait_until(&not_full, &lock, start + 3000000);
	/* signalled or not, by which came first; either way the mutex is ours */
	CHECK(r == 0 || (r == -ETIMEDOUT && now() >= start + 3000000));
	CHECK(tutti_mutex_is_held(&lock));
	uk_mutex_unlock(&lock);
	check_join(t);
	CHECK(list_empty(&not_full.waiters) && !uk_mutex_is_locked(&lock));
}

int main(void)
{
	pthread_t t[2 * THREADS];

	items = check_rounds(ITEMS);
	tutti_condition_init(&not_empty);
	late();
	one_by_one();
	all_at_once();
	for (long i = 0; i < THREADS; i++) {
		t[i] = check_spawn(producer, (void *)i);
		t[THREADS + i] = check_spawn(consumer, (void *)i);
	}
	for (int i = 0; i < 2 * THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(put_in, items);
	CHECK_EQ(taken_out, items);
	CHECK_EQ(sum_in, sum_out);
	return 0;
}
