// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4,8 sched=preempt,coop
/*
 * The sleeping locks under load, one kind after the other.
 *
 * Checked: exclusion, by plain variables that belong together; no lost wake-up, by waits without a deadline, which then last for ever;
 * time-outs, which neither hold a lock nor make others miss their turn; units, items and completions, which arrive once each.
 * (Fairness of the mutex: tests/guest/lock_fairness.c.)
 */
#include "torture.h"

#include <tutti/completion.h>
#include <tutti/condition.h>
#include <uk/mutex.h>
#include <uk/rwlock.h>
#include <uk/semaphore.h>

enum { THREADS = 6, MUTEXES = 2, UNITS = 3, SLOTS = 3, PHASES = 5 };

static int64_t soon(uint64_t *rnd)
{
	return check_clock(CLOCK_MONOTONIC) + torture_below(rnd, 60000);
}

static void linger(uint64_t *rnd)
{
	unsigned n = torture_below(rnd, 64);

	if (n == 0)
		sched_yield();
	else if (n < 4)
		for (unsigned i = 0; i < n * 100; i++)
			__asm__ volatile("");
}

/* ---- mutex ---- */

static struct {
	struct uk_mutex lock;
	unsigned long a, b; /* [lock] equal */
} mutex[MUTEXES];

static void *mutex_user(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		unsigned which = torture_below(&rnd, MUTEXES), deep = 0;
		struct uk_mutex *m = &mutex[which].lock;

		switch (torture_below(&rnd, 5)) {
		case 0:
			if (!uk_mutex_trylock(m))
				continue;
			break;
		case 1:
			if (tutti_mutex_lock_until(m, soon(&rnd)))
				continue;
			break;
		default:
			uk_mutex_lock(m);
		}
		if (uk_mutex_is_recursive(m))
			for (; deep < torture_below(&rnd, 3); deep++)
				uk_mutex_lock(m);
		mutex[which].a++;
		linger(&rnd);
		mutex[which].b++;
		TORTURE_CHECK(mutex[which].a == mutex[which].b);
		TORTURE_CHECK(tutti_mutex_is_held(m));
		for (unsigned i = 0; i <= deep; i++)
			uk_mutex_unlock(m);
		linger(&rnd);
	}
	return NULL;
}

/* ---- rwlock ---- */

static struct uk_rwlock rwlock;
static unsigned long rw_a, rw_b; /* [rwlock] equal */
static int readers_inside, writers_inside;

static void *rwlock_user(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		unsigned how = torture_below(&rnd, 10);
		bool writer = how < 3;

		if (how == 0)
			uk_rwlock_wlock(&rwlock);
		else if (how == 1 && tutti_rwlock_wlock_until(&rwlock, soon(&rnd)))
			continue;
		else if (how == 2 && !tutti_rwlock_try_wlock(&rwlock))
			continue;
		else if (how == 3 && tutti_rwlock_rlock_until(&rwlock, soon(&rnd)))
			continue;
		else if (how == 4 && !tutti_rwlock_try_rlock(&rwlock))
			continue;
		else if (how > 4)
			uk_rwlock_rlock(&rwlock);
		if (writer) {
			TORTURE_CHECK(__atomic_add_fetch(&writers_inside, 1, __ATOMIC_SEQ_CST) == 1);
			TORTURE_CHECK(__atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST) == 0);
			rw_a++;
			linger(&rnd);
			rw_b++;
			__atomic_fetch_sub(&writers_inside, 1, __ATOMIC_SEQ_CST);
			if (torture_below(&rnd, 3)) {
				uk_rwlock_wunlock(&rwlock);
				continue;
			}
			tutti_rwlock_downgrade(&rwlock);
		}
		__atomic_fetch_add(&readers_inside, 1, __ATOMIC_SEQ_CST);
		TORTURE_CHECK(__atomic_load_n(&writers_inside, __ATOMIC_SEQ_CST) == 0);
		TORTURE_CHECK(rw_a == rw_b);
		linger(&rnd);
		TORTURE_CHECK(rw_a == rw_b);
		__atomic_fetch_sub(&readers_inside, 1, __ATOMIC_SEQ_CST);
		uk_rwlock_runlock(&rwlock);
	}
	return NULL;
}

/* ---- semaphore ---- */

static struct uk_semaphore semaphore;
static int sem_inside;

static void *semaphore_user(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		unsigned how = torture_below(&rnd, 5);

		if (how == 0 && !uk_semaphore_down_try(&semaphore))
			continue;
		else if (how == 1 && uk_semaphore_down_to(&semaphore, 1 + torture_below(&rnd, 60000)) == __NSEC_MAX)
			continue;
		else if (how > 1)
			uk_semaphore_down(&semaphore);
		TORTURE_CHECK(__atomic_add_fetch(&sem_inside, 1, __ATOMIC_SEQ_CST) <= UNITS);
		linger(&rnd);
		__atomic_fetch_sub(&sem_inside, 1, __ATOMIC_SEQ_CST);
		uk_semaphore_up(&semaphore);
	}
	return NULL;
}

/* ---- condition: a bounded buffer ---- */

static struct tutti_condition not_full, not_empty;
static unsigned long slots[SLOTS], filled, put_in, taken_out, sum_in, sum_out; /* [mutex[0].lock] */
static bool no_more;							       /* [mutex[0].lock] */

static void wait_some(struct tutti_condition *c, uint64_t *rnd)
{
	if (torture_below(rnd, 4))
		tutti_condition_wait(c, &mutex[0].lock);
	else
		tutti_condition_wait_until(c, &mutex[0].lock, soon(rnd));
}

static void *buffer_user(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	struct uk_mutex *m = &mutex[0].lock;
	bool producer = (uintptr_t)arg % 2 == 0;
	unsigned mine = 0;

	while (!producer || torture_more(&mine)) {
		uk_mutex_lock(m);
		if (producer) {
			while (filled == SLOTS)
				wait_some(&not_full, &rnd);
			slots[filled++] = ++put_in;
			sum_in += put_in;
			tutti_condition_signal(&not_empty);
		} else {
			while (!filled && !no_more)
				wait_some(&not_empty, &rnd);
			if (!filled)
				break;
			sum_out += slots[--filled];
			taken_out++;
			tutti_condition_signal(&not_full);
		}
		uk_mutex_unlock(m);
		linger(&rnd);
	}
	if (!producer)
		uk_mutex_unlock(m);
	return NULL;
}

static void condition_phase(void)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(buffer_user, (void *)i);
	for (int i = 0; i < THREADS; i += 2)
		check_join(t[i]);
	uk_mutex_lock(&mutex[0].lock);
	no_more = true;
	tutti_condition_broadcast(&not_empty);
	uk_mutex_unlock(&mutex[0].lock);
	for (int i = 1; i < THREADS; i += 2)
		check_join(t[i]);
	TORTURE_CHECK(put_in == taken_out && sum_in == sum_out && !filled);
}

/* ---- completion: one is posted, another thread completes it ---- */

static struct tutti_completion *posted[THREADS / 2];
static uint32_t waiter_done[THREADS / 2];

static void *completion_user(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned mine = 0, pair = (unsigned)(uintptr_t)arg / 2;
	struct tutti_completion c, *p;

	if ((uintptr_t)arg % 2) {
		while (!__atomic_load_n(&waiter_done[pair], __ATOMIC_ACQUIRE)) {
			p = __atomic_exchange_n(&posted[pair], NULL, __ATOMIC_ACQ_REL);
			linger(&rnd);
			if (!p)
				sched_yield();
			else if (torture_below(&rnd, 2))
				tutti_completion_complete(p);
			else
				tutti_completion_complete_all(p);
		}
		return NULL;
	}
	while (torture_more(&mine)) {
		tutti_completion_init(&c);
		__atomic_store_n(&posted[pair], &c, __ATOMIC_RELEASE);
		if (torture_below(&rnd, 3))
			tutti_completion_wait(&c);
		else
			while (tutti_completion_wait_until(&c, soon(&rnd)))
				;
		/* nobody uses it any more */
		memset(&c, 0xdb, sizeof(c));
		__asm__ volatile("" ::"r"(&c) : "memory");
	}
	__atomic_store_n(&waiter_done[pair], 1, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- */

static void run(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	torture_phase(PHASES);
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(fn, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
}

int main(int argc, char **argv)
{
	/* more CPUs than this computer may have cores: each hand-over waits for the host */
	torture_begin(argc, argv, check_cpus() > 2 ? 6000 : 30000);
	uk_mutex_init(&mutex[0].lock);
	uk_mutex_init_config(&mutex[1].lock, UK_MUTEX_CONFIG_RECURSE);
	uk_rwlock_init(&rwlock);
	uk_semaphore_init(&semaphore, UNITS);
	tutti_condition_init(&not_full);
	tutti_condition_init(&not_empty);

	run(mutex_user);
	for (int i = 0; i < MUTEXES; i++)
		TORTURE_CHECK(mutex[i].a == mutex[i].b && !uk_mutex_is_locked(&mutex[i].lock));
	run(rwlock_user);
	TORTURE_CHECK(rw_a == rw_b && !tutti_rwlock_is_locked(&rwlock));
	run(semaphore_user);
	TORTURE_CHECK(tutti_semaphore_count(&semaphore) == UNITS);
	torture_phase(PHASES);
	condition_phase();
	run(completion_user);
	return torture_end();
}
