// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/* Conditions: no signal is lost (a bounded buffer, counted), broadcast wakes all, a timed wait is never early. */
#include "check.h"

enum { SLOTS = 7, PRODUCERS = 4, CONSUMERS = 4 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t not_full, not_empty;
	long slots[SLOTS]; /* [l] */
	int used, head;	   /* [l] */
	long sum, taken;   /* [l] */
	long each;	   /* [I] items per producer */
} buffer = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.not_full = PTHREAD_COND_INITIALIZER,
	.not_empty = PTHREAD_COND_INITIALIZER,
};

static void *produce(void *arg)
{
	long n;

	for (n = 1; n <= buffer.each; n++) {
		pthread_mutex_lock(&buffer.lock);
		while (buffer.used == SLOTS)
			CHECK_OK(pthread_cond_wait(&buffer.not_full, &buffer.lock));
		buffer.slots[(buffer.head + buffer.used++) % SLOTS] = n;
		CHECK_OK(pthread_cond_signal(&buffer.not_empty));
		pthread_mutex_unlock(&buffer.lock);
	}
	return arg;
}

static void *consume(void *arg)
{
	long n;

	for (n = 0; n < buffer.each * PRODUCERS / CONSUMERS; n++) {
		pthread_mutex_lock(&buffer.lock);
		while (buffer.used == 0)
			CHECK_OK(pthread_cond_wait(&buffer.not_empty, &buffer.lock));
		CHECK(buffer.used > 0 && buffer.used <= SLOTS);
		buffer.sum += buffer.slots[buffer.head];
		buffer.head = (buffer.head + 1) % SLOTS;
		buffer.used--;
		buffer.taken++;
		CHECK_OK(pthread_cond_signal(&buffer.not_full));
		pthread_mutex_unlock(&buffer.lock);
	}
	return arg;
}

static struct {
	pthread_mutex_t lock;
	pthread_cond_t turn, done;
	int generation; /* [l] */
	int woken;	/* [l] */
} crowd = { .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };

enum { CROWD = 20, GENERATIONS = 50 };

static void *follow(void *arg)
{
	int seen;

	pthread_mutex_lock(&crowd.lock);
	for (seen = 0; seen < GENERATIONS; seen++) {
		while (crowd.generation == seen)
			CHECK_OK(pthread_cond_wait(&crowd.turn, &crowd.lock));
		CHECK_EQ(crowd.generation, seen + 1);
		if (++crowd.woken == CROWD)
			CHECK_OK(pthread_cond_signal(&crowd.done));
	}
	pthread_mutex_unlock(&crowd.lock);
	return arg;
}

static void check_timed(clockid_t clock)
{
	pthread_condattr_t attr;
	pthread_cond_t cond;
	struct timespec until;
	int i;

	CHECK_OK(pthread_condattr_init(&attr));
	CHECK_OK(pthread_condattr_setclock(&attr, clock));
	CHECK_OK(pthread_cond_init(&cond, &attr));
	pthread_mutex_lock(&crowd.lock);
	for (i = 0; i < 10; i++) {
		until = check_after(clock, 300000 * i);
		while (pthread_cond_timedwait(&cond, &crowd.lock, &until) == 0)
			;
		CHECK(check_clock(clock) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
	}
	until = (struct timespec){ .tv_sec = 1, .tv_nsec = 0 }; /* long past */
	CHECK_EQ(pthread_cond_timedwait(&cond, &crowd.lock, &until), ETIMEDOUT);
	until.tv_nsec = 1000000000;
	CHECK_EQ(pthread_cond_timedwait(&cond, &crowd.lock, &until), EINVAL);
	pthread_mutex_unlock(&crowd.lock);
	CHECK_OK(pthread_cond_destroy(&cond));
}

int main(void)
{
	pthread_t threads[CROWD];
	int i;

	buffer.each = check_rounds(1500);
	for (i = 0; i < PRODUCERS; i++)
		threads[i] = check_spawn(produce, NULL);
	for (i = 0; i < CONSUMERS; i++)
		threads[PRODUCERS + i] = check_spawn(consume, NULL);
	for (i = 0; i < PRODUCERS + CONSUMERS; i++)
		check_join(threads[i]);
	CHECK_EQ(buffer.taken, PRODUCERS * buffer.each);
	CHECK_EQ(buffer.sum, PRODUCERS * (buffer.each * (buffer.each + 1) / 2));
	CHECK_EQ(buffer.used, 0);

	for (i = 0; i < CROWD; i++)
		threads[i] = check_spawn(follow, NULL);
	pthread_mutex_lock(&crowd.lock);
	for (i = 0; i < GENERATIONS; i++) {
		crowd.woken = 0;
		crowd.generation++;
		CHECK_OK(pthread_cond_broadcast(&crowd.turn));
		while (crowd.woken < CROWD)
			CHECK_OK(pthread_cond_wait(&crowd.done, &crowd.lock));
	}
	pthread_mutex_unlock(&crowd.lock);
	for (i = 0; i < CROWD; i++)
		check_join(threads[i]);

	check_timed(CLOCK_REALTIME);
	check_timed(CLOCK_MONOTONIC);
	return 0;
}
