// SPDX-License-Identifier: BSD-3-Clause
// test: plant=futex_lost cpus=2 append=tutti.watchdog=1 expect-report='^deadlock: all 2 threads are blocked(.*\n)+.*(sys_futex|futex_wait)\+(.*\n)+.*hand' timeout=180
/*
 * The same bug as in futex_recheck.c, without replay: a waiter checks, then sleeps, and the wake-up comes in between. (The patch gives it
 * some microseconds, as a busy host would now and then.) Both threads then wait for ever, all CPUs are idle, no timer is armed: the watchdog
 * says so.
 */
#include "../guest/check.h"
#include "../guest/futex.h"

enum { HANDS = 2, ROUNDS = 20000 };

static _Atomic uint32_t ball, done;

static void *hand(void *arg)
{
	const uint32_t self = (uint32_t)(uintptr_t)arg;
	uint32_t seen, spin = 0;
	const int64_t end = check_clock(CLOCK_MONOTONIC) + 1000000000;

	for (uint32_t at = self;; at += HANDS) {
		while ((seen = atomic_load(&ball)) != at) {
			if (atomic_load(&done))
				return NULL;
			futex_wait(&ball, seen);
		}
		spin = (spin * 1103515245 + 12345) & 0x7fffffff;
		for (volatile uint32_t i = spin >> 8 & 1023; i; i--)
			;
		/* without the bug the game ends after a while; whoever ends it lets the other one go */
		if (at >= ROUNDS || (at % 1024 == self && check_clock(CLOCK_MONOTONIC) > end))
			atomic_store(&done, 1);
		atomic_store(&ball, at + 1);
		futex_wake(&ball, HANDS);
		if (atomic_load(&done))
			return NULL;
	}
}

int main(void)
{
	pthread_t other = check_spawn(hand, (void *)1);

	hand((void *)0);
	check_join(other);
	return 0;
}
