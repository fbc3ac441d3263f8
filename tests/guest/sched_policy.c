// SPDX-License-Identifier: BSD-3-Clause
// test: replay=8 cpus=1,2 sched=preempt,coop
/*
 * Scheduling policies and priorities as Linux has them: values, errors, inheritance; and what they are for: of those
 * that can run on a CPU the most urgent one does, in both modes.
 */
#define _GNU_SOURCE
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

#define RESET_ON_FORK 0x40000000
#define OTHER	      0
#define BATCH	      3
#define IDLE	      5

static long set(int pid, int policy, int prio)
{
	return syscall(SYS_sched_setscheduler, pid, policy, &prio);
}

static long get(int pid)
{
	return syscall(SYS_sched_getscheduler, pid);
}

static int prio_of(int pid)
{
	int p = -1;

	CHECK(syscall(SYS_sched_getparam, pid, &p) == 0);
	return p;
}

#define FAILS(call, e) (errno = 0, (call) == -1 && errno == (e))

static void values(void)
{
	int zero = 0;
	struct timespec ts;

	CHECK(get(0) == OTHER && prio_of(0) == 0);
	CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_FIFO) == 1);
	CHECK(sched_get_priority_max(SCHED_RR) == 99 && sched_get_priority_min(SCHED_RR) == 1);
	CHECK(sched_get_priority_max(OTHER) == 0 && sched_get_priority_min(BATCH) == 0);
	CHECK(FAILS(sched_get_priority_max(4), EINVAL) && FAILS(sched_get_priority_min(-1), EINVAL));
	CHECK(set(0, SCHED_RR, 5) == 0 && get(0) == SCHED_RR && prio_of(0) == 5);
	CHECK(sched_rr_get_interval(0, &ts) == 0 && (ts.tv_sec || ts.tv_nsec));
	CHECK(set(0, SCHED_FIFO | RESET_ON_FORK, 99) == 0 && get(0) == (SCHED_FIFO | RESET_ON_FORK) &&
	      prio_of(0) == 99);
	CHECK(sched_rr_get_interval(0, &ts) == 0 && !ts.tv_sec && !ts.tv_nsec);
	CHECK(set(0, BATCH, 0) == 0 && get(0) == BATCH);
	CHECK(set(0, IDLE, 0) == 0 && get(gettid()) == IDLE);
	CHECK(set(0, OTHER, 0) == 0 && get(0) == OTHER);
	CHECK(FAILS(set(0, OTHER, 1), EINVAL) && FAILS(set(0, SCHED_FIFO, 0), EINVAL) &&
	      FAILS(set(0, SCHED_RR, 100), EINVAL));
	CHECK(FAILS(set(0, 4, 0), EINVAL) && FAILS(set(0, 6, 0), EINVAL) && FAILS(set(0, -1, 0), EINVAL));
	CHECK(FAILS(set(-1, OTHER, 0), EINVAL) && FAILS(set(99999, OTHER, 0), ESRCH));
	CHECK(FAILS(syscall(SYS_sched_setscheduler, 0, OTHER, NULL), EINVAL));
	CHECK(FAILS(syscall(SYS_sched_setscheduler, 0, OTHER, 8), EFAULT));
	CHECK(FAILS(syscall(SYS_sched_setparam, 99999, &zero), ESRCH) && syscall(SYS_sched_setparam, 0, &zero) == 0);
	CHECK(FAILS(syscall(SYS_sched_getparam, 0, NULL), EINVAL) &&
	      FAILS(syscall(SYS_sched_getparam, 99999, &zero), ESRCH));
	CHECK(FAILS(syscall(SYS_sched_getparam, 0, 8), EFAULT));
	CHECK(FAILS(get(-1), EINVAL) && FAILS(get(99999), ESRCH));
	CHECK(FAILS(sched_rr_get_interval(-1, &ts), EINVAL) && FAILS(sched_rr_get_interval(99999, &ts), ESRCH));
	/* musl's own mean processes */
	CHECK(FAILS(sched_getscheduler(0), ENOSYS));
}

static void nice_values(void)
{
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, 0) == 0 && !errno);
	CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0 && getpriority(PRIO_PROCESS, gettid()) == 7);
	CHECK(getpriority(PRIO_PGRP, 0) == 7 && getpriority(PRIO_USER, 0) == 7 && getpriority(PRIO_PGRP, 1) == 7);
	CHECK(setpriority(PRIO_PROCESS, 0, 100) == 0 && getpriority(PRIO_PROCESS, 0) == 19);
	CHECK(setpriority(PRIO_USER, 0, -100) == 0 && getpriority(PRIO_PROCESS, 0) == -20);
	CHECK(setpriority(PRIO_PGRP, 0, 1) == 0 && nice(2) == 3 && getpriority(PRIO_PROCESS, 0) == 3);
	/* kept while the policy has no use for it */
	CHECK(set(0, SCHED_FIFO, 1) == 0 && getpriority(PRIO_PROCESS, 0) == 3 && set(0, OTHER, 0) == 0);
	CHECK(getpriority(PRIO_PROCESS, 0) == 3 && setpriority(PRIO_PROCESS, 0, 0) == 0);
	CHECK(FAILS(getpriority(3, 0), EINVAL) && FAILS(setpriority(-1, 0, 0), EINVAL));
	CHECK(FAILS(getpriority(PRIO_PROCESS, 99999), ESRCH) && FAILS(getpriority(PRIO_PGRP, 17), ESRCH));
	CHECK(FAILS(setpriority(PRIO_USER, 1000, 0), ESRCH));
}

static void attributes(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period, more;
	} a = { .size = 48, .policy = SCHED_RR, .priority = 8 };

	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && get(0) == SCHED_RR && prio_of(0) == 8);
	memset(&a, 0xff, sizeof(a));
	CHECK(syscall(SYS_sched_getattr, 0, &a, 56, 0) == 0 && a.size == 48 && a.policy == SCHED_RR && a.priority == 8);
	CHECK(a.nice == 0 && a.flags == 0 && a.more == UINT64_MAX);
	memset(&a, 0, sizeof(a));
	a.size = sizeof(a);
	a.nice = -3;
	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && get(0) == OTHER && getpriority(PRIO_PROCESS, 0) == -3);
	a.more = 1;
	CHECK(FAILS(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG) && a.size == 48);
	a.size = 20;
	CHECK(FAILS(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG));
	a.size = 48;
	a.flags = 2;
	CHECK(FAILS(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL));
	a.flags = 0;
	a.policy = 6;
	CHECK(FAILS(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL));
	CHECK(FAILS(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL) &&
	      FAILS(syscall(SYS_sched_getattr, 99999, &a, 48, 0), ESRCH));
	/* who keeps the policy keeps what goes with it; who says the policy says that too */
	a.policy = OTHER;
	a.flags = 1;
	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && get(0) == RESET_ON_FORK);
	a.flags = 8;
	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && get(0) == RESET_ON_FORK);
	a.flags = 0;
	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && get(0) == OTHER);
	CHECK(setpriority(PRIO_PROCESS, 0, 0) == 0);
}

static void *report(void *arg)
{
	int *out = arg;

	out[0] = (int)get(0);
	out[1] = prio_of(0);
	out[2] = getpriority(PRIO_PROCESS, 0);
	return NULL;
}

static void inheritance(void)
{
	struct sched_param sp = { .sched_priority = 11 };
	pthread_attr_t attr;
	pthread_t t;
	int got[3], policy;

	CHECK(setpriority(PRIO_PROCESS, 0, 4) == 0);
	CHECK(!pthread_create(&t, NULL, report, got) && !pthread_join(t, NULL));
	CHECK(got[0] == OTHER && got[1] == 0 && got[2] == 4);
	pthread_attr_init(&attr);
	CHECK(!pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED));
	CHECK(!pthread_attr_setschedpolicy(&attr, SCHED_RR) && !pthread_attr_setschedparam(&attr, &sp));
	CHECK(!pthread_create(&t, &attr, report, got) && !pthread_join(t, NULL));
	CHECK(got[0] == SCHED_RR && got[1] == 11);
	sp.sched_priority = 100;
	CHECK(!pthread_attr_setschedparam(&attr, &sp) && pthread_create(&t, &attr, report, got) == EINVAL);
	CHECK(setpriority(PRIO_PROCESS, 0, 0) == 0);

	sp.sched_priority = 12;
	CHECK(!pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	CHECK(!pthread_setschedprio(pthread_self(), 13));
	CHECK(!pthread_getschedparam(pthread_self(), &policy, &sp) && policy == SCHED_FIFO && sp.sched_priority == 13);
	CHECK(pthread_setschedparam(pthread_self(), OTHER, &sp) == EINVAL);
	CHECK(!pthread_create(&t, NULL, report, got) && !pthread_join(t, NULL));
	CHECK(got[0] == SCHED_FIFO && got[1] == 13);
	CHECK(set(0, SCHED_FIFO | RESET_ON_FORK, 13) == 0);
	CHECK(!pthread_create(&t, NULL, report, got) && !pthread_join(t, NULL));
	CHECK(got[0] == OTHER && got[1] == 0 && got[2] == 0);
	CHECK(set(0, OTHER, 0) == 0);
}

#define THREADS 8
static sem_t go[THREADS], there;
static int order[THREADS], next;

static void *waiter(void *arg)
{
	int i = (int)(intptr_t)arg;

	/* priorities 5 1 7 3 8 2 6 4 */
	static const int prio[THREADS] = { 5, 1, 7, 3, 8, 2, 6, 4 };

	CHECK(set(0, SCHED_FIFO, prio[i]) == 0);
	sem_post(&there);
	sem_wait(&go[i]);
	order[next++] = prio[i];
	sem_post(&there);
	return NULL;
}

/* All on one CPU. */
static void order_of_priorities(void)
{
	pthread_t t[THREADS];

	next = 0;
	for (int i = 0; i < THREADS; i++) {
		sem_init(&go[i], 0, 0);
		CHECK(!pthread_create(&t[i], NULL, waiter, (void *)(intptr_t)i));
	}
	for (int i = 0; i < THREADS; i++)
		sem_wait(&there);
	CHECK(set(0, SCHED_FIFO, 99) == 0);
	for (int i = 0; i < THREADS; i++)
		sem_post(&go[i]);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&there);
	for (int i = 0; i < THREADS; i++) {
		CHECK(!pthread_join(t[i], NULL));
		CHECK(order[i] == THREADS - i);
	}
	CHECK(set(0, OTHER, 0) == 0);
}

int main(void)
{
	values();
	nice_values();
	attributes();
	inheritance();
	check_pin(0);
	sem_init(&there, 0, 0);
	for (int i = 0; i < 20; i++)
		order_of_priorities();
	return 0;
}
