// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/rwlock.h: results of each function; readers together, a writer alone; a waiting writer holds back new readers; a writer that
 * leaves lets the waiting readers in first; time-outs that let those behind go on; recursion of the writer; downgrade.
 */
#include "check.h"

#include <uk/rwlock.h>

enum { THREADS = 4, ROUNDS = 2000 };

static struct uk_rwlock lock = UK_RWLOCK_INITIALIZER(lock, 0);
static struct uk_rwlock again = UK_RWLOCK_INITIALIZER(again, UK_RWLOCK_CONFIG_WRITE_RECURSE);
static long value[4], writes, order[8];
static int next_place, started;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static void *tries(void *arg)
{
	struct uk_rwlock *l = &lock;
	bool readers = arg != NULL;
	int64_t start;

	CHECK(tutti_rwlock_is_locked(l));
	CHECK(!tutti_rwlock_is_wheld(l));
	CHECK_EQ(tutti_rwlock_try_wlock(l), 0);
	CHECK_EQ(tutti_rwlock_try_rlock(l), readers);
	if (readers)
		uk_rwlock_runlock(l);
	start = now();
	CHECK_EQ(tutti_rwlock_wlock_until(l, start + 1000000), -ETIMEDOUT);
	CHECK(now() >= start + 1000000);
	CHECK_EQ(tutti_rwlock_rlock_until(l, now() + 1000000), readers ? 0 : -ETIMEDOUT);
	if (readers)
		uk_rwlock_runlock(l);
	return NULL;
}

static void states(void)
{
	CHECK(!tutti_rwlock_is_locked(&lock) && !uk_rwlock_is_write_recursive(&lock));
	CHECK(uk_rwlock_is_write_recursive(&again));
	uk_rwlock_rlock(&lock);
	tutti_rwlock_assert_rheld(&lock);
	check_join(check_spawn(tries, &lock));
	/* not rlock: a writer that came in between would wait for this thread, and this thread for it */
	CHECK(tutti_rwlock_try_rlock(&lock));
	uk_rwlock_runlock(&lock);
	uk_rwlock_runlock(&lock);
	CHECK(!tutti_rwlock_is_locked(&lock));
	uk_rwlock_wlock(&lock);
	CHECK(tutti_rwlock_is_wheld(&lock));
	tutti_rwlock_assert_wheld(&lock);
	CHECK_EQ(tutti_rwlock_try_wlock(&lock), 0);
	check_join(check_spawn(tries, NULL));
	tutti_rwlock_downgrade(&lock);
	CHECK(!tutti_rwlock_is_wheld(&lock));
	check_join(check_spawn(tries, &lock));
	uk_rwlock_runlock(&lock);
	CHECK(!tutti_rwlock_is_locked(&lock));
	CHECK_EQ(tutti_rwlock_wlock_until(&lock, 0), 0);
	uk_rwlock_wunlock(&lock);

	uk_rwlock_wlock(&again);
	uk_rwlock_wlock(&again);
	CHECK_EQ(tutti_rwlock_try_wlock(&again), 1);
	for (int i = 0; i < 3; i++) {
		CHECK(tutti_rwlock_is_wheld(&again));
		uk_rwlock_wunlock(&again);
	}
	CHECK(!tutti_rwlock_is_locked(&again));
}

static void arrive(int who)
{
	order[__atomic_fetch_add(&next_place, 1, __ATOMIC_SEQ_CST)] = who;
}

static void *ordered_writer(void *arg)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	uk_rwlock_wlock(&lock);
	arrive((int)(intptr_t)arg);
	uk_rwlock_wunlock(&lock);
	return NULL;
}

static void *ordered_reader(void *arg)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	uk_rwlock_rlock(&lock);
	arrive((int)(intptr_t)arg);
	uk_rwlock_runlock(&lock);
	return NULL;
}

static int queued(void)
{
	int n = 0;

	uk_spin_lock(&lock.lock);
	list_foreach(it, &lock.waiters)
		n++;
	uk_spin_unlock(&lock.lock);
	return n;
}

static pthread_t queue_up(void *(*fn)(void *), long who, int n)
{
	pthread_t t = check_spawn(fn, (void *)who);

	while (queued() != n)
		sched_yield();
	return t;
}

static void *late_reader(void *arg)
{
	(void)arg;
	CHECK_EQ(tutti_rwlock_rlock_until(&lock, now() + 100000), -ETIMEDOUT);
	return NULL;
}

/* queue while a reader is inside: W1 R2 W3 R4. Then W1; its unlock prefers R2 and R4; then W3. */
static void turns(void)
{
	pthread_t t[4];

	uk_rwlock_rlock(&lock);
	t[0] = queue_up(ordered_writer, 1, 1);
	/* a waiting writer holds back new readers */
	CHECK_EQ(tutti_rwlock_try_rlock(&lock), 0);
	check_join(check_spawn(late_reader, NULL));
	t[1] = queue_up(ordered_reader, 2, 2);
	t[2] = queue_up(ordered_writer, 3, 3);
	t[3] = queue_up(ordered_reader, 4, 4);
	uk_rwlock_runlock(&lock);
	for (int i = 0; i < 4; i++)
		check_join(t[i]);
	CHECK_EQ(order[0], 1);
	CHECK_EQ(order[1] + order[2], 6);
	CHECK_EQ(order[3], 3);
}

static void *late_writer(void *arg)
{
	(void)arg;
	CHECK_EQ(tutti_rwlock_wlock_until(&lock, now() + 20000000), -ETIMEDOUT);
	return NULL;
}

/* readers that wait behind a writer go on when that gives up */
static void given_up(void)
{
	pthread_t w, r;

	uk_rwlock_rlock(&lock);
	w = queue_up(late_writer, 0, 1);
	r = check_spawn(ordered_reader, (void *)5);
	check_join(r);
	check_join(w);
	uk_rwlock_runlock(&lock);
	CHECK(!tutti_rwlock_is_locked(&lock));
}

static void *worker(void *arg)
{
	uint64_t rnd = (uintptr_t)arg + 1;
	long rounds = check_rounds(ROUNDS);

	for (long i = 0; i < rounds; i++) {
		unsigned how = check_random(&rnd) % 8;

		if (how < 2) {
			if (how == 0)
				uk_rwlock_wlock(&lock);
			else
				while (tutti_rwlock_wlock_until(&lock, now() + (int64_t)(check_random(&rnd) % 30000)))
					;
			writes++;
			for (int k = 0; k < 4; k++) {
				value[k]++;
				if (check_random(&rnd) % 64 == 0)
					sched_yield();
			}
			if (check_random(&rnd) % 4 == 0) {
				tutti_rwlock_downgrade(&lock);
				CHECK_EQ(value[0], value[3]);
				uk_rwlock_runlock(&lock);
			} else {
				uk_rwlock_wunlock(&lock);
			}
			continue;
		}
		if (how == 2)
			while (tutti_rwlock_rlock_until(&lock, now() + (int64_t)(check_random(&rnd) % 30000)))
				;
		else
			uk_rwlock_rlock(&lock);
		CHECK_EQ(value[0], value[1]);
		if (check_random(&rnd) % 32 == 0)
			sched_yield();
		CHECK_EQ(value[0], value[3]);
		uk_rwlock_runlock(&lock);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	struct uk_rwlock made;

	states();
	turns();
	given_up();
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(value[0], writes);
	states();
	memset(&made, 0x5a, sizeof(made));
	uk_rwlock_init(&made);
	CHECK(!tutti_rwlock_is_locked(&made) && !uk_rwlock_is_write_recursive(&made));
	uk_rwlock_init_config(&made, UK_RWLOCK_CONFIG_WRITE_RECURSE);
	uk_rwlock_wlock(&made);
	uk_rwlock_wlock(&made);
	uk_rwlock_wunlock(&made);
	uk_rwlock_wunlock(&made);
	return 0;
}
