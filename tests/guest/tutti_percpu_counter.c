// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * tutti/percpu_counter.h. Threads on all CPUs add to two counters that share lines; no addition is lost, the cheap read is off by less
 * than CPUs times batch, a sum during the additions never goes back. Limits: number of counters, batch, slots that are clean when
 * they are used again. tests/host/sync_counter.c is this under the sanitizers.
 */
#include "check.h"

#include <tutti/percpu_counter.h>

#define THREADS 4
#ifdef CHECK_REPLAY
#define ROUNDS 60
#else
#define ROUNDS 30000
#endif
#define BATCH 100
#define CPUS  64 /* at most */

static struct tutti_percpu_counter up, mixed, more[TUTTI_PERCPU_COUNTERS];
static int left;

static void *worker(void *arg)
{
	for (long i = 0; i < ROUNDS; i++) {
		tutti_percpu_counter_add(&up, 1 + (i & 3));
		tutti_percpu_counter_add(&mixed, i & 1 ? -7 : 7);
		if (i % 97 == (long)arg)
			sched_yield();
	}
	tutti_percpu_counter_add(&mixed, -(long)arg * 1000000);
	__atomic_fetch_sub(&left, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *watcher(void *arg)
{
	int64_t last = 0, now;

	(void)arg;
	while (__atomic_load_n(&left, __ATOMIC_ACQUIRE)) {
		now = tutti_percpu_counter_sum(&up);
		CHECK(now >= last && now <= (int64_t)THREADS * ROUNDS * 4);
		last = now;
		sched_yield();
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS + 1];
	int64_t sum, per_thread = 0;
	int n = 0;

	CHECK_EQ(tutti_percpu_counter_init(&up, 0), -EINVAL);
	CHECK_EQ(tutti_percpu_counter_init(&up, -1), -EINVAL);
	CHECK_EQ(tutti_percpu_counter_init(&up, BATCH), 0);
	CHECK_EQ(tutti_percpu_counter_init(&mixed, 1), 0);
	CHECK_EQ(tutti_percpu_counter_sum(&up), 0);

	left = THREADS;
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(worker, (void *)i);
	t[THREADS] = check_spawn(watcher, NULL);
	for (int i = 0; i <= THREADS; i++)
		check_join(t[i]);
	for (long i = 0; i < ROUNDS; i++)
		per_thread += 1 + (i & 3);
	sum = tutti_percpu_counter_sum(&up);
	CHECK_EQ(sum, THREADS * per_thread);
	CHECK(sum - tutti_percpu_counter_read(&up) < CPUS * BATCH && tutti_percpu_counter_read(&up) <= sum);
	CHECK(ROUNDS < 1000 || tutti_percpu_counter_read(&up) > 0);
	CHECK_EQ(tutti_percpu_counter_sum(&mixed),
		 -1000000 * (THREADS * (THREADS - 1) / 2) + (ROUNDS & 1) * 7 * THREADS);
	/* with a batch of 1 nothing stays in a slot */
	CHECK_EQ(tutti_percpu_counter_read(&mixed), tutti_percpu_counter_sum(&mixed));

	/* what one CPU has kept to itself is not in the cheap read, and is in the sum */
	tutti_percpu_counter_destroy(&mixed);
	CHECK_EQ(tutti_percpu_counter_init(&mixed, 1000), 0);
	CHECK_EQ(tutti_percpu_counter_sum(&mixed), 0);
	tutti_percpu_counter_add(&mixed, -999);
	CHECK(tutti_percpu_counter_read(&mixed) == 0 && tutti_percpu_counter_sum(&mixed) == -999);

	while (tutti_percpu_counter_init(&more[n], 10) == 0) {
		tutti_percpu_counter_add(&more[n], n);
		CHECK(++n < TUTTI_PERCPU_COUNTERS);
	}
	CHECK_EQ(tutti_percpu_counter_init(&more[n], 10), -ENOMEM);
	CHECK(n > TUTTI_PERCPU_COUNTERS / 2);
	for (int i = 0; i < n; i++)
		CHECK_EQ(tutti_percpu_counter_sum(&more[i]), i);
	CHECK_EQ(tutti_percpu_counter_sum(&up), sum);
	for (int i = 0; i < n; i++)
		tutti_percpu_counter_destroy(&more[i]);
	CHECK_EQ(tutti_percpu_counter_init(&more[0], 10), 0);
	CHECK_EQ(tutti_percpu_counter_sum(&more[0]), 0);
	return 0;
}
