// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 cpus=1,2 sched=preempt,coop
/*
 * No wake-up is lost that a later operation would make good: three threads use a lock once each, one of them with a time-out, and then
 * meet without it before any of them touches it again. In the tests that only count, somebody always comes and wakes who was forgotten;
 * here a thread that sleeps on is never woken. Mutex, rwlock, semaphore, completion, condition in turn.
 */
#include "check.h"

#include <tutti/completion.h>
#include <tutti/condition.h>
#include <uk/mutex.h>
#include <uk/rwlock.h>
#include <uk/semaphore.h>

enum { THREADS = 3, ROUNDS = 400, KINDS = 5 };

static struct uk_mutex mutex = UK_MUTEX_INITIALIZER(mutex);
static struct uk_rwlock rwlock = UK_RWLOCK_INITIALIZER(rwlock, 0);
static struct uk_semaphore semaphore = UK_SEMAPHORE_INITIALIZER(semaphore, 0);
static struct tutti_completion completion = TUTTI_COMPLETION_INITIALIZER(completion);
static struct tutti_condition condition = TUTTI_CONDITION_INITIALIZER(condition);
static uk_spinlock no_preemption = UK_SPINLOCK_INITIALIZER();
static int arrived, meetings; /* [a] */
static int late;	      /* [a] waits in vain of this round */
static bool told;	      /* [mutex] */

static int64_t soon(uint64_t *rnd)
{
	return check_clock(CLOCK_MONOTONIC) + (int64_t)(check_random(rnd) % 40000);
}

static void meet(void)
{
	int now = __atomic_load_n(&meetings, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == THREADS) {
		__atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&meetings, now + 1, __ATOMIC_RELEASE);
	}
	while (__atomic_load_n(&meetings, __ATOMIC_ACQUIRE) == now)
		sched_yield();
}

static void inside(uint64_t *rnd)
{
	if (check_random(rnd) % 2)
		sched_yield();
}

static void use_mutex(int me, uint64_t *rnd)
{
	if (me != 2)
		uk_mutex_lock(&mutex);
	else if (tutti_mutex_lock_until(&mutex, soon(rnd)))
		return;
	inside(rnd);
	uk_mutex_unlock(&mutex);
}

static void use_rwlock(int me, uint64_t *rnd)
{
	bool writes = me == 0 || (me == 2 && check_random(rnd) % 2);

	if (me == 0)
		uk_rwlock_wlock(&rwlock);
	else if (me == 1)
		uk_rwlock_rlock(&rwlock);
	else if (writes ? tutti_rwlock_wlock_until(&rwlock, soon(rnd)) : tutti_rwlock_rlock_until(&rwlock, soon(rnd)))
		return;
	inside(rnd);
	if (writes)
		uk_rwlock_wunlock(&rwlock);
	else
		uk_rwlock_runlock(&rwlock);
}

/* Two units for two; one that comes too late is left. */
static void use_semaphore(int me, uint64_t *rnd)
{
	if (me == 0) {
		uk_semaphore_up(&semaphore);
		inside(rnd);
		uk_semaphore_up(&semaphore);
	} else if (me == 1) {
		uk_semaphore_down(&semaphore);
	} else if (tutti_semaphore_down_until(&semaphore, soon(rnd))) {
		__atomic_store_n(&late, 1, __ATOMIC_RELAXED);
	}
}

static void use_completion(int me, uint64_t *rnd)
{
	if (me == 0) {
		tutti_completion_complete(&completion);
		inside(rnd);
		tutti_completion_complete(&completion);
	} else if (me == 1) {
		tutti_completion_wait(&completion);
	} else if (tutti_completion_wait_until(&completion, soon(rnd))) {
		__atomic_store_n(&late, 1, __ATOMIC_RELAXED);
	}
}

/* The signal comes without the mutex: if that is free then, nobody will unlock it for the waiters. */
static void use_condition(int me, uint64_t *rnd)
{
	uk_mutex_lock(&mutex);
	if (me == 0) {
		told = true;
	} else {
		while (!told) {
			if (me == 1)
				tutti_condition_wait(&condition, &mutex);
			else if (tutti_condition_wait_until(&condition, &mutex, soon(rnd)))
				break;
		}
	}
	uk_mutex_unlock(&mutex);
	if (me == 0) {
		inside(rnd);
		tutti_condition_broadcast(&condition);
	}
}

static void *user(void *arg)
{
	static void (*const use[KINDS])(int me, uint64_t *rnd) = { use_mutex, use_rwlock, use_semaphore, use_completion,
								   use_condition };
	int me = (int)(intptr_t)arg;
	uint64_t rnd = (uint64_t)me + 1;
	long rounds = check_rounds(ROUNDS);

	for (long r = 0; r < rounds; r++) {
		for (unsigned i = (unsigned)check_random(&rnd) % 64; i; i--)
			__asm__ volatile("pause");
		inside(&rnd);
		use[r % KINDS](me, &rnd);
		meet();
		if (me == 0) {
			CHECK_EQ(uk_mutex_is_locked(&mutex), 0);
			CHECK(!tutti_rwlock_is_locked(&rwlock));
			CHECK_EQ(uk_semaphore_down_try(&semaphore), late && r % KINDS == 2);
			CHECK_EQ(tutti_completion_try_wait(&completion), late && r % KINDS == 3);
			CHECK_EQ(tutti_semaphore_count(&semaphore), 0);
			told = false;
			late = 0;
		}
		meet();
	}
	return NULL;
}

static void *patient(void *arg)
{
	uk_mutex_lock(&mutex);
	uk_mutex_unlock(&mutex);
	return arg;
}

static void *impatient(void *arg)
{
	/* or not: it may be free by the time this thread runs again */
	if (!tutti_mutex_lock_until(&mutex, *(int64_t *)arg))
		uk_mutex_unlock(&mutex);
	return NULL;
}

static void queue_up(pthread_t *t, void *(*fn)(void *), void *arg, int n)
{
	int found;

	*t = check_spawn(fn, arg);
	do {
		found = 0;
		sched_yield();
		uk_spin_lock(&mutex.lock);
		list_foreach(it, &mutex.waiters)
			found++;
		uk_spin_unlock(&mutex.lock);
	} while (found < n && check_clock(CLOCK_MONOTONIC) < *(int64_t *)arg);
}

/* The mutex is free by the time the first waiter finds that it is late: either it takes it, or it wakes the next. */
static void late_and_free(void)
{
	int64_t end = check_clock(CLOCK_MONOTONIC) + 20000000;
	pthread_t t[2];

	uk_mutex_lock(&mutex);
	queue_up(&t[0], impatient, &end, 1);
	queue_up(&t[1], patient, &end, 2);
	/* with one CPU nobody else runs from here to the unlock */
	uk_spin_lock(&no_preemption);
	while (check_clock(CLOCK_MONOTONIC) < end + 1000000)
		__asm__ volatile("pause");
	uk_mutex_unlock(&mutex);
	uk_spin_unlock(&no_preemption);
	for (int i = 0; i < 2; i++)
		check_join(t[i]);
}

int main(void)
{
	pthread_t t[THREADS];

	late_and_free();
	for (intptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(user, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	return 0;
}
