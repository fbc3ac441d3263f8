// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35
/* Affinity: a thread runs where its set says, at once and until further notice; new threads inherit it; bad sets fail. */
#include "check.h"

#include <stdatomic.h>

static void *inherits(void *arg)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	CHECK(sched_getaffinity(0, sizeof(set), &set) >= 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CHECK(CPU_ISSET((intptr_t)arg, &set));
	for (i = 0; i < 20; i++) {
		CHECK_EQ(sched_getcpu(), (intptr_t)arg);
		sched_yield();
	}
	return NULL;
}

static void *wander(void *arg)
{
	uint64_t rng = 5 + (uint64_t)(uintptr_t)arg;
	int cpus = check_cpus(), i;

	for (i = 0; i < 200; i++)
		check_pin((int)(check_random(&rng) % (uint64_t)cpus));
	return NULL;
}

static atomic_int seen, stop;

static void *stay(void *arg)
{
	while (!atomic_load(&stop))
		atomic_store(&seen, sched_getcpu());
	return arg;
}

int main(void)
{
	int cpus = check_cpus(), i;
	cpu_set_t set, all;
	pthread_t threads[8];

	CPU_ZERO(&all);
	CHECK(sched_getaffinity(0, sizeof(all), &all) >= 0);
	CHECK_EQ(CPU_COUNT(&all), cpus);
	CHECK_EQ(sysconf(_SC_NPROCESSORS_CONF), cpus);
	CPU_ZERO(&set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CPU_SET(1000, &set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	for (i = 0; i < cpus; i++) {
		check_pin(i);
		check_join(check_spawn(inherits, (void *)(intptr_t)i));
	}
	CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
	for (i = 0; i < 8; i++)
		threads[i] = check_spawn(wander, (void *)(intptr_t)i);
	for (i = 0; i < 8; i++)
		check_join(threads[i]);
	threads[0] = check_spawn(stay, NULL);
	for (i = 0; i < 3 * cpus; i++) { /* moved by another thread, while it runs */
		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		CHECK_OK(pthread_setaffinity_np(threads[0], sizeof(set), &set));
		atomic_store(&seen, -1);
		while (atomic_load(&seen) != i % cpus)
			sched_yield();
	}
	atomic_store(&stop, 1);
	check_join(threads[0]);
	return 0;
}
