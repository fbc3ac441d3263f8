// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * Robust mutexes of POSIX: every type, private and shared between processes, plain and with priority inheritance. The owner's
 * end gives EOWNERDEAD to whoever locks next, waiting or not; pthread_mutex_consistent() makes the mutex good again, unlocking without it makes it
 * ENOTRECOVERABLE for good, for those who wait already too.
 */
#include "check.h"

enum { WAITERS = 4 };

static pthread_mutex_t mutex;
static pthread_barrier_t barrier;
static int type, shared, protocol;

static void init(void)
{
	pthread_mutexattr_t attr;

	CHECK_OK(pthread_mutexattr_init(&attr));
	CHECK_OK(pthread_mutexattr_settype(&attr, type));
	CHECK_OK(pthread_mutexattr_setpshared(&attr, shared));
	CHECK_OK(pthread_mutexattr_setprotocol(&attr, protocol));
	CHECK_OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	CHECK_OK(pthread_mutex_init(&mutex, &attr));
	CHECK_OK(pthread_mutexattr_destroy(&attr));
}

/* Lock it and end; arg: after the others have started to wait, as well as one can know. */
static void *die(void *arg)
{
	CHECK_OK(pthread_mutex_lock(&mutex));
	if (type == PTHREAD_MUTEX_RECURSIVE)
		CHECK_OK(pthread_mutex_lock(&mutex));
	if (arg) {
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < 20; i++)
			sched_yield();
	}
	return NULL;
}

static _Atomic int dead, fine, lost;

static void *heir(void *arg)
{
	int r;

	pthread_barrier_wait(&barrier);
	if ((uintptr_t)arg % 2) {
		struct timespec at = check_after(CLOCK_REALTIME, 20000000000);

		r = pthread_mutex_timedlock(&mutex, &at);
	} else {
		r = pthread_mutex_lock(&mutex);
	}
	if (r == EOWNERDEAD) {
		dead++;
		CHECK_OK(pthread_mutex_consistent(&mutex));
		CHECK_OK(pthread_mutex_unlock(&mutex));
	} else {
		CHECK_OK(r);
		fine++;
		CHECK_OK(pthread_mutex_unlock(&mutex));
	}
	return NULL;
}

static void *destroyer(void *arg)
{
	struct timespec at = check_after(CLOCK_REALTIME, 2000000000);
	int r;

	(void)arg;
	pthread_barrier_wait(&barrier);
	r = pthread_mutex_timedlock(&mutex, &at);
	if (r == EOWNERDEAD) {
		dead++;
		CHECK_OK(pthread_mutex_unlock(&mutex));
	} else {
		/*
		 * musl's lock sees that the mutex is taken and looks at the word again before it waits: if it was made unrecoverable in between,
		 * it marks that word and sleeps on it, or asks the kernel for a PI lock of no owner (ESRCH), and either way waits for its time limit.
		 */
		if (r != ETIMEDOUT)
			CHECK_EQ(r, ENOTRECOVERABLE);
		lost++;
	}
	return NULL;
}

static void crowd(void *(*start)(void *), int waiters)
{
	pthread_t t[WAITERS + 1];

	dead = fine = lost = 0;
	CHECK_OK(pthread_barrier_init(&barrier, NULL, (unsigned)waiters + 1));
	t[waiters] = check_spawn(die, (void *)1);
	/* He has it first. */
	while (pthread_mutex_trylock(&mutex) != EBUSY) {
		CHECK_OK(pthread_mutex_unlock(&mutex));
		sched_yield();
	}
	for (int i = 0; i < waiters; i++)
		t[i] = check_spawn(start, (void *)(uintptr_t)i);
	for (int i = 0; i <= waiters; i++)
		check_join(t[i]);
	CHECK_OK(pthread_barrier_destroy(&barrier));
}

static void one_kind(void)
{
	int waiters;

	init();
	CHECK_EQ(pthread_mutex_consistent(&mutex), EINVAL);
	check_join(check_spawn(die, NULL));
	CHECK_EQ(pthread_mutex_trylock(&mutex), EOWNERDEAD);
	CHECK_OK(pthread_mutex_consistent(&mutex));
	CHECK_OK(pthread_mutex_unlock(&mutex));
	CHECK_OK(pthread_mutex_lock(&mutex));
	CHECK_OK(pthread_mutex_unlock(&mutex));
	check_join(check_spawn(die, NULL));
	CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
	CHECK_OK(pthread_mutex_unlock(&mutex));
	CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
	CHECK_EQ(pthread_mutex_trylock(&mutex), ENOTRECOVERABLE);
	CHECK_OK(pthread_mutex_destroy(&mutex));

	init();
	crowd(heir, WAITERS);
	CHECK_EQ(dead, 1);
	CHECK_EQ(fine, WAITERS - 1);
	CHECK_OK(pthread_mutex_destroy(&mutex));

	init();
	/* Without priority inheritance musl's unlock wakes one thread, and that one nobody: a third would sleep on. */
	waiters = protocol == PTHREAD_PRIO_NONE ? 2 : WAITERS;
	crowd(destroyer, waiters);
	/*
	 * With it there is a moment in musl's pthread_exit() at which the word is free in user space while waiters sleep in the kernel: who
	 * takes it then and makes it unrecoverable does not reach them, and the next one is told of the death again.
	 */
	CHECK(protocol == PTHREAD_PRIO_NONE ? dead == 1 : dead >= 1);
	CHECK_EQ(dead + lost, waiters);
	CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
	CHECK_OK(pthread_mutex_destroy(&mutex));
}

int main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };
	long rounds = check_rounds(4);

	for (long n = 0; n < rounds; n++)
		for (int i = 0; i < 12; i++) {
			type = types[i % 3];
			shared = i / 3 % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
			protocol = i / 6 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;
			one_kind();
		}
	return 0;
}
