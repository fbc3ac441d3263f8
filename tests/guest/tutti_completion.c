// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * tutti/completion.h: said before or after the wait, once or for all; time-outs; a completion on the stack of its waiter that is gone
 * as soon as the wait returns.
 */
#include "check.h"

#include <tutti/completion.h>

enum { THREADS = 4, ROUNDS = 2000 };

static struct tutti_completion once = TUTTI_COMPLETION_INITIALIZER(once), all;
static struct tutti_completion *posted;
static long passed;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static void states(void)
{
	int64_t start;

	CHECK(!tutti_completion_try_wait(&once));
	CHECK_EQ(tutti_completion_wait_until(&once, 0), -ETIMEDOUT);
	start = now();
	CHECK_EQ(tutti_completion_wait_until(&once, start + 1000000), -ETIMEDOUT);
	CHECK(now() >= start + 1000000);
	tutti_completion_complete(&once);
	tutti_completion_complete(&once);
	tutti_completion_complete(&once);
	CHECK(tutti_completion_try_wait(&once));
	tutti_completion_wait(&once);
	CHECK_EQ(tutti_completion_wait_until(&once, 0), 0);
	CHECK(!tutti_completion_try_wait(&once));
	tutti_completion_complete_all(&once);
	tutti_completion_complete(&once);
	for (int i = 0; i < 5; i++) {
		tutti_completion_wait(&once);
		CHECK(tutti_completion_try_wait(&once));
	}
	tutti_completion_init(&once);
	CHECK(!tutti_completion_try_wait(&once));
}

static void *waits(void *c)
{
	tutti_completion_wait(c);
	__atomic_fetch_add(&passed, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void crowd(void)
{
	pthread_t t[THREADS];

	tutti_completion_init(&all);
	for (int i = 0; i < THREADS; i++)
		t[i] = check_spawn(waits, &all);
	usleep(1000);
	CHECK_EQ(passed, 0);
	tutti_completion_complete_all(&all);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(passed, THREADS);
	for (int i = 0; i < THREADS; i++)
		t[i] = check_spawn(waits, &once);
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(__atomic_load_n(&passed, __ATOMIC_SEQ_CST), THREADS + i);
		tutti_completion_complete(&once);
		while (__atomic_load_n(&passed, __ATOMIC_SEQ_CST) != THREADS + i + 1)
			sched_yield();
	}
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK(!tutti_completion_try_wait(&once));
}

static void *maker(void *arg)
{
	(void)arg;
	for (long i = 0; i < check_rounds(ROUNDS); i++) {
		struct tutti_completion *c;

		while (!(c = __atomic_exchange_n(&posted, NULL, __ATOMIC_SEQ_CST)))
			sched_yield();
		tutti_completion_complete(c);
	}
	return NULL;
}

static void __attribute__((noinline)) one_round(uint64_t *rnd)
{
	struct tutti_completion c;

	tutti_completion_init(&c);
	__atomic_store_n(&posted, &c, __ATOMIC_SEQ_CST);
	switch (check_random(rnd) % 4) {
	case 0:
		while (!tutti_completion_try_wait(&c))
			sched_yield();
		break;
	case 1:
		while (tutti_completion_wait_until(&c, now() + (int64_t)(check_random(rnd) % 20000)))
			;
		break;
	default:
		tutti_completion_wait(&c);
	}
	memset(&c, 0xdb, sizeof(c));
	__asm__ volatile("" ::"r"(&c) : "memory");
}

int main(void)
{
	uint64_t rnd = 1;
	pthread_t t;

	states();
	crowd();
	t = check_spawn(maker, NULL);
	for (long i = 0; i < check_rounds(ROUNDS); i++)
		one_round(&rnd);
	check_join(t);
	return 0;
}
