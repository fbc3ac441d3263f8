// SPDX-License-Identifier: BSD-3-Clause
/*
 * timer-arm: what it costs to arm and cancel a timer while many others are armed.
 *
 * One operation is timer_settime() to a random time from 0.2 milliseconds to hours ahead (its logarithm is uniform), and
 * timer_settime() to nothing. It is measured with `few` other timers armed and with `many`, in turns, and the median of the
 * rounds is printed for each, and the ratio. The others are armed for a minute to a day ahead, so that none fires meanwhile. The
 * random times are drawn before the clock is read, and are the same in every round.
 *
 *	timer-arm [--few N] [--many N] [--pairs N] [--rounds N]
 *
 * One line: `@result few=N many=N few_ns=T many_ns=T ratio=R` (ns per operation). Runs on Linux, too: raise the limit of pending
 * signals there (ulimit -i), which also limits timers. Single-threaded; the timers' signal is blocked.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { TIMES = 4096, MAX_ROUNDS = 101 };

static long few = 10, many = 100000, pairs = 20000, rounds = 11;
static struct itimerspec times[TIMES];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Between 2^low and 2^high ns, logarithm uniform to a power of two. */
static struct itimerspec ahead(uint64_t *rng, unsigned low, unsigned high)
{
	uint64_t base = 1ull << (low + bench_random(rng) % (high - low));
	uint64_t ns = base + bench_random(rng) % base;

	return (struct itimerspec){ .it_value = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) } };
}

static void arm(timer_t *ids, long from, long to, uint64_t *rng)
{
	struct itimerspec off = { .it_value = { 0, 0 } }, its;

	for (long i = from; i < to; i++) {
		its = rng ? ahead(rng, 36, 46) : off;
		if (timer_settime(ids[i], 0, &its, NULL))
			fail("timer_settime");
	}
}

/* ns per operation */
static double measure(timer_t id)
{
	const struct itimerspec off = { .it_value = { 0, 0 } };
	double start = now();

	for (long i = 0; i < pairs; i++)
		if (timer_settime(id, 0, &times[i % TIMES], NULL) || timer_settime(id, 0, &off, NULL))
			fail("timer_settime");
	return (now() - start) / (double)pairs;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double with_few[MAX_ROUNDS], with_many[MAX_ROUNDS];
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	uint64_t rng = 42;
	timer_t *ids;
	sigset_t set;

	for (int i = 1; i < argc; i += 2) {
		long *to = !strcmp(argv[i], "--few")	  ? &few
			   : !strcmp(argv[i], "--many")	  ? &many
			   : !strcmp(argv[i], "--pairs")  ? &pairs
			   : !strcmp(argv[i], "--rounds") ? &rounds
							  : NULL;

		if (!to || i + 1 == argc || (*to = atol(argv[i + 1])) < 1) {
			fprintf(stderr, "usage: timer-arm [--few N] [--many N] [--pairs N] [--rounds N]\n");
			return 2;
		}
	}
	if (many < few || rounds > MAX_ROUNDS) {
		fprintf(stderr, "timer-arm: --many is less than --few, or more than %d rounds\n", MAX_ROUNDS);
		return 2;
	}
	ids = malloc((size_t)(many + 1) * sizeof(*ids));
	if (!ids)
		fail("malloc");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (long i = 0; i <= many; i++)
		if (timer_create(CLOCK_MONOTONIC, &ev, &ids[i]))
			fail("timer_create");
	for (int i = 0; i < TIMES; i++)
		times[i] = ahead(&rng, 18, 46);
	arm(ids, 0, few, &rng);
	for (long r = 0; r < rounds; r++) {
		with_few[r] = measure(ids[many]);
		arm(ids, few, many, &rng);
		with_many[r] = measure(ids[many]);
		arm(ids, few, many, NULL);
	}
	qsort(with_few, (size_t)rounds, sizeof(double), compare);
	qsort(with_many, (size_t)rounds, sizeof(double), compare);
	printf("@result few=%ld many=%ld few_ns=%.1f many_ns=%.1f ratio=%.3f\n", few, many, with_few[rounds / 2],
	       with_many[rounds / 2], with_many[rounds / 2] / with_few[rounds / 2]);
	return 0;
}
