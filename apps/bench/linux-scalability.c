// SPDX-License-Identifier: BSD-3-Clause
/*
 * linux-scalability: the shortest lifetime an object can have.
 *
 * Each thread repeats malloc(size) and free() of what it got, without any other work. In the original each thread does
 * 10,000,000 pairs of 512 bytes, and the elapsed time should not grow with the number of threads; here a fixed total is
 * divided among them, as in the other benchmarks of this folder, so that the figure is a rate.
 *
 * Source: C. Lever, D. Boreham, "malloc() Performance in a Multithreaded Linux Environment", USENIX 2000 Annual
 * Technical Conference, FREENIX track, section "Benchmark 1: scalability". The object's first and last bytes are written
 * and read back before it is freed. One operation is one pair.
 */
#include "bench.h"

#include <stdlib.h>

static struct bench_param params[] = {
	{ "size", 512, false, "bytes per object" },
	{ "pairs", 4000000, true, "malloc and free pairs, divided among the threads" },
	{ NULL, 0, false, NULL },
};

#define PARAM_SIZE  ((size_t)params[0].value)
#define PARAM_PAIRS params[1].value

static void pairs(struct bench_thread *t, long count)
{
	size_t size = PARAM_SIZE;
	bool failed = false;
	long n;

	for (n = 0; n < count; n++) {
		void *object = bench_malloc(size);

		bench_object_fill(object, size);
		/* the compiler may neither see through the pair nor keep the object's bytes in registers */
		__asm__ volatile("" : "+r"(object) : : "memory");
		failed |= !bench_object_ok(object, size);
		free(object);
	}
	t->failed |= failed;
}

static void prepare(struct bench_thread *t)
{
	pairs(t, 100);
}

static void run(struct bench_thread *t)
{
	long left = bench_share(PARAM_PAIRS, t->index, t->threads, NULL);

	t->ops = (uint64_t)left;
	while (left > 0) {
		long some = left < 50000 ? left : 50000;

		pairs(t, some);
		bench_note_cpu(t);
		left -= some;
	}
}

static struct bench bench = {
	.name = "linux-scalability",
	.about = "malloc and free in pairs, nothing else (Lever and Boreham, USENIX 2000)",
	.params = params,
	.prepare = prepare,
	.run = run,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
