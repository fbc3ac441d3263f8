// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=2,4 machine=microvm,q35
/*
 * Two threads on two CPUs hand a counter to and fro by spinning alone, 10,000 times (1000 with more CPUs than two): by time slices
 * on one CPU that would take minutes. Each sees itself on its CPU all the time; then without pinning, by the scheduler's choice.
 */
#include "check.h"

#include <stdatomic.h>

static long rounds;

static struct {
	_Alignas(64) atomic_long turn;
} table;

static void *play(void *arg)
{
	long n, self = (long)arg & 1, pinned = (long)arg & 2;

	if (pinned)
		check_pin((int)self);
	for (n = 0; n < rounds; n++) {
		while (atomic_load_explicit(&table.turn, memory_order_acquire) != 2 * n + self)
			check_pause();
		atomic_store_explicit(&table.turn, 2 * n + self + 1, memory_order_release);
		if (pinned && n % 1000 == 0)
			CHECK_EQ(sched_getcpu(), self);
	}
	return NULL;
}

int main(void)
{
	pthread_t one, two;
	long pinned;

	CHECK(check_cpus() >= 2);
	rounds = check_spin_rounds(10000);
	for (pinned = 2; pinned >= 0; pinned -= 2) {
		atomic_store(&table.turn, 0);
		one = check_spawn(play, (void *)(pinned + 0));
		two = check_spawn(play, (void *)(pinned + 1));
		check_join(one);
		check_join(two);
		CHECK_EQ(atomic_load(&table.turn), 2 * rounds);
	}
	return 0;
}
