// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the parts of the synchronization benchmark share. One source for three programs: tutti's, and Linux ones with
 * glibc and with musl. A figure is one row of what `tutti bench sync` shows: a function that does `n` operations per
 * thread, says how long they took, and checks that they happened.
 *
 * Protocol on standard output, read by tools/tuttilib/bench_sync.py:
 *	@sync begin cpus=N
 *	@sync name=NAME cpus=N ns=MIN median=MEDIAN rounds=R ops=OPS check=ok|failed
 *	@sync name=NAME cpus=N absent=REASON
 *	@sync end
 * ns and median are nanoseconds per operation, the smallest and the middle one of the rounds; ops are those of one round.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYNC_MAX_CPUS	 2
#define SYNC_MAX_THREADS 8
#define SYNC_CACHE_LINE	 128

/* One round of one figure. */
struct round {
	unsigned cpus;	    /* [I] how many may be used */
	long n;		    /* [I] operations of each thread */
	double scale;	    /* [I] of the whole run; below 1 in tests */
	double ns;	    /* result: nanoseconds per operation */
	uint64_t elapsed;   /* result: nanoseconds that the measured part took */
	uint64_t ops;	    /* result: operations of all threads */
	bool ok;	    /* result: the check */
	const char *absent; /* result: why there is no figure here; one word */
};

struct figure {
	const char *name;
	const char *about;
	unsigned least_cpus; /* 2: makes no sense on one */
	unsigned most_cpus;  /* 1: is the same on two */
	void (*run)(struct round *r);
};

/* Where the threads of a team run. */
enum placement {
	ANYWHERE, /* on the CPUs that the program has */
	ONE_CPU,  /* all on the first */
	EACH_OWN, /* thread i on CPU i, modulo their number */
};

struct member {
	_Alignas(SYNC_CACHE_LINE) unsigned index; /* [I] */
	long n;					  /* [I] */
	void *arg;				  /* [I] */
	uint64_t start, finish;			  /* its own until it has ended */
	uint64_t count;				  /* for the figure's check; its own until it has ended */
	void (*work)(struct member *m);		  /* [I] */
	bool ok;
};

/*
 * Creates `threads` threads, which pass a barrier and then do `work`; waits for them. Sets r->elapsed (first start to last end) and
 * returns the sum of their counts; *ok tells whether all said ok.
 */
uint64_t team_run(struct round *r, unsigned threads, enum placement where, void (*work)(struct member *m), void *arg,
		  bool *ok);

/* Fills in the result for `ops` operations in r->elapsed. */
void round_done(struct round *r, uint64_t ops, bool ok);

/* Binds the calling thread to the index-th CPU of the program; false if that is not possible. */
bool bind_cpu(unsigned index);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t now(void);

/* The processor's time stamp counter, read after all that stands before. */
static inline uint64_t stamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

/* Ends the program with a message: it cannot go on. */
_Noreturn void die(const char *what, int error);

/* Sorts `values` and returns the middle one. */
double median(double *values, size_t count);

extern const struct figure lock_figures[], switch_figures[], timer_figures[],
	tutti_figures[]; /* a NULL name ends each */
