// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * Mutexes with PTHREAD_PRIO_INHERIT through libc: every type, private and shared; errors, time limits, conditions, exclusion.
 */
#include "check.h"

enum { FIGHTERS = 6 };

static pthread_mutex_t mutex, other;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter, rounds;
static int inside;

static void init(pthread_mutex_t *m, int type, int shared)
{
	pthread_mutexattr_t attr;

	CHECK_OK(pthread_mutexattr_init(&attr));
	CHECK_OK(pthread_mutexattr_settype(&attr, type));
	CHECK_OK(pthread_mutexattr_setpshared(&attr, shared));
	CHECK_OK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	CHECK_OK(pthread_mutex_init(m, &attr));
}

static void *fight(void *arg)
{
	uint64_t rng = 5 + (uintptr_t)arg;

	for (long n = 0; n < rounds; n++) {
		if (check_random(&rng) % 4 == 0) {
			struct timespec at = check_after(CLOCK_REALTIME, (int64_t)(check_random(&rng) % 300000));
			int r = pthread_mutex_timedlock(&mutex, &at);

			if (r == ETIMEDOUT)
				continue;
			CHECK_OK(r);
		} else if (check_random(&rng) % 4 == 0) {
			if (pthread_mutex_trylock(&mutex) == EBUSY)
				continue;
		} else {
			CHECK_OK(pthread_mutex_lock(&mutex));
		}
		CHECK_EQ(inside++, 0);
		counter++;
		if (check_random(&rng) % 16 == 0)
			sched_yield();
		CHECK_EQ(--inside, 0);
		CHECK_OK(pthread_mutex_unlock(&mutex));
	}
	return NULL;
}

static int turn;

static void *take_turns(void *arg)
{
	int self = (int)(uintptr_t)arg;

	for (long n = 0; n < rounds / 4; n++) {
		CHECK_OK(pthread_mutex_lock(&mutex));
		while (turn != self)
			CHECK_OK(pthread_cond_wait(&cond, &mutex));
		turn = (turn + 1) % FIGHTERS;
		CHECK_OK(pthread_cond_broadcast(&cond));
		CHECK_OK(pthread_mutex_unlock(&mutex));
	}
	return NULL;
}

static void *hold_other(void *arg)
{
	CHECK_OK(pthread_mutex_lock(&other));
	/* The circle closes on whoever comes second, and main tries with a time limit. */
	for (int r; (r = pthread_mutex_lock(&mutex));) {
		CHECK_EQ(r, EDEADLK);
		CHECK_OK(pthread_mutex_unlock(&other));
		sched_yield();
		CHECK_OK(pthread_mutex_lock(&other));
	}
	CHECK_OK(pthread_mutex_unlock(&mutex));
	CHECK_OK(pthread_mutex_unlock(&other));
	return arg;
}

static void errors(void)
{
	struct timespec past = { 0, 1 };
	pthread_t t;

	CHECK_OK(pthread_mutex_lock(&mutex));
	CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
	CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
	t = check_spawn(hold_other, NULL);
	/* Once he waits for us, the circle is known: until then a lock that is free, or that time is up. */
	for (;;) {
		int r = pthread_mutex_timedlock(&other, &past);

		if (r == EDEADLK)
			break;
		if (r == 0)
			CHECK_OK(pthread_mutex_unlock(&other));
		else
			CHECK_EQ(r, ETIMEDOUT);
		sched_yield();
	}
	CHECK_OK(pthread_mutex_unlock(&mutex));
	check_join(t);
	CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
}

static void crowd(void *(*start)(void *))
{
	pthread_t t[FIGHTERS];

	for (uintptr_t i = 0; i < FIGHTERS; i++)
		t[i] = check_spawn(start, (void *)i);
	for (int i = 0; i < FIGHTERS; i++)
		check_join(t[i]);
}

int main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };

	rounds = check_rounds(200);
	init(&other, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PROCESS_PRIVATE);
	for (int i = 0; i < 6; i++) {
		init(&mutex, types[i % 3], i / 3 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
		counter = 0;
		turn = 0;
		crowd(fight);
		CHECK(counter > 0 && counter <= FIGHTERS * rounds);
		crowd(take_turns);
		CHECK_EQ(turn, 0);
		if (types[i % 3] == PTHREAD_MUTEX_ERRORCHECK)
			errors();
		CHECK_OK(pthread_mutex_destroy(&mutex));
	}
	return 0;
}
