// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 sched=preempt,coop
/*
 * No wake-up is lost: the futex call compares and sleeps in one step. Pairs of threads hand a token to and fro; a
 * three-state lock (Drepper, "Futexes Are Tricky", mutex 2) is fought for by threads that sleep in it; all is counted.
 */
#include "check.h"
#include "futex.h"

enum { PAIRS = 4, FIGHTERS = 8 };

static struct {
	_Alignas(64) _Atomic uint32_t word;
} token[PAIRS];
static long rounds;

static void *play(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg & 1;
	_Atomic uint32_t *word = &token[(uintptr_t)arg >> 1].word;
	uint32_t n, now;

	for (n = 0; n < (uint32_t)rounds; n++) {
		while ((now = atomic_load(word)) != 2 * n + self) {
			long result = futex_wait(word, now);

			CHECK(result == 0 || result == -EAGAIN || result == -EINTR);
		}
		atomic_fetch_add(word, 1);
		CHECK(futex_wake(word, 1) <= 1);
	}
	return NULL;
}

static _Atomic uint32_t lock;
static long counter;
static int inside;

static void *fight(void *arg)
{
	long n;

	for (n = 0; n < rounds; n++) {
		uint32_t state = 0;

		if (!atomic_compare_exchange_strong(&lock, &state, 1)) {
			if (state != 2)
				state = atomic_exchange(&lock, 2);
			while (state != 0) {
				futex_wait(&lock, 2);
				state = atomic_exchange(&lock, 2);
			}
		}
		CHECK_EQ(inside++, 0);
		counter++;
		if (n % 16 == 0)
			sched_yield();
		CHECK_EQ(--inside, 0);
		if (atomic_fetch_sub(&lock, 1) != 1) {
			atomic_store(&lock, 0);
			CHECK(futex_wake(&lock, 1) >= 0);
		}
	}
	return arg;
}

int main(void)
{
	pthread_t threads[2 * PAIRS > FIGHTERS ? 2 * PAIRS : FIGHTERS];
	uintptr_t i;

	rounds = check_rounds(2000);
	for (i = 0; i < 2 * PAIRS; i++)
		threads[i] = check_spawn(play, (void *)i);
	for (i = 0; i < 2 * PAIRS; i++)
		check_join(threads[i]);
	for (i = 0; i < PAIRS; i++)
		CHECK_EQ(atomic_load(&token[i].word), 2 * rounds);
	for (i = 0; i < FIGHTERS; i++)
		threads[i] = check_spawn(fight, NULL);
	for (i = 0; i < FIGHTERS; i++)
		check_join(threads[i]);
	CHECK_EQ(counter, FIGHTERS * rounds);
	return 0;
}
