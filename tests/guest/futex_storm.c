// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 timeout=120
/*
 * Everything at once on a few words: waits with and without short time-outs, wakes, requeues both ways. Each waiter that
 * returns 0 took exactly one wake-up: the sum of the wakers' counts must be the sum of the waiters' zeros. Nobody may
 * sleep for ever: at the end the wakers go on until all waiters are gone.
 */
#include "check.h"
#include "futex.h"

enum { WORDS = 3, WAITERS = 6, WAKERS = 3 };

static struct {
	_Alignas(64) _Atomic uint32_t word;
} words[WORDS];
static _Atomic long woken, zeros, timeouts, waiters_left = WAITERS;
static long rounds;

static void *waiter(void *arg)
{
	uint64_t rng = 11 + (uint64_t)(uintptr_t)arg;
	long n;

	for (n = 0; n < rounds; n++) {
		struct timespec ts = { 0, (long)(check_random(&rng) % 300000) };
		_Atomic uint32_t *word = &words[check_random(&rng) % WORDS].word;
		bool timed = check_random(&rng) & 1;
		long result = futex(word, FUTEX_WAIT | FUTEX_PRIVATE, atomic_load(word), timed ? &ts : NULL, NULL, 0);

		if (result == 0)
			atomic_fetch_add(&zeros, 1);
		else if (result == -ETIMEDOUT && timed)
			atomic_fetch_add(&timeouts, 1);
		else
			CHECK_EQ(result, -EAGAIN);
	}
	atomic_fetch_sub(&waiters_left, 1);
	return NULL;
}

static void *waker(void *arg)
{
	uint64_t rng = 1111 + (uint64_t)(uintptr_t)arg;

	while (atomic_load(&waiters_left) > 0) {
		_Atomic uint32_t *from = &words[check_random(&rng) % WORDS].word,
				 *to = &words[check_random(&rng) % WORDS].word;
		long n;

		switch (check_random(&rng) % 4) {
		case 0:
			atomic_fetch_add(from, 1);
			/* fall through */
		case 1:
			n = futex_wake(from, 1 + (uint32_t)(check_random(&rng) % 3));
			CHECK(n >= 0);
			atomic_fetch_add(&woken, n);
			break;
		case 2: /* wakes none: its result is the number moved */
			CHECK(futex(from, FUTEX_REQUEUE | FUTEX_PRIVATE, 0, (void *)2, to, 0) >= 0);
			break;
		case 3:
			n = futex(from, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)2, to, atomic_load(from));
			CHECK(n >= 0 || n == -EAGAIN);
			break;
		}
		if (check_random(&rng) % 8 == 0)
			sched_yield();
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[WAITERS + WAKERS];
	uintptr_t i;

	rounds = check_rounds(1500);
	for (i = 0; i < WAITERS + WAKERS; i++)
		threads[i] = check_spawn(i < WAITERS ? waiter : waker, (void *)i);
	for (i = 0; i < WAITERS + WAKERS; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&woken), atomic_load(&zeros));
	CHECK(atomic_load(&zeros) + atomic_load(&timeouts) <= WAITERS * rounds);
	return 0;
}
