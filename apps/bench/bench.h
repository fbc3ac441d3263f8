// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the six allocator benchmarks share: parameters, threads released together, the clock, the CPUs that were used,
 * checked objects, the result lines. A benchmark fills one struct bench and calls bench_main().
 *
 * Protocol on standard output, read by `tutti bench`:
 *	@start					the measured part begins
 *	@cpus 0,1				CPUs on which the threads were seen, after the measured part
 *	@result ops=N seconds=S peak_bytes=B check=ok|failed
 * The work is one fixed total divided among the threads: a speed-up is a ratio of ops per second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BENCH_MAX_THREADS 256
#define BENCH_CACHE_LINE  128 /* two lines: adjacent-line prefetchers count as sharing too */

struct bench_param {
	const char *name; /* option without the dashes */
	long value;	  /* default; after parsing, what was asked for */
	bool scaled;	  /* multiplied by --scale: it is what decides how long the run takes */
	const char *help;
};

/* One per thread, alone on its cache lines: what a thread writes while it is measured is in here or on its stack. */
struct bench_thread {
	_Alignas(BENCH_CACHE_LINE) unsigned int index; /* [I] */
	unsigned int threads;			       /* [I] */
	uint64_t rng;				       /* this thread's own from here on */
	uint64_t ops;
	uint64_t finished; /* ns of CLOCK_MONOTONIC */
	unsigned long cpus[256 / (8 * sizeof(unsigned long))];
	bool failed;
	void *data; /* the benchmark's own */
};

struct bench {
	const char *name;
	const char *about;
	struct bench_param *params;		 /* ends with a NULL name */
	void (*setup)(unsigned int threads);	 /* before any thread exists, unmeasured; may be NULL */
	void (*prepare)(struct bench_thread *t); /* in the thread, unmeasured; may be NULL */
	void (*run)(struct bench_thread *t);	 /* in the thread, measured */
	/*
	 * In main, measured; may be NULL. Where run() hands its struct bench_thread on to threads that it creates, this
	 * waits for the last of them, and the clock stops when it returns.
	 */
	void (*finish)(unsigned int threads);
	bool (*verify)(void); /* in main, unmeasured: the whole run's check; may be NULL */
};

/* Parses the arguments, runs, prints; returns main's exit status: 0 good, 1 the check failed, 2 usage. */
int bench_main(int argc, char **argv, struct bench *b);

/* The slice [*first, *first + return value) of `total` that belongs to thread `index` of `threads`. */
long bench_share(long total, unsigned int index, unsigned int threads, long *first);

/* Notes the CPU the caller runs on; cheap enough for once per some thousand operations. */
void bench_note_cpu(struct bench_thread *t);

/* malloc that ends the program with a message when there is no memory. */
void *bench_malloc(size_t size);

/* xorshift64*, Vigna 2016: state must not be 0. */
static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 16;
}

/*
 * Marks an object: its first and its last bytes get a pattern made of its address and size. bench_object_ok() tells
 * whether both are still there, so an object given out twice, cut short or overwritten is noticed.
 */
static inline uint64_t bench_pattern(const void *object, size_t size)
{
	return ((uint64_t)(uintptr_t)object ^ ((uint64_t)size << 40)) * 0x9e3779b97f4a7c15ULL;
}

static inline void bench_object_fill(void *object, size_t size)
{
	uint64_t pattern = bench_pattern(object, size);

	if (size >= sizeof(pattern)) {
		memcpy(object, &pattern, sizeof(pattern));
		memcpy((char *)object + size - sizeof(pattern), &pattern, sizeof(pattern));
	} else {
		memset(object, (int)(pattern >> 56), size);
	}
}

static inline bool bench_object_ok(const void *object, size_t size)
{
	uint64_t pattern = bench_pattern(object, size), tail = pattern;
	size_t i;

	if (size >= 2 * sizeof(pattern)) {
		uint64_t head;

		memcpy(&head, object, sizeof(head));
		memcpy(&tail, (const char *)object + size - sizeof(tail), sizeof(tail));
		return head == pattern && tail == pattern;
	}
	if (size >= sizeof(pattern)) { /* the two copies overlap: the tail was written last */
		memcpy(&tail, (const char *)object + size - sizeof(tail), sizeof(tail));
		return tail == pattern;
	}
	for (i = 0; i < size; i++)
		if (((const unsigned char *)object)[i] != (unsigned char)(pattern >> 56))
			return false;
	return true;
}
