// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 cpus=2,4 sched=preempt timeout=60
/*
 * Setting the nice value of all threads: it ends while somebody else sets another one, for more threads than one look at the list
 * takes; after it all have the value; and a policy that a thread takes meanwhile stays.
 */
#include <sys/resource.h>

#include "check.h"
#include "futex.h"

enum { SLEEPERS = 100, SETTERS = 2 };

static _Atomic uint32_t over, tids[SLEEPERS], policies_over;
static long rounds;

static void *sleeper(void *arg)
{
	atomic_store(&tids[(uintptr_t)arg], futex_tid());
	while (!atomic_load(&over))
		futex_wait(&over, 0);
	return NULL;
}

static void *setter(void *arg)
{
	int nice = 3 + (int)(uintptr_t)arg;

	for (long n = 0; n < rounds; n++)
		CHECK_EQ(setpriority(n & 1 ? PRIO_USER : PRIO_PGRP, 0, nice), 0);
	return NULL;
}

static void *changer(void *arg)
{
	for (int n = 0; !atomic_load(&policies_over); n++) {
		int rr = n & 1, priority = 1 + n % 5;

		CHECK_EQ(syscall(SYS_sched_setscheduler, 0, rr ? SCHED_RR : SCHED_FIFO, &priority), 0);
		for (int k = 0; k < 4; k++)
			CHECK_EQ(syscall(SYS_sched_getscheduler, 0), rr ? SCHED_RR : SCHED_FIFO);
		sched_yield();
	}
	return arg;
}

int main(void)
{
	pthread_t t[SLEEPERS], s[SETTERS], c;

	rounds = check_rounds(400);
	for (uintptr_t i = 0; i < SLEEPERS; i++)
		t[i] = check_spawn(sleeper, (void *)i);
	for (int i = 0; i < SLEEPERS; i++)
		while (!atomic_load(&tids[i]))
			sched_yield();
	c = check_spawn(changer, NULL);
	for (uintptr_t i = 0; i < SETTERS; i++)
		s[i] = check_spawn(setter, (void *)i);
	for (int i = 0; i < SETTERS; i++)
		check_join(s[i]);
	atomic_store(&policies_over, 1);
	check_join(c);
	CHECK_EQ(setpriority(PRIO_PGRP, 0, 7), 0);
	for (int i = 0; i < SLEEPERS; i++)
		CHECK_EQ(getpriority(PRIO_PROCESS, atomic_load(&tids[i])), 7);
	atomic_store(&over, 1);
	futex_wake(&over, SLEEPERS);
	for (int i = 0; i < SLEEPERS; i++)
		check_join(t[i]);
	return 0;
}
