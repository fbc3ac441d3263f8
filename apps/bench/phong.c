// SPDX-License-Identifier: BSD-3-Clause
/*
 * phong: random sizes, random lifetimes, and blocks that grow.
 *
 * A thread builds a sequence of blocks. Each gets a random size, small ones much more often than large ones. Once the
 * sequence has some length, every new block is followed by a walk over a random stretch of it: of the blocks still live
 * there, half are freed, and of the rest a quarter are resized, to double their size or, past the largest size, to a
 * quarter. Blocks thus die at random ages, in random order, and free space of every size lies between live blocks.
 *
 * Source: there is no paper of its own; the program comes from Kiem-Phong Vo's work on Vmalloc ("Vmalloc: A General and
 * Efficient Memory Allocator", Software: Practice and Experience 26(3), 1996) and is known from the suite distributed
 * with Hoard, whose parameters these are: 10 to 1024 bytes, walks from the 1000th block on. There the total is divided
 * among the threads, and since the walks get longer with the sequence the work per block depends on the number of
 * threads. Here the total is cut into sequences of fixed length, so that any number of threads does the same work; what
 * is left at a sequence's end is checked and freed. One operation is one malloc, free or realloc.
 */
#include "bench.h"

#include <stdlib.h>

static struct bench_param params[] = {
	{ "sequences", 160, true, "sequences of blocks, divided among the threads" },
	{ "blocks", 3000, false, "blocks in a sequence" },
	{ "head", 1000, false, "blocks of a sequence that are allocated before the walks begin" },
	{ "min", 10, false, "smallest block" },
	{ "max", 1024, false, "largest block" },
	{ NULL, 0, false, NULL },
};

#define PARAM_SEQUENCES params[0].value
#define PARAM_BLOCKS	params[1].value
#define PARAM_HEAD	params[2].value
#define PARAM_MIN	((size_t)params[3].value)
#define PARAM_MAX	((size_t)params[4].value)

struct block {
	void *object; /* NULL once freed */
	size_t size;
};

static void setup(unsigned int threads)
{
	(void)threads;
	if (params[4].value < params[3].value)
		params[4].value = params[3].value;
}

static void prepare(struct bench_thread *t)
{
	t->data = bench_malloc((size_t)PARAM_BLOCKS * sizeof(struct block));
}

/* Draws again below the last draw with a probability that grows with it: small sizes come out most. */
static size_t random_size(uint64_t *rng)
{
	uint64_t range = PARAM_MAX - PARAM_MIN + 1;

	for (;;) {
		uint64_t draw = bench_random(rng) % range;

		if (bench_random(rng) % 100 >= 100 * draw / range)
			return PARAM_MIN + draw;
		range = draw; /* at least 1: a draw of 0 has returned */
	}
}

static bool check_and_free(struct block *block)
{
	bool ok = bench_object_ok(block->object, block->size);

	free(block->object);
	block->object = NULL;
	return ok;
}

static bool resize(struct block *block)
{
	size_t old = block->size;
	void *before = block->object;
	uint64_t head = bench_pattern(before, old), now;
	bool ok = bench_object_ok(before, old);

	block->size = old > PARAM_MAX ? old / 4 : 2 * old;
	block->object = realloc(before, block->size);
	if (!block->object)
		return false;
	if (block->size >= sizeof(now) && old >= 2 * sizeof(now)) { /* the contents came along */
		memcpy(&now, block->object, sizeof(now));
		ok = ok && now == head;
	}
	bench_object_fill(block->object, block->size);
	return ok;
}

static void sequence(struct bench_thread *t, struct block *list, uint64_t seed)
{
	uint64_t rng = seed, ops = 0;
	bool ok = true;
	long k;

	for (k = 0; k < PARAM_BLOCKS; k++) {
		long from, to;

		list[k].size = random_size(&rng);
		list[k].object = bench_malloc(list[k].size);
		bench_object_fill(list[k].object, list[k].size);
		ops++;
		if (k < PARAM_HEAD)
			continue;
		from = (long)(bench_random(&rng) % (uint64_t)(k + 1));
		to = (long)(bench_random(&rng) % (uint64_t)(k + 1));
		if (from > to) {
			long swap = from;

			from = to;
			to = swap;
		}
		for (; from <= to; from++) {
			uint64_t draw;

			if (!list[from].object)
				continue;
			draw = bench_random(&rng);
			if (draw & 1) {
				ok = check_and_free(&list[from]) && ok;
				ops++;
			} else if ((draw >> 1 & 3) == 0) {
				ok = resize(&list[from]) && ok;
				ops++;
			}
		}
	}
	for (k = 0; k < PARAM_BLOCKS; k++)
		if (list[k].object) {
			ok = check_and_free(&list[k]) && ok;
			ops++;
		}
	t->ops += ops;
	t->failed |= !ok;
}

static void run(struct bench_thread *t)
{
	long first, n, count = bench_share(PARAM_SEQUENCES, t->index, t->threads, &first);

	for (n = first; n < first + count; n++) {
		sequence(t, t->data, (uint64_t)n * 0x9e3779b97f4a7c15ULL + 1); /* the same whoever runs it */
		bench_note_cpu(t);
	}
}

static struct bench bench = {
	.name = "phong",
	.about = "blocks of random size and lifetime, some of them resized (Vo; in the suite distributed with Hoard)",
	.params = params,
	.setup = setup,
	.prepare = prepare,
	.run = run,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
