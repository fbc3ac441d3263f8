// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 sched=preempt timeout=60
/*
 * Priority inheritance with SCHED_FIFO on one CPU, the first of those there are, where it decides who runs, so every step is
 * determined: an owner of low priority runs before a hog of middle priority while somebody of high priority waits for its lock,
 * directly, through a second lock, and through three; it loses that the moment it unlocks. Waiters get the lock by priority, equal
 * ones by age. A priority that changes while its thread waits changes the order.
 *
 * Without inheritance the hog would spin for ever: it gives up after some seconds, and says so.
 */
#include "check.h"
#include "futex.h"

enum { MAIN = 50, HIGH = 40, HOG = 30, LOW = 10, IDLER = 1, DEPTH = 3, WAITERS = 6 };

static _Atomic uint32_t locks[DEPTH], release, done, low_ran, asked, settled;
static int depth;

static void set_priority(uint32_t tid, int priority)
{
	struct {
		int priority;
	} param = { priority };

	CHECK_EQ(syscall(SYS_sched_setscheduler, tid, 1 /* SCHED_FIFO */, &param), 0);
}

static void wait_until(_Atomic uint32_t *word, uint32_t value)
{
	uint32_t now;

	while ((now = atomic_load(word)) != value)
		futex_wait(word, now);
}

static void announce(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	futex_wake(word, 100);
}

/* The least urgent thread of all: it runs, on one CPU, when everybody else has blocked, and then says so. */
static void *rest(void *arg)
{
	uint32_t seen;

	set_priority(0, IDLER);
	for (uint32_t n = 1;; n++) {
		while ((seen = atomic_load(&asked)) != n && seen != UINT32_MAX)
			futex_wait(&asked, seen);
		if (seen == UINT32_MAX)
			return arg;
		announce(&settled, n);
	}
}

static void settle(void)
{
	uint32_t n = atomic_load(&settled) + 1;

	announce(&asked, n);
	wait_until(&settled, n);
}

/* Has the first lock. */
static void *low(void *arg)
{
	set_priority(0, LOW);
	CHECK_EQ(pi_lock(&locks[0]), 0);
	wait_until(&release, 1);
	CHECK_EQ(atomic_load(&done), 0);
	CHECK_EQ(pi_unlock(&locks[0]), 0);
	atomic_store(&low_ran, 1);
	return arg;
}

/* Has lock i and wants lock i - 1. */
static void *link_of_chain(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	set_priority(0, LOW + 1);
	CHECK_EQ(pi_lock(&locks[i]), 0);
	CHECK_EQ(pi_lock(&locks[i - 1]), 0);
	CHECK_EQ(pi_unlock(&locks[i - 1]), 0);
	CHECK_EQ(pi_unlock(&locks[i]), 0);
	return NULL;
}

static void *hog(void *arg)
{
	int64_t end = check_clock(CLOCK_MONOTONIC) + 10000000000;

	set_priority(0, HOG);
	while (!atomic_load(&done))
		CHECK(check_clock(CLOCK_MONOTONIC) < end); /* the owner of the lock does not run */
	CHECK_EQ(atomic_load(&low_ran), 0);		   /* it lost the priority with the lock */
	return arg;
}

static void *high(void *arg)
{
	set_priority(0, HIGH);
	CHECK_EQ(pi_lock(&locks[depth - 1]), 0);
	CHECK_EQ(atomic_load(&low_ran), 0);
	CHECK_EQ(pi_unlock(&locks[depth - 1]), 0);
	atomic_store(&done, 1);
	return arg;
}

static void inversion(int links)
{
	pthread_t t[DEPTH + 3];
	int n = 0;

	depth = links;
	atomic_store(&release, 0);
	atomic_store(&done, 0);
	atomic_store(&low_ran, 0);
	t[n++] = check_spawn(low, NULL);
	settle();
	for (int i = 1; i < links; i++) {
		t[n++] = check_spawn(link_of_chain, (void *)(uintptr_t)i);
		settle();
	}
	t[n++] = check_spawn(high, NULL);
	settle();
	/* All wait. The hog runs when we do not, and so does the owner, if its priority is that of who waits. */
	t[n++] = check_spawn(hog, NULL);
	announce(&release, 1);
	while (n)
		check_join(t[--n]);
	CHECK_EQ(atomic_load(&low_ran), 1);
	for (int i = 0; i < links; i++)
		CHECK_EQ(atomic_load(&locks[i]), 0);
}

static _Atomic uint32_t order[WAITERS], position, tids[WAITERS];
static const int priorities[WAITERS] = { 20, 35, 20, 38, 35, 21 };

static void *waiter(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	atomic_store(&tids[i], futex_tid());
	set_priority(0, priorities[i]);
	CHECK_EQ(pi_lock(&locks[0]), 0);
	atomic_store(&order[atomic_fetch_add(&position, 1)], (uint32_t)i);
	CHECK_EQ(pi_unlock(&locks[0]), 0);
	return NULL;
}

static void by_priority(bool change)
{
	static const uint32_t wanted[] = { 3, 1, 4, 5, 0, 2 }, changed[] = { 2, 3, 4, 5, 0, 1 };
	pthread_t t[WAITERS];

	atomic_store(&position, 0);
	CHECK_EQ(pi_lock(&locks[0]), 0);
	for (uintptr_t i = 0; i < WAITERS; i++) {
		t[i] = check_spawn(waiter, (void *)i);
		settle();
	}
	if (change) {
		set_priority(atomic_load(&tids[2]), 39);
		set_priority(atomic_load(&tids[1]), 2);
	}
	CHECK_EQ(pi_unlock(&locks[0]), 0);
	for (int i = 0; i < WAITERS; i++)
		check_join(t[i]);
	for (int i = 0; i < WAITERS; i++)
		CHECK_EQ(atomic_load(&order[i]), change ? changed[i] : wanted[i]);
}

int main(void)
{
	pthread_t idler;

	check_pin(0); /* and so all threads */
	set_priority(0, MAIN);
	idler = check_spawn(rest, NULL);
	for (int round = 0; round < 3; round++) {
		for (int links = 1; links <= DEPTH; links++)
			inversion(links);
		by_priority(false);
		by_priority(true);
	}
	announce(&asked, UINT32_MAX);
	check_join(idler);
	return 0;
}
