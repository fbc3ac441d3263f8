// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=2,4 sched=coop
/*
 * Threads run at the same moment on different CPUs. In coop mode a thread keeps its CPU until it blocks or yields; here as
 * many threads as there are CPUs meet by spinning, without one call: that ends only if each has a CPU of its own, which
 * also means that idle CPUs took them from the one that created them. Each reports another CPU.
 */
#include "check.h"

#include <stdatomic.h>

enum { MAX = 64 };

static atomic_int arrived;
static int cpus, rounds, where[MAX];

static void *meet(void *arg)
{
	int round;

	for (round = 1; round <= rounds; round++) {
		atomic_fetch_add(&arrived, 1);
		while (atomic_load(&arrived) < round * cpus)
			check_pause();
	}
	where[(intptr_t)arg] = sched_getcpu();
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < (rounds + 1) * cpus)
		check_pause();
	return NULL;
}

int main(void)
{
	pthread_t threads[MAX];
	intptr_t i, n;

	cpus = check_cpus();
	CHECK(cpus >= 2 && cpus <= MAX);
	rounds = (int)check_spin_rounds(1000);
	for (i = 0; i < cpus; i++)
		threads[i] = check_spawn(meet, (void *)i);
	for (i = 0; i < cpus; i++)
		check_join(threads[i]);
	for (i = 0; i < cpus; i++)
		for (n = 0; n < i; n++)
			CHECK(where[i] != where[n]);
	return 0;
}
