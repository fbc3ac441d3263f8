// SPDX-License-Identifier: BSD-3-Clause
/*
 * cache-scratch: passive false sharing ("passive-false" in the paper).
 *
 * Main allocates one small object per thread, one right after the other, so that several lie on one cache line, and
 * hands one to each thread. Each thread frees the object it got, then again and again allocates an object of that size,
 * writes to it many times and frees it. An allocator that gives a thread back the memory that it freed keeps the threads
 * on one cache line that main once split between them, and they slow each other down; a good one lets go of it.
 *
 * Source: E. D. Berger, K. S. McKinley, R. D. Blumofe, P. R. Wilson, "Hoard: A Scalable Memory Allocator for
 * Multithreaded Applications", ASPLOS 2000, section 5 (passive-false). Parameters in its suite: 100 objects of 8 bytes,
 * 1,000,000 sweeps over each, divided by the number of threads; here 800,000. One operation is one
 * sweep over one object, so that the total is the same for any number of threads.
 */
#include "bench.h"
#include "sweep.h"

#include <stdlib.h>

static struct bench_param params[] = {
	{ "objects", 100, false, "objects that each thread allocates, one after the other" },
	{ "size", 8, false, "bytes per object" },
	{ "sweeps", 800000, true, "sweeps over each object, divided among the threads" },
	{ NULL, 0, false, NULL },
};

#define PARAM_OBJECTS params[0].value
#define PARAM_SIZE    ((size_t)params[1].value)
#define PARAM_SWEEPS  params[2].value

static unsigned char *handed_out[BENCH_MAX_THREADS]; /* [I] once the threads run, except for the owner's free */

static void setup(unsigned int threads)
{
	unsigned int i;

	for (i = 0; i < threads; i++) {
		handed_out[i] = bench_malloc(PARAM_SIZE);
		memset(handed_out[i], (int)i, PARAM_SIZE);
	}
}

static void run(struct bench_thread *t)
{
	long n, sweeps = bench_share(PARAM_SWEEPS, t->index, t->threads, NULL);
	size_t i;

	for (i = 0; i < PARAM_SIZE; i++)
		t->failed |= handed_out[t->index][i] != (unsigned char)t->index;
	free(handed_out[t->index]);
	for (n = 0; n < PARAM_OBJECTS; n++) {
		unsigned char *object = bench_malloc(PARAM_SIZE);

		t->failed |= !sweep_object(object, PARAM_SIZE, sweeps, (unsigned char)(n + t->index));
		free(object);
		bench_note_cpu(t);
	}
	t->ops = (uint64_t)sweeps * (uint64_t)PARAM_OBJECTS;
}

static struct bench bench = {
	.name = "cache-scratch",
	.about =
		"passive false sharing: each thread frees an object of main's and works on its own (Hoard, ASPLOS 2000)",
	.params = params,
	.setup = setup,
	.run = run,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
