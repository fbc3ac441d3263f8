// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c,mm/slab.c cflags=-Itests/host/fake sanitize=address,undefined,thread
/*
 * Promises of mm/slab.h: an object has one owner at a time and room for what was asked, frees on other threads are
 * fine, counters are right, NULL when no frame is left, a pointer to the middle of an object is refused.
 */
#include "mm_machine.h"

#include <pthread.h>

#include "mm/slab.h"
#include "sync/percpu.h"

#define THREADS 4
#define SHARED	128
#define STEPS	40000

struct object {
	uint64_t words[9];
};

static struct slab_cache cache = SLAB_CACHE("object", struct object);
static struct object *shared[SHARED];

static void *churn(void *arg)
{
	uint64_t seed = 5 + (uintptr_t)arg;

	fake_set_cpu((unsigned)(uintptr_t)arg);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t r = random_next(&seed);
		struct object *new = NULL, *old;

		if (r & 1) {
			new = slab_alloc(&cache);
			REQUIRE(new && (uintptr_t) new % 16 == 0);
			for (unsigned i = 0; i < 9; i++)
				new->words[i] = (uintptr_t) new + i;
		}
		old = __atomic_exchange_n(&shared[r >> 32 & (SHARED - 1)], new, __ATOMIC_ACQ_REL);
		if (old) {
			for (unsigned i = 0; i < 9; i++)
				REQUIRE(old->words[i] == (uintptr_t)old + i);
			slab_free(&cache, old);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	size_t left = 0;
	void *obj;

	machine_cpus = THREADS;
	fake_set_cpu(0);
	machine_make(16ul << 20);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < SHARED; i++)
		left += shared[i] != NULL;
	REQUIRE(cache.in_use == left && cache.total >= left);
	/* no more than was ever in use at once, in whole frames */
	REQUIRE(cache.total <= SHARED + THREADS + 2 * (PAGE_SIZE / cache.size));
	obj = slab_alloc(&cache);
	REQUIRE(CRASHES(slab_free(&cache, (char *)obj + 16)));
	while (slab_alloc(&cache))
		;
	REQUIRE(cache.in_use == cache.total);
	slab_free(&cache, obj);
	REQUIRE(slab_alloc(&cache) == obj);
	return 0;
}
