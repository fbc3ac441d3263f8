// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/rcu.c cflags=-Itests/host/fake_rcu -Itests/host/fake -D_GNU_SOURCE,-pthread,-O2 sanitize= timeout=60
/*
 * Litmus of RCU's idle handshake, on the processor itself. In each round one host thread takes an object out (X = 1) and begins a grace
 * period, while another one, a CPU that is idle, goes on (rcu_idle_leave()) and reads X:
 *
 *	asker: X = 1; rcu_gp_begin(); r1 = rcu_gp_done()	CPU: rcu_idle_leave(); r2 = X
 *
 * Promise kept: never r1 (the CPU counts as idle, the object may be freed) and r2 = 0 (it has found the object). It rests on the CPU's word
 * being changed by a locked instruction. To show that the hammer is sharp the same is done with a plain store there (store
 * buffering): that has to give the forbidden end sooner or later, or this computer cannot show anything and the test is skipped.
 */
#include "sync/rcu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "sync/upcall.h"

struct percpu percpu_areas[CONFIG_MAX_CPUS];
__thread struct percpu *host_cpu;

static void nobody(void)
{
}

const struct tutti_upcalls tutti_upcalls = { .rcu_done = nobody };

static struct {
	uint32_t x __attribute__((aligned(64)));
	uint32_t round[2] __attribute__((aligned(64))); /* what each has arrived at */
	uint32_t end;
	int plain;
	int r1, r2;
	long forbidden, idle, total;
} l;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static cpu_set_t allowed; /* before anybody was pinned */

static void pin(unsigned n)
{
	cpu_set_t one;

	for (unsigned c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, &allowed) && !n--) {
			CPU_ZERO(&one);
			CPU_SET(c, &one);
			sched_setaffinity(0, sizeof(one), &one);
			return;
		}
}

/* Both meet; the wait is short unless the computer does something else. */
static void meet(int me, uint32_t round)
{
	__atomic_store_n(&l.round[me], round, __ATOMIC_RELEASE);
	for (unsigned i = 1; __atomic_load_n(&l.round[!me], __ATOMIC_ACQUIRE) < round; i++)
		if (i % 4096 == 0)
			sched_yield();
}

static void delay(unsigned turns)
{
	for (volatile unsigned i = 0; i < turns; i++)
		;
}

static void *idle_cpu(void *arg)
{
	pin(1);
	host_cpu = &percpu_areas[1];
	rcu_cpu_online();
	for (uint32_t round = 1;; round += 3) {
		while (!rcu_idle_enter())
			rcu_quiescent();
		meet(1, round);
		if (__atomic_load_n(&l.end, __ATOMIC_ACQUIRE))
			return arg;
		delay(round / 48 % 64);
		if (l.plain)
			__atomic_store_n(&host_cpu->rcu_state, RCU_RUNNING, __ATOMIC_RELAXED);
		else
			rcu_idle_leave();
		l.r2 = (int)__atomic_load_n(&l.x, __ATOMIC_RELAXED);
		meet(1, round + 1);
		rcu_quiescent();
		meet(1, round + 2);
	}
}

/* Rounds for so long, or until the forbidden end has been seen. */
static void hammer(int plain, double seconds)
{
	const double until = now() + seconds;
	pthread_t t;
	uint32_t round;

	l.plain = plain;
	l.forbidden = l.idle = l.total = 0;
	l.round[0] = l.round[1] = l.end = 0;
	pthread_create(&t, NULL, idle_cpu, NULL);
	for (round = 1; now() < until && !l.forbidden; round += 3) {
		__atomic_store_n(&l.x, 0, __ATOMIC_RELAXED);
		meet(0, round);
		/* the two are to come at the same moment, now this one first, now that */
		delay(round / 3 % 16);
		__atomic_store_n(&l.x, 1, __ATOMIC_RELAXED);
		rcu_gp_begin(2);
		l.r1 = rcu_gp_done();
		meet(0, round + 1);
		l.total++;
		l.idle += l.r1;
		l.forbidden += l.r1 && !l.r2;
		/* the other one answers what it has been asked */
		meet(0, round + 2);
	}
	__atomic_store_n(&l.end, 1, __ATOMIC_RELEASE);
	meet(0, round);
	pthread_join(t, NULL);
}

int main(void)
{
	sched_getaffinity(0, sizeof(allowed), &allowed);
	pin(0);
	host_cpu = &percpu_areas[0];
	percpu_areas[1].idx = 1;
	rcu_cpu_online();
	hammer(0, 1.5);
	printf("%ld rounds, idle in %ld, forbidden %ld\n", l.total, l.idle, l.forbidden);
	if (l.forbidden) {
		fprintf(stderr, "rcu_litmus: a CPU counted as idle has found what was taken out\n");
		return 1;
	}
	hammer(1, 8);
	printf("with a plain store: %ld rounds, idle in %ld, forbidden %ld\n", l.total, l.idle, l.forbidden);
	if (!l.forbidden) {
		printf("this computer does not show store buffering (one core, or too busy)\n");
		return 77;
	}
	return 0;
}
