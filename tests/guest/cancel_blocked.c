// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * pthread_cancel() ends a thread that is blocked in sem_wait, a condition, nanosleep, pause, pthread_join, a timed wait or
 * read; its cleanup handlers run (a condition's with the mutex held), and pthread_join says PTHREAD_CANCELED. Each kind is
 * cancelled both at once (likely before it blocks) and after it was seen on its way into the call.
 */
#include "check.h"

#include <semaphore.h>
#include <stdatomic.h>

static sem_t never;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static atomic_int entered, cleaned;
static pthread_t sleeper;
static int pipe_ends[2];
static bool have_pipe;

static void cleanup(void *arg)
{
	if (arg)
		CHECK_OK(pthread_mutex_unlock(arg)); /* fails unless it is held: errorcheck */
	atomic_fetch_add(&cleaned, 1);
}

static void *in_sem_wait(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	atomic_store(&entered, 1);
	for (;;)
		sem_wait(&never);
	pthread_cleanup_pop(0);
	return arg;
}

static void *in_cond_wait(void *arg)
{
	CHECK_OK(pthread_mutex_lock(&lock));
	pthread_cleanup_push(cleanup, &lock);
	atomic_store(&entered, 1);
	for (;;)
		pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(0);
	return arg;
}

static void *in_cond_timedwait(void *arg)
{
	struct timespec until = check_after(CLOCK_REALTIME, 1000000000000);

	CHECK_OK(pthread_mutex_lock(&lock));
	pthread_cleanup_push(cleanup, &lock);
	atomic_store(&entered, 1);
	for (;;)
		pthread_cond_timedwait(&cond, &lock, &until);
	pthread_cleanup_pop(0);
	return arg;
}

static void *in_nanosleep(void *arg)
{
	struct timespec ts = { 1000, 0 };

	pthread_cleanup_push(cleanup, NULL);
	atomic_store(&entered, 1);
	for (;;)
		nanosleep(&ts, NULL);
	pthread_cleanup_pop(0);
	return arg;
}

static void *in_pause(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	atomic_store(&entered, 1);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return arg;
}

static void *in_join(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	atomic_store(&entered, 1);
	pthread_join(sleeper, NULL);
	pthread_cleanup_pop(0);
	return arg;
}

/* Blocks where there are pipes; elsewhere standard input may be at its end, and read is only a cancellation point. */
static void *in_read(void *arg)
{
	char byte;

	pthread_cleanup_push(cleanup, NULL);
	atomic_store(&entered, 1);
	for (;;)
		if (read(have_pipe ? pipe_ends[0] : 0, &byte, 1) < 0)
			CHECK_EQ(errno, EINTR);
	pthread_cleanup_pop(0);
	return arg;
}

static void cancel(void *(*victim)(void *), bool wait)
{
	pthread_t thread;
	int i;

	atomic_store(&entered, 0);
	atomic_store(&cleaned, 0);
	thread = check_spawn(victim, NULL);
	while (!atomic_load(&entered))
		sched_yield();
	for (i = 0; wait && i < 30; i++)
		sched_yield();
	CHECK_OK(pthread_cancel(thread));
	CHECK(check_join(thread) == PTHREAD_CANCELED);
	CHECK_EQ(atomic_load(&cleaned), 1);
}

int main(void)
{
	void *(*const victims[])(void *) = {
		in_sem_wait, in_cond_wait, in_cond_timedwait, in_nanosleep, in_pause, in_join, in_read,
	};
	pthread_mutexattr_t attr;
	size_t i;
	int round;

	have_pipe = pipe(pipe_ends) == 0;
	CHECK_EQ(sem_init(&never, 0, 0), 0);
	CHECK_OK(pthread_mutexattr_init(&attr));
	CHECK_OK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK));
	CHECK_OK(pthread_mutex_init(&lock, &attr));
	sleeper = check_spawn(in_pause, NULL);
	for (round = 0; round < 10; round++)
		for (i = 0; i < sizeof(victims) / sizeof(victims[0]); i++)
			cancel(victims[i], round & 1);
	CHECK_OK(pthread_mutex_trylock(&lock));
	CHECK_OK(pthread_cancel(sleeper)); /* joining failed, it was not lost */
	CHECK(check_join(sleeper) == PTHREAD_CANCELED);
	return 0;
}
