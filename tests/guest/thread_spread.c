// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=2,4 sched=preempt,coop
/*
 * Idle CPUs take work: threads made by one CPU's thread, never pinned, compute side by side, and after a while every CPU
 * has been seen at work. Waves of short threads do the same with nobody spinning when the next wave starts.
 */
#include "check.h"

#include <stdatomic.h>

static atomic_ulong seen;
static unsigned long everyone;

static void *compute(void *arg)
{
	/* until every CPU was seen: a thread that computes on one of them cannot be the reason that another is idle */
	while (atomic_load(&seen) != everyone) {
		volatile long work;

		for (work = 0; work < 20000; work++)
			;
		atomic_fetch_or(&seen, 1ul << sched_getcpu());
	}
	return arg;
}

int main(void)
{
	int cpus = check_cpus(), i, wave;
	pthread_t threads[128];

	CHECK(cpus <= 64);
	everyone = cpus == 64 ? ~0ul : (1ul << cpus) - 1;
	for (wave = 0; wave < 20; wave++) {
		atomic_store(&seen, 0);
		for (i = 0; i < 2 * cpus; i++)
			threads[i] = check_spawn(compute, NULL);
		for (i = 0; i < 2 * cpus; i++)
			check_join(threads[i]);
		CHECK_EQ(atomic_load(&seen), everyone);
	}
	return 0;
}
