// SPDX-License-Identifier: BSD-3-Clause
// test: replay=12 cpus=1,2,4 sched=preempt
/*
 * Real-time threads interrupt. On one CPU: one that is woken, or made more urgent, runs before the thread that did it goes on; one
 * that lowers itself makes way; equals take turns. On several: as many as there are CPUs all run, although others run everywhere.
 */
#include <semaphore.h>

#include "check.h"

static sem_t ping;
static volatile int ran;

static void *urgent(void *arg)
{
	(void)arg;
	sem_wait(&ping);
	ran = 1;
	return NULL;
}

static void wake_up(void)
{
	struct sched_param sp = { .sched_priority = 3 };
	pthread_attr_t attr;
	pthread_t t;

	sem_init(&ping, 0, 0);
	pthread_attr_init(&attr);
	CHECK(!pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED));
	CHECK(!pthread_attr_setschedpolicy(&attr, SCHED_FIFO) && !pthread_attr_setschedparam(&attr, &sp));
	ran = 0;
	CHECK(!pthread_create(&t, &attr, urgent, NULL));
	sem_post(&ping);
	CHECK(ran);
	CHECK(!pthread_join(t, NULL) && ran);
}

/* Made urgent while it waits for the CPU; and it makes way when it takes that back. */
static volatile int stage;

static void *raised(void *arg)
{
	struct sched_param sp = { 0 };

	(void)arg;
	stage = 2;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
	stage = 3;
	return NULL;
}

static void change(void)
{
	struct sched_param sp = { .sched_priority = 1 };
	pthread_t t;

	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	stage = 1;
	t = check_spawn(raised, NULL);
	/* as urgent as we are, and FIFO: it waits */
	sched_yield();
	CHECK_OK(pthread_join(t, NULL));
	CHECK_EQ(stage, 3);

	stage = 1;
	t = check_spawn(raised, NULL);
	CHECK_EQ(stage, 1);
	sp.sched_priority = 2;
	CHECK_OK(pthread_setschedparam(t, SCHED_FIFO, &sp));
	/* it ran until it was less urgent than we are */
	CHECK_EQ(stage, 2);
	CHECK_OK(pthread_join(t, NULL));
	CHECK_EQ(stage, 3);
	sp.sched_priority = 0;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
}

/* One urgent thread per CPU, each waiting until all of them run at the same time; a fair one on every CPU never gives way. */
static int running, hogs_end;

static void *hog(void *arg)
{
	while (!__atomic_load_n(&hogs_end, __ATOMIC_SEQ_CST))
		check_pause();
	return arg;
}

static void *together(void *arg)
{
	int cpus = check_cpus();

	sem_wait(&ping);
	__atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < cpus)
		check_pause();
	return arg;
}

static void everywhere(void)
{
	struct sched_param sp = { .sched_priority = 7 };
	int cpus = check_cpus();
	pthread_t hogs[64], t[64];
	cpu_set_t all;

	CPU_ZERO(&all);
	for (int i = 0; i < cpus; i++)
		CPU_SET(i, &all);
	CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
	running = hogs_end = 0;
	for (int i = 0; i < cpus; i++) {
		t[i] = check_spawn(together, NULL);
		CHECK_OK(pthread_setschedparam(t[i], SCHED_FIFO, &sp));
	}
	for (int i = 0; i < cpus; i++)
		hogs[i] = check_spawn(hog, NULL);
	sp.sched_priority = 9;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	for (int i = 0; i < cpus; i++)
		sem_post(&ping);
	for (int i = 0; i < cpus; i++)
		CHECK_OK(pthread_join(t[i], NULL));
	__atomic_store_n(&hogs_end, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < cpus; i++)
		CHECK_OK(pthread_join(hogs[i], NULL));
	sp.sched_priority = 0;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
}

/* RR equals take turns also if somebody more urgent interrupts them more often than a turn ends. On one CPU. */
static int turns_end;

static void *in_turn(void *arg)
{
	while (!__atomic_load_n(&turns_end, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
		check_pause();
	}
	return NULL;
}

static void turns(void)
{
	struct sched_param sp = { .sched_priority = 4 };
	long ran[2] = { 0, 0 };
	pthread_t t[2];

	turns_end = 0;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	sp.sched_priority = 3;
	for (int i = 0; i < 2; i++) {
		t[i] = check_spawn(in_turn, &ran[i]);
		CHECK_OK(pthread_setschedparam(t[i], SCHED_RR, &sp));
	}
	/* 2 ms each: a turn is 10 */
	for (int i = 0; i < 40; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	turns_end = 1;
	for (int i = 0; i < 2; i++)
		CHECK_OK(pthread_join(t[i], NULL));
	CHECK(ran[0] && ran[1]);
	sp.sched_priority = 0;
	CHECK_OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
}

int main(void)
{
	check_pin(0);
	turns();
	for (int i = 0; i < (int)check_rounds(8); i++) {
		check_pin(0);
		wake_up();
		change();
		everywhere();
	}
	return 0;
}
