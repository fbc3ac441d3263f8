// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 alloc=region
/* The region allocator, which never frees, under threads: objects do not overlap, are aligned, and keep their bytes. */
#include "check.h"

enum { THREADS = 4, OBJECTS = 1000 };

static unsigned char *objects[THREADS][OBJECTS];
static size_t sizes[THREADS][OBJECTS];

static void *allocate(void *arg)
{
	uintptr_t id = (uintptr_t)arg;
	uint64_t rng = id + 17;
	int i;

	for (i = 0; i < OBJECTS; i++) {
		size_t size = 1 + check_random(&rng) % 500, alignment = (size_t)16 << check_random(&rng) % 5;

		objects[id][i] = i & 1 ? malloc(size)
				       : aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
		CHECK(objects[id][i]);
		CHECK_EQ((uintptr_t)objects[id][i] % (i & 1 ? 8 : alignment), 0);
		sizes[id][i] = size;
		memset(objects[id][i], (int)(id * 50 + (unsigned int)i), size);
		if (i % 3 == 0)
			free(malloc(100));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	uintptr_t id;
	size_t n;
	int i;

	for (id = 0; id < THREADS; id++)
		threads[id] = check_spawn(allocate, (void *)id);
	for (id = 0; id < THREADS; id++)
		check_join(threads[id]);
	for (id = 0; id < THREADS; id++)
		for (i = 0; i < OBJECTS; i++)
			for (n = 0; n < sizes[id][i]; n++)
				CHECK_EQ(objects[id][i][n], (unsigned char)(id * 50 + (unsigned int)i));
	return 0;
}
