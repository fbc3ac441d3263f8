// SPDX-License-Identifier: BSD-3-Clause
// test: replay=6 cpus=1,2,4 machine=microvm,q35 alloc=buddy,mallocng,mimalloc timeout=120
/*
 * Threads allocate, resize and free at random, by every entry, objects of any size and alignment, through one table of
 * slots: an object is taken out by whichever thread comes by, so that most are freed by another thread than the one that
 * allocated them. Threads end and are replaced meanwhile, and what they allocated lives on. Every object is filled from
 * end to end with a pattern of its own, which is checked when it is taken; a live object's bytes belong to nobody else.
 */
#include "check.h"

#include <malloc.h>
#include <stdatomic.h>

enum { THREADS = 6, SLOTS = 256, GENERATIONS = 3 };

struct object {
	size_t size; /* of the whole, this included */
	uint64_t seed;
	unsigned char bytes[];
};

static _Atomic(struct object *) slots[SLOTS];
static atomic_long operations;

static void fill(struct object *o, size_t size, uint64_t seed)
{
	uint64_t word = seed;
	size_t i, n = size - sizeof(*o);

	o->size = size;
	o->seed = seed;
	for (i = 0; i + 8 <= n; i += 8, word += 0x9e3779b97f4a7c15ULL)
		memcpy(o->bytes + i, &word, 8);
	for (; i < n; i++)
		o->bytes[i] = (unsigned char)(seed + i);
}

static void verify(const struct object *o, size_t upto)
{
	uint64_t word = o->seed, there;
	size_t i, n = upto - sizeof(*o), whole = o->size - sizeof(*o);

	for (i = 0; i + 8 <= n; i += 8, word += 0x9e3779b97f4a7c15ULL) {
		memcpy(&there, o->bytes + i, 8);
		if (there != word)
			check_failed(__FILE__, __LINE__, "object %p of %zu bytes: overwritten at %zu: %#llx",
				     (const void *)o, o->size, i, (unsigned long long)there);
	}
	if (n == whole)
		for (; i < n; i++)
			CHECK_EQ(o->bytes[i], (unsigned char)(o->seed + i));
}

static size_t random_size(uint64_t *rng)
{
	uint64_t kind = check_random(rng) % 100;
	size_t most = kind < 60 ? 256 : kind < 90 ? 4096 : kind < 99 ? 40000 : 300000;

	return sizeof(struct object) + check_random(rng) % most;
}

static struct object *allocate(size_t size, uint64_t *rng)
{
	size_t alignment = (size_t)8 << check_random(rng) % 10;
	struct object *o = NULL;
	void *out = NULL;
	size_t i;

	switch (check_random(rng) % 8) {
	case 0:
		CHECK_OK(posix_memalign(&out, alignment, size));
		o = out;
		break;
	case 1:
		o = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
		break;
	case 2:
		o = memalign(alignment, size);
		break;
	case 3:
		o = calloc(1, size);
		CHECK(o);
		for (i = 0; i < size; i++)
			CHECK_EQ(((unsigned char *)o)[i], 0);
		alignment = 8;
		break;
	case 4:
		o = realloc(NULL, size);
		alignment = 8;
		break;
	default:
		o = malloc(size);
		alignment = 8;
		break;
	}
	CHECK(o);
	CHECK_EQ((uintptr_t)o % alignment, 0);
	CHECK(malloc_usable_size(o) >= size);
	return o;
}

static void *torture(void *arg)
{
	uint64_t rng = 0xabcdef + (uint64_t)(uintptr_t)arg * 7919;
	long n, rounds = check_rounds(1500);

	for (n = 0; n < rounds; n++) {
		_Atomic(struct object *) *slot = &slots[check_random(&rng) % SLOTS];
		struct object *o = atomic_exchange(slot, NULL), *expected = NULL;
		size_t size = random_size(&rng);

		if (o) {
			verify(o, o->size);
			if (check_random(&rng) % 4 == 0) {
				size_t kept = o->size < size ? o->size : size;

				o = realloc(o, size);
				CHECK(o);
				verify(o, kept);
			} else {
				free(o);
				o = NULL;
			}
		}
		if (!o)
			o = allocate(size, &rng);
		fill(o, size, check_random(&rng));
		if (!atomic_compare_exchange_strong(slot, &expected, o)) {
			verify(o, o->size); /* somebody else was here */
			free(o);
		}
	}
	atomic_fetch_add(&operations, rounds);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	uintptr_t i, generation;

	for (generation = 0; generation < GENERATIONS; generation++) {
		for (i = 0; i < THREADS; i++)
			threads[i] = check_spawn(torture, (void *)(generation * THREADS + i));
		for (i = 0; i < THREADS; i++)
			check_join(threads[i]);
	}
	for (i = 0; i < SLOTS; i++) {
		struct object *o = atomic_load(&slots[i]);

		if (o)
			verify(o, o->size);
		free(o);
	}
	CHECK_EQ(atomic_load(&operations), THREADS * GENERATIONS * check_rounds(1500));
	return 0;
}
