// SPDX-License-Identifier: BSD-3-Clause
/*
 * threadtest: plain allocation throughput of threads that have nothing to do with each other.
 *
 * Each of P threads repeats: allocate objects/P small objects, then free them all. No object ever changes hands.
 *
 * Source: E. D. Berger, K. S. McKinley, R. D. Blumofe, P. R. Wilson, "Hoard: A Scalable Memory Allocator for
 * Multithreaded Applications", ASPLOS 2000, section 5, and the parameters of its suite: 10,000 objects of 8 bytes, no
 * work in between; 600 rounds instead of 1000. The list of objects is in place before the clock starts, and one
 * unmeasured round warms the heap, as the original's hundreds of rounds do. One operation is one malloc and one free.
 */
#include "bench.h"

#include <stdlib.h>

static struct bench_param params[] = {
	{ "objects", 10000, false, "objects live at once, divided among the threads" },
	{ "size", 8, false, "bytes per object" },
	{ "rounds", 600, true, "how often they are all allocated and all freed" },
	{ NULL, 0, false, NULL },
};

#define PARAM_OBJECTS params[0].value
#define PARAM_SIZE    ((size_t)params[1].value)
#define PARAM_ROUNDS  params[2].value

static void one_round(struct bench_thread *t, void **list, long objects)
{
	size_t size = PARAM_SIZE;
	bool failed = false;
	long i;

	for (i = 0; i < objects; i++) {
		list[i] = bench_malloc(size);
		bench_object_fill(list[i], size);
	}
	for (i = 0; i < objects; i++) {
		failed |= !bench_object_ok(list[i], size);
		free(list[i]);
	}
	t->failed |= failed;
}

static void prepare(struct bench_thread *t)
{
	long objects = bench_share(PARAM_OBJECTS, t->index, t->threads, NULL);

	t->data = bench_malloc(((size_t)objects + 1) * sizeof(void *));
	one_round(t, t->data, objects);
}

static void run(struct bench_thread *t)
{
	long n, objects = bench_share(PARAM_OBJECTS, t->index, t->threads, NULL);

	for (n = 0; n < PARAM_ROUNDS; n++) {
		one_round(t, t->data, objects);
		bench_note_cpu(t);
	}
	t->ops = (uint64_t)objects * (uint64_t)PARAM_ROUNDS;
}

static struct bench bench = {
	.name = "threadtest",
	.about = "each thread allocates and frees many objects of its own (Hoard, ASPLOS 2000)",
	.params = params,
	.prepare = prepare,
	.run = run,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
