// SPDX-License-Identifier: BSD-3-Clause
/*
 * What torture programs share: arguments, random numbers, when to stop, how to fail.
 *
 *	PROGRAM [--seed N] [--ops N] [--seconds S]
 *
 * prints `seed N` first. With --seconds S > 0 it runs by time, else until it has done `ops` operations, whose default
 * the program gives to torture_begin(): the short form. `./tutti test torture --minutes M [--seed N]` gives --seconds and --seed. A broken invariant is one line on standard error that names the seed, and exit status 1.
 *
 *	int main(int argc, char **argv)
 *	{
 *		torture_begin(argc, argv, 20000);
 *		... threads: uint64_t rnd = torture_stream(i); while (torture_more(&done)) { ... torture_random(&rnd) ... }
 *		return torture_end();
 *	}
 *
 * Random streams depend on the seed and the stream's number only: what a thread does is the same in each run with that seed,
 * when it does it is the same under replay. Several threads may call everything but torture_begin() and torture_end().
 */
#pragma once

#include "../guest/check.h"

static struct {
	uint64_t seed;	   /* [I] */
	uint64_t ops;	   /* [I] operations of the whole program */
	uint64_t seconds;  /* [I] 0: by operations */
	int64_t deadline;  /* [I] monotonic ns, of a run by time */
	uint64_t done;	   /* [a] operations taken so far */
	uint64_t total;	   /* of the phases before */
	uint32_t finished; /* [a] no more */
} torture __attribute__((unused));

#define TORTURE_SEED 20240601u
/* Operations that a thread takes from the common account at a time, so that the account is no lock of its own. */
#define TORTURE_BATCH 16u

__attribute__((unused)) static uint64_t torture_number(const char *name, const char *text)
{
	char *end;
	uint64_t v = strtoull(text ? text : "", &end, 0);

	if (!text || !*text || *end) {
		fprintf(stderr, "%s wants a number\n", name);
		exit(2);
	}
	return v;
}

/* `ops`: operations of the short form; a replayed run, one of many and slow, does a quarter. */
__attribute__((unused)) static void torture_begin(int argc, char **argv, uint64_t ops)
{
	torture.seed = TORTURE_SEED;
#ifdef CHECK_REPLAY
	ops = (ops + 3) / 4;
#endif
	torture.ops = ops;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--seed"))
			torture.seed = torture_number(argv[i], value);
		else if (!strcmp(argv[i], "--ops"))
			torture.ops = torture_number(argv[i], value);
		else if (!strcmp(argv[i], "--seconds"))
			torture.seconds = torture_number(argv[i], value);
		else {
			fprintf(stderr, "usage: [--seed N] [--ops N] [--seconds S]\n");
			exit(2);
		}
		i++;
	}
	if (torture.seconds)
		torture.deadline = check_clock(CLOCK_MONOTONIC) + (int64_t)torture.seconds * 1000000000;
	printf("seed %llu\n", (unsigned long long)torture.seed);
	fflush(stdout);
}

/* Start value of random stream `stream` of this seed, never 0 (splitmix64 of Steele, Lea and Flood, 2014). */
__attribute__((unused)) static uint64_t torture_stream(unsigned stream)
{
	uint64_t x = torture.seed + (stream + 1) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x ? x : 1;
}

__attribute__((unused)) static uint64_t torture_random(uint64_t *state)
{
	return check_random(state);
}

/* 0 .. n - 1 */
__attribute__((unused)) static unsigned torture_below(uint64_t *state, unsigned n)
{
	return (unsigned)(check_random(state) % n);
}

/*
 * Before each operation: may the calling thread do one more? `mine` is a variable of the thread's own, 0 at the start.
 * False once the operations are used up or the time is over.
 */
__attribute__((unused)) static bool torture_more(unsigned *mine)
{
	if (*mine) {
		--*mine;
		return true;
	}
	if (__atomic_load_n(&torture.finished, __ATOMIC_RELAXED))
		return false;
	if (torture.seconds ? check_clock(CLOCK_MONOTONIC) >= torture.deadline
			    : __atomic_load_n(&torture.done, __ATOMIC_RELAXED) >= torture.ops) {
		__atomic_store_n(&torture.finished, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&torture.done, TORTURE_BATCH, __ATOMIC_RELAXED);
	*mine = TORTURE_BATCH - 1;
	return true;
}

/* The threads that wait for no account: tells whether the run is over. */
__attribute__((unused)) static bool torture_finished(void)
{
	return __atomic_load_n(&torture.finished, __ATOMIC_RELAXED) != 0;
}

/* Between phases, while nobody runs: the next one has one `parts`-th of the operations or of the time. */
__attribute__((unused)) static void torture_phase(unsigned parts)
{
	static uint64_t ops;

	if (!ops)
		ops = torture.ops;
	torture.ops = ops / parts + 1;
	torture.deadline = check_clock(CLOCK_MONOTONIC) + (int64_t)(torture.seconds * 1000000000 / parts);
	torture.total += torture.done;
	torture.done = 0;
	torture.finished = 0;
}

/* A broken invariant: the line names the seed. Does not return. */
#define torture_fail(...)                                                                                            \
	do {                                                                                                         \
		char torture_text_[256];                                                                             \
		snprintf(torture_text_, sizeof(torture_text_), __VA_ARGS__);                                         \
		check_failed(__FILE__, __LINE__, "%s (seed %llu)", torture_text_, (unsigned long long)torture.seed); \
	} while (0)

#define TORTURE_CHECK(condition)                        \
	do {                                            \
		if (!(condition))                       \
			torture_fail("%s", #condition); \
	} while (0)

/* When all threads have ended: the last line and the exit status of a run that found nothing. */
__attribute__((unused)) static int torture_end(void)
{
	printf("done %llu operations\n", (unsigned long long)(torture.total + torture.done));
	return 0;
}
