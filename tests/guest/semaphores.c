// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/* Semaphores: what is posted is taken exactly once; try and timed forms; the timed one is never early. */
#include "check.h"

#include <limits.h>
#include <semaphore.h>
#include <stdatomic.h>

static sem_t items, ping, pong;
static atomic_long taken;
static long rounds;

static void *post(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++)
		CHECK_EQ(sem_post(&items), 0);
	return arg;
}

static void *take(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++) {
		CHECK_EQ(sem_wait(&items), 0);
		atomic_fetch_add(&taken, 1);
	}
	return arg;
}

static void *answer(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++) {
		CHECK_EQ(sem_wait(&ping), 0);
		CHECK_EQ(sem_post(&pong), 0);
	}
	return arg;
}

int main(void)
{
	struct timespec until;
	pthread_t threads[8];
	int i, value;
	long n;

	rounds = check_rounds(2000);
	CHECK_EQ(sem_init(&items, 0, 0), 0);
	CHECK_EQ(sem_init(&ping, 0, 0), 0);
	CHECK_EQ(sem_init(&pong, 0, 0), 0);
	for (i = 0; i < 8; i++)
		threads[i] = check_spawn(i & 1 ? post : take, NULL);
	for (i = 0; i < 8; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&taken), 4 * rounds);
	CHECK_EQ(sem_getvalue(&items, &value), 0);
	CHECK_EQ(value, 0);

	threads[0] = check_spawn(answer, NULL);
	for (n = 0; n < rounds; n++) {
		CHECK_EQ(sem_post(&ping), 0);
		CHECK_EQ(sem_wait(&pong), 0);
	}
	check_join(threads[0]);

	CHECK_ERRNO(sem_trywait(&items), EAGAIN);
	for (i = 0; i < 5; i++) {
		until = check_after(CLOCK_REALTIME, 700000 * i);
		CHECK_ERRNO(sem_timedwait(&items, &until), ETIMEDOUT);
		CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
	}
	CHECK_EQ(sem_post(&items), 0);
	until = (struct timespec){ 0, 0 };
	CHECK_EQ(sem_timedwait(&items, &until), 0); /* there to be had: the time does not matter */
	CHECK_ERRNO(sem_init(&items, 0, (unsigned int)SEM_VALUE_MAX + 1), EINVAL);
	return 0;
}
