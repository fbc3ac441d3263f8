// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 sched=preempt timeout=120
/*
 * Every waiting and waking operation at once, against a model that counts. Sleepers wait with and without time limits and
 * bitsets and are hit by signals; wakers wake, requeue both ways and operate.
 *
 * The model: a wait that returns 0 took exactly one of the wake-ups that wakers were told of, and of its own bit where that is known; a
 * word is the number of increments made to it, by the program and by WAKE_OP; a time limit is not early; a value that
 * differs is not slept on for ever: at the end the wakers go on until all sleepers are gone, and then nobody is found on any
 * word. A sleeper lost in a requeue, or a wake-up lost to a time-out, is a wrong sum or a hang.
 */
#include <signal.h>

#include "../guest/futex.h"
#include "torture.h"

enum { WORDS = 4, BITS = 4, SLEEPERS = 6, WAKERS = 3 };

static struct {
	_Alignas(64) _Atomic uint32_t word;
	_Atomic uint32_t adds;
} words[WORDS];
static _Atomic uint32_t bit_word; /* slept on by one bit each, not requeued */
static _Atomic long woken, zeros, bit_woken[BITS], bit_zeros[BITS], timeouts, interrupted, moved;
static _Atomic long sleepers_left = SLEEPERS;
static pthread_t sleepers[SLEEPERS];
static _Atomic bool started;

static void on_signal(int n)
{
	(void)n;
}

static void slept(long r, bool timed, int64_t end, _Atomic long *count)
{
	if (r == 0) {
		atomic_fetch_add(count, 1);
	} else if (r == -ETIMEDOUT) {
		TORTURE_CHECK(timed);
		TORTURE_CHECK(check_clock(CLOCK_MONOTONIC) >= end);
		atomic_fetch_add(&timeouts, 1);
	} else if (r == -EINTR) {
		atomic_fetch_add(&interrupted, 1);
	} else if (r != -EAGAIN) {
		torture_fail("a wait returned %ld", r);
	}
}

static void *sleeper(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		long span = (long)torture_below(&rnd, 300000);
		struct timespec ts = { 0, span };
		_Atomic uint32_t *word = &words[torture_below(&rnd, WORDS)].word;
		bool timed = torture_below(&rnd, 2);
		int64_t end = check_clock(CLOCK_MONOTONIC) + span;
		unsigned bit;

		switch (torture_below(&rnd, 4)) {
		case 0:
			bit = torture_below(&rnd, BITS);
			ts = (struct timespec){ .tv_sec = end / 1000000000, .tv_nsec = end % 1000000000 };
			slept(futex(&bit_word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, atomic_load(&bit_word),
				    timed ? &ts : NULL, NULL, 1u << bit),
			      timed, end, &bit_zeros[bit]);
			break;
		case 1:
			ts = check_after(CLOCK_REALTIME, span);
			slept(futex(word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, atomic_load(word),
				    timed ? &ts : NULL, NULL, ~0u),
			      timed, end - 1000000000, &zeros); /* the two clocks were read at two moments */
			break;
		default:
			slept(futex(word, FUTEX_WAIT | FUTEX_PRIVATE, atomic_load(word), timed ? &ts : NULL, NULL, 0),
			      timed, end, &zeros);
		}
	}
	atomic_fetch_sub(&sleepers_left, 1);
	return NULL;
}

static void told(long n, _Atomic long *count)
{
	if (n < 0)
		torture_fail("a wake returned %ld", n);
	atomic_fetch_add(count, n);
}

static void *waker(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);

	while (atomic_load(&sleepers_left) > 0) {
		unsigned i = torture_below(&rnd, WORDS), j = torture_below(&rnd, WORDS), bit;
		_Atomic uint32_t *from = &words[i].word, *to = &words[j].word;
		uint32_t n = 1 + torture_below(&rnd, 3);
		long r;

		switch (torture_below(&rnd, 9)) {
		case 0:
			atomic_fetch_add(&words[i].adds, 1);
			atomic_fetch_add(from, 1);
			/* fall through */
		case 1:
			told(futex_wake(from, n), &woken);
			break;
		case 2:
			told(futex(from, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, n, NULL, NULL,
				   1u << torture_below(&rnd, 32)),
			     &woken);
			break;
		case 3: /* the result is the number woken */
			told(futex(from, FUTEX_REQUEUE | FUTEX_PRIVATE, n - 1, (void *)2, to, 0), &woken);
			break;
		case 4: /* the sum of both: one of them 0 */
			r = futex(from, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)2, to, atomic_load(from));
			if (r != -EAGAIN)
				told(r, &moved);
			break;
		case 5:
			r = futex(from, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, n, (void *)0, to, atomic_load(from));
			if (r != -EAGAIN)
				told(r, &woken);
			break;
		case 6:
			atomic_fetch_add(&words[j].adds, 1);
			told(futex(from, FUTEX_WAKE_OP | FUTEX_PRIVATE, n, (void *)2, to,
				   WAKE_OP(OP_ADD, 1, torture_below(&rnd, 6), torture_below(&rnd, 2000))),
			     &woken);
			break;
		case 7:
			bit = torture_below(&rnd, BITS);
			told(futex(&bit_word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, n, NULL, NULL, 1u << bit),
			     &bit_woken[bit]);
			break;
		case 8:
			if (atomic_load(&started) && torture_below(&rnd, 4) == 0)
				pthread_kill(sleepers[torture_below(&rnd, SLEEPERS)],
					     torture_below(&rnd, 2) ? SIGUSR1 : SIGUSR2);
			break;
		}
		if (torture_below(&rnd, 8) == 0)
			sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction again = { .sa_handler = on_signal, .sa_flags = SA_RESTART },
			 ends = { .sa_handler = on_signal };
	pthread_t wakers[WAKERS];

	torture_begin(argc, argv, 20000);
	CHECK_EQ(sigaction(SIGUSR1, &again, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR2, &ends, NULL), 0);
	for (uintptr_t i = 0; i < SLEEPERS; i++)
		sleepers[i] = check_spawn(sleeper, (void *)i);
	atomic_store(&started, true);
	for (uintptr_t i = 0; i < WAKERS; i++)
		wakers[i] = check_spawn(waker, (void *)(SLEEPERS + i));
	for (int i = 0; i < WAKERS; i++)
		check_join(wakers[i]);
	for (int i = 0; i < SLEEPERS; i++)
		check_join(sleepers[i]);
	if (atomic_load(&woken) != atomic_load(&zeros))
		torture_fail("%ld wake-ups, %ld taken", atomic_load(&woken), atomic_load(&zeros));
	for (int i = 0; i < BITS; i++)
		if (atomic_load(&bit_woken[i]) != atomic_load(&bit_zeros[i]))
			torture_fail("bit %d: %ld wake-ups, %ld taken", i, atomic_load(&bit_woken[i]),
				     atomic_load(&bit_zeros[i]));
	for (int i = 0; i < WORDS; i++) {
		TORTURE_CHECK(atomic_load(&words[i].word) == atomic_load(&words[i].adds));
		TORTURE_CHECK(futex_wake(&words[i].word, 1000) == 0);
	}
	TORTURE_CHECK(futex_wake(&bit_word, 1000) == 0);
	printf("woken %ld, time-outs %ld, interrupted %ld, moved %ld\n", atomic_load(&woken), atomic_load(&timeouts),
	       atomic_load(&interrupted), atomic_load(&moved));
	return torture_end();
}
