// SPDX-License-Identifier: BSD-3-Clause
/*
 * cache-thrash: active false sharing ("active-false" in the paper).
 *
 * Every thread again and again allocates a small object, writes to it many times and frees it. An allocator that
 * satisfies the requests of several threads from one cache line makes them slow each other down although they share
 * nothing.
 *
 * Source: E. D. Berger, K. S. McKinley, R. D. Blumofe, P. R. Wilson, "Hoard: A Scalable Memory Allocator for
 * Multithreaded Applications", ASPLOS 2000, section 5 (active-false). Parameters in its suite as for cache-scratch: 100
 * objects of 8 bytes, 1,000,000 sweeps over each, divided by the number of threads; here 800,000.
 * One operation is one sweep over one object.
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

static void run(struct bench_thread *t)
{
	long n, sweeps = bench_share(PARAM_SWEEPS, t->index, t->threads, NULL);

	for (n = 0; n < PARAM_OBJECTS; n++) {
		unsigned char *object = bench_malloc(PARAM_SIZE);

		t->failed |= !sweep_object(object, PARAM_SIZE, sweeps, (unsigned char)(n + t->index));
		free(object);
		bench_note_cpu(t);
	}
	t->ops = (uint64_t)sweeps * (uint64_t)PARAM_OBJECTS;
}

static struct bench bench = {
	.name = "cache-thrash",
	.about = "active false sharing: each thread works on small objects of its own (Hoard, ASPLOS 2000)",
	.params = params,
	.run = run,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
