// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35
/*
 * One monotonic time on all CPUs: threads pinned to different CPUs take turns; each must read a time that is not before
 * the one its predecessor read. Then all read at once, and each sees its own time never go back while it is moved about.
 */
#include "check.h"

#include <stdatomic.h>

enum { MAX = 64 };

static struct {
	atomic_long turn;
	_Atomic int64_t last;
} token;
static int players;
static long rounds;

static void *take_turns(void *arg)
{
	long self = (long)arg, n;

	check_pin((int)self % check_cpus());
	for (n = self; n < rounds * players; n += players) {
		int64_t now;

		while (atomic_load(&token.turn) != n)
			sched_yield();
		now = check_clock(CLOCK_MONOTONIC);
		CHECK(now >= atomic_load(&token.last));
		atomic_store(&token.last, now);
		atomic_store(&token.turn, n + 1);
	}
	return NULL;
}

static void *watch(void *arg)
{
	int64_t before = 0;
	int cpus = check_cpus();
	long n;

	for (n = 0; n < rounds * 4; n++) {
		int64_t now = check_clock(n & 1 ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_RAW);
		int64_t again = check_clock(n & 1 ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_RAW);

		CHECK(again >= now);
		if (n & 1) {
			CHECK(now >= before);
			before = again;
		}
		if (n % 100 == 0)
			check_pin((int)((n / 100 + (long)arg) % cpus));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[MAX];
	struct timespec resolution;
	int i;

	rounds = check_spin_rounds(1000);
	players = check_cpus() < 2 ? 2 : check_cpus();
	CHECK(players <= MAX);
	for (i = 0; i < players; i++)
		threads[i] = check_spawn(take_turns, (void *)(intptr_t)i);
	for (i = 0; i < players; i++)
		check_join(threads[i]);
	for (i = 0; i < players; i++)
		threads[i] = check_spawn(watch, (void *)(intptr_t)i);
	for (i = 0; i < players; i++)
		check_join(threads[i]);
	CHECK_EQ(clock_getres(CLOCK_MONOTONIC, &resolution), 0);
	CHECK(resolution.tv_sec == 0 && resolution.tv_nsec >= 1 && resolution.tv_nsec <= 1000000);
	CHECK_ERRNO(clock_gettime(9999, &resolution), EINVAL);
	return 0;
}
