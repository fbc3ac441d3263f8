// SPDX-License-Identifier: BSD-3-Clause
// test: plant=futex_recheck plat=host cpus=2 replay=20 seed=10 expect-report='deadlock(.*\n)+.*sys_futex(.*\n)+.*hand' timeout=120
/*
 * Planted in posix/futex.c: check, then sleep. FUTEX_WAIT looks at the word and links itself in afterwards, without looking again
 * under the bucket's lock. A wake-up between the two finds nobody, and the waiter sleeps through it.
 *
 * Two threads hand a ball to each other, each waiting for it with nothing but the futex. A lost wake-up leaves both asleep, and
 * the run ends as a deadlock.
 */
#include "../guest/check.h"
#include "../guest/futex.h"

enum { HANDS = 2, ROUNDS = 5000 };

static _Atomic uint32_t ball;

static void *hand(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg, seen;

	for (uint32_t at = self; at < HANDS * ROUNDS; at += HANDS) {
		while ((seen = atomic_load(&ball)) != at)
			futex_wait(&ball, seen);
		atomic_store(&ball, at + 1);
		futex_wake(&ball, HANDS);
	}
	return NULL;
}

int main(void)
{
	pthread_t other = check_spawn(hand, (void *)1);

	hand((void *)0);
	check_join(other);
	CHECK_EQ(atomic_load(&ball), HANDS * ROUNDS);
	return 0;
}
