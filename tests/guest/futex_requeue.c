// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * WAKE wakes as many as asked, BITSET those whose bits meet, REQUEUE and CMP_REQUEUE move sleepers to another word, where
 * they are found. Counted by results: a thread is known to sleep when a wake or a move counted it, so main repeats a
 * call until the counts add up to the number of threads, and a sleeper lost between two words is a hang (time-out).
 * A moved thread that is woken by accident waits on its first word again (Linux does that): both are looked at.
 */
#include "check.h"
#include "futex.h"

enum { THREADS = 12 };

static _Atomic uint32_t first, second;
static _Atomic uint32_t returned;

static void *sleep_first(void *arg)
{
	CHECK_EQ(futex(&first, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)arg), 0);
	atomic_fetch_add(&returned, 1);
	return NULL;
}

static void start(pthread_t *threads, bool own_bits)
{
	uintptr_t i;

	atomic_store(&returned, 0);
	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(sleep_first, (void *)(own_bits ? (uintptr_t)1 << i : ~(uintptr_t)0));
}

static void join(pthread_t *threads)
{
	int i;

	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&returned), THREADS);
	CHECK_EQ(futex_wake(&first, 1000), 0);
	CHECK_EQ(futex_wake(&second, 1000), 0);
}

int main(void)
{
	pthread_t threads[THREADS];
	long round, rounds = check_rounds(15), count, moved, there, n;
	int i;

	for (round = 0; round < rounds; round++) {
		start(threads, false); /* by ones and twos */
		for (count = 0; count < THREADS; count += n) {
			n = futex_wake(&first, 1 + (uint32_t)(count & 1));
			CHECK(n >= 0 && n <= 1 + (count & 1));
			if (n == 0)
				sched_yield();
		}
		join(threads);

		start(threads, true); /* each by its own bit, in reverse order */
		for (i = THREADS - 1; i >= 0; i--)
			while ((n = futex(&first, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 1000, NULL, NULL, 1u << i)) != 1) {
				CHECK_EQ(n, 0);
				sched_yield();
			}
		join(threads);

		start(threads, false); /* all moved, none woken; then woken there */
		for (moved = 0; moved < THREADS; moved += n) {
			n = futex(&first, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)1000, &second, 0);
			CHECK(n >= 0);
			if (n == 0)
				sched_yield();
		}
		CHECK_EQ(atomic_load(&returned), 0);
		n = futex_wake(&second, 3);
		CHECK(n >= 0 && n <= 3);
		for (there = count = n; count < THREADS; count += n) {
			n = futex_wake(&second, 1000);
			there += n;
			n += futex_wake(&first, 1000);
			if (n == 0)
				sched_yield();
		}
		CHECK_EQ(count, THREADS);
		CHECK(there > THREADS / 2);
		join(threads);

		start(threads, false); /* one woken, the others moved: a broadcast */
		while (atomic_load(&returned) < THREADS) {
			n = futex(&first, FUTEX_REQUEUE | FUTEX_PRIVATE, 1, (void *)1000, &second, 0);
			CHECK(n >= 0);
			if (n + futex_wake(&second, 1) == 0)
				sched_yield();
		}
		join(threads);
	}
	return 0;
}
