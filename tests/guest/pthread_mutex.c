// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/* Mutexes exclude, of every type; each type answers misuse as POSIX says; a timed lock waits at least its time. */
#include "check.h"

static struct {
	pthread_mutex_t lock;
	long counter; /* [l] */
	int inside;   /* [l] */
	long rounds;
} shared;

static void *count(void *arg)
{
	long n;

	for (n = 0; n < shared.rounds; n++) {
		if (arg && n % 3 == 0) {
			while (pthread_mutex_trylock(&shared.lock) != 0)
				sched_yield();
		} else {
			CHECK_OK(pthread_mutex_lock(&shared.lock));
		}
		CHECK_EQ(shared.inside++, 0);
		shared.counter++;
		if (n % 64 == 0)
			sched_yield(); /* the others run into the held lock and sleep */
		CHECK_EQ(--shared.inside, 0);
		CHECK_OK(pthread_mutex_unlock(&shared.lock));
	}
	return NULL;
}

static void *other_thread_checks(void *arg)
{
	pthread_mutex_t *lock = arg;
	struct timespec until = check_after(CLOCK_REALTIME, 2000000);

	CHECK_EQ(pthread_mutex_trylock(lock), EBUSY);
	CHECK_EQ(pthread_mutex_timedlock(lock, &until), ETIMEDOUT);
	CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
	return NULL;
}

static void *unlock_foreign(void *arg)
{
	CHECK_EQ(pthread_mutex_unlock(arg), EPERM);
	return NULL;
}

static void storm(int type)
{
	pthread_mutexattr_t attr;
	pthread_t threads[8];
	int i;

	CHECK_OK(pthread_mutexattr_init(&attr));
	CHECK_OK(pthread_mutexattr_settype(&attr, type));
	CHECK_OK(pthread_mutex_init(&shared.lock, &attr));
	shared.counter = 0;
	shared.rounds = check_rounds(3000);
	for (i = 0; i < 8; i++)
		threads[i] = check_spawn(count, (void *)(intptr_t)(i & 1));
	for (i = 0; i < 8; i++)
		check_join(threads[i]);
	CHECK_EQ(shared.counter, 8 * shared.rounds);

	CHECK_OK(pthread_mutex_lock(&shared.lock));
	check_join(check_spawn(other_thread_checks, &shared.lock));
	if (type == PTHREAD_MUTEX_RECURSIVE) {
		for (i = 0; i < 100; i++)
			CHECK_OK(pthread_mutex_lock(&shared.lock));
		for (i = 0; i < 100; i++)
			CHECK_OK(pthread_mutex_unlock(&shared.lock));
		check_join(check_spawn(other_thread_checks, &shared.lock)); /* still held once */
	}
	if (type == PTHREAD_MUTEX_ERRORCHECK)
		CHECK_EQ(pthread_mutex_lock(&shared.lock), EDEADLK);
	if (type != PTHREAD_MUTEX_NORMAL)
		check_join(check_spawn(unlock_foreign, &shared.lock));
	CHECK_OK(pthread_mutex_unlock(&shared.lock));
	if (type != PTHREAD_MUTEX_NORMAL)
		CHECK_EQ(pthread_mutex_unlock(&shared.lock), EPERM);
	CHECK_OK(pthread_mutex_destroy(&shared.lock));
}

int main(void)
{
	storm(PTHREAD_MUTEX_NORMAL);
	storm(PTHREAD_MUTEX_RECURSIVE);
	storm(PTHREAD_MUTEX_ERRORCHECK);
	return 0;
}
