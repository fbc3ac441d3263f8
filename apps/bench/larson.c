// SPDX-License-Identifier: BSD-3-Clause
/*
 * larson: a server whose requests are served by ever new threads.
 *
 * Each thread owns an array of objects of random sizes, handed to it by its predecessor (the first by main, which
 * allocated and shuffled them). It again and again picks a random slot, frees the object there and puts a new one of a
 * random size in its place. After some rounds it creates its successor, leaves it the array, and ends: so most objects
 * are freed by another thread than the one that allocated them, and threads come and go while the heap stays. Chains of
 * threads run side by side, one for each of --threads.
 *
 * Source: P.-A. Larson, M. Krishnan, "Memory Allocation for Long-Running Server Applications", ISMM 1998, and the
 * parameters usual since the Hoard suite: 1000 objects per thread, here of 10 to 500 bytes as in the original. The
 * original runs for a time; here a fixed number of replacements is divided among the chains, and each thread lives for a
 * fixed number of them, so that the number of threads created in all is fixed, too. One operation is one replacement.
 *
 * Concurrency: a generation's thread has the chain's struct bench_thread to itself and passes it on by pthread_create.
 * The generations are detached; the last of each chain counts down `running` under the lock, for which main waits.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct bench_param params[] = {
	{ "objects", 1000, false, "objects live at once in each chain" },
	{ "min", 10, false, "smallest object" },
	{ "max", 500, false, "largest object" },
	{ "replacements", 5000000, true, "objects replaced, divided among the chains" },
	{ "lifetime", 250000, false, "replacements a thread makes before its successor takes over" },
	{ NULL, 0, false, NULL },
};

#define PARAM_OBJECTS	   params[0].value
#define PARAM_MIN	   params[1].value
#define PARAM_MAX	   params[2].value
#define PARAM_REPLACEMENTS params[3].value
#define PARAM_LIFETIME	   params[4].value

struct slot {
	void *object;
	size_t size;
};

struct chain {
	_Alignas(BENCH_CACHE_LINE) struct bench_thread *thread;
	struct slot *slots;
	long left; /* replacements not yet done */
};

static struct {
	struct chain chains[BENCH_MAX_THREADS];
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned int running; /* [l] chains */
	unsigned int count;   /* [I] */
} larson = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

static void new_object(struct slot *slot, uint64_t *rng)
{
	slot->size = (size_t)(PARAM_MIN + (long)(bench_random(rng) % (uint64_t)(PARAM_MAX - PARAM_MIN + 1)));
	slot->object = bench_malloc(slot->size);
	bench_object_fill(slot->object, slot->size);
}

static void setup(unsigned int threads)
{
	uint64_t rng = 4141;
	unsigned int i;
	long n;

	if (PARAM_MAX < PARAM_MIN)
		PARAM_MAX = PARAM_MIN;
	larson.running = larson.count = threads;
	for (i = 0; i < threads; i++) {
		struct chain *chain = &larson.chains[i];

		chain->slots = bench_malloc((size_t)PARAM_OBJECTS * sizeof(struct slot));
		chain->left = bench_share(PARAM_REPLACEMENTS, i, threads, NULL);
		for (n = 0; n < PARAM_OBJECTS; n++)
			new_object(&chain->slots[n], &rng);
		for (n = PARAM_OBJECTS - 1; n > 0; n--) {
			long other = (long)(bench_random(&rng) % (uint64_t)(n + 1));
			struct slot slot = chain->slots[n];

			chain->slots[n] = chain->slots[other];
			chain->slots[other] = slot;
		}
	}
}

static void *generation(void *arg)
{
	struct chain *chain = arg;
	struct bench_thread *t = chain->thread;
	long n, share = chain->left < PARAM_LIFETIME ? chain->left : PARAM_LIFETIME;
	uint64_t rng = t->rng;
	bool failed = false;

	bench_note_cpu(t);
	for (n = 0; n < share; n++) {
		struct slot *slot = &chain->slots[bench_random(&rng) % (uint64_t)PARAM_OBJECTS];

		failed |= !bench_object_ok(slot->object, slot->size);
		free(slot->object);
		new_object(slot, &rng);
	}
	bench_note_cpu(t);
	t->rng = rng;
	t->failed |= failed;
	t->ops += (uint64_t)share;
	chain->left -= share;
	if (chain->left > 0) {
		pthread_t successor;
		int error = pthread_create(&successor, NULL, generation, chain);

		if (error) {
			fprintf(stderr, "larson: next generation: %s\n", strerror(error));
			_exit(1);
		}
		pthread_detach(successor);
		return NULL; /* chain and t are the successor's */
	}
	pthread_mutex_lock(&larson.lock);
	if (--larson.running == 0)
		pthread_cond_signal(&larson.ended);
	pthread_mutex_unlock(&larson.lock);
	return NULL;
}

static void run(struct bench_thread *t)
{
	larson.chains[t->index].thread = t;
	generation(&larson.chains[t->index]);
}

static void finish(unsigned int threads)
{
	(void)threads;
	pthread_mutex_lock(&larson.lock);
	while (larson.running > 0)
		pthread_cond_wait(&larson.ended, &larson.lock);
	pthread_mutex_unlock(&larson.lock);
}

static bool verify(void)
{
	bool ok = true;
	unsigned int i;
	long n;

	for (i = 0; i < larson.count; i++) {
		struct chain *chain = &larson.chains[i];

		ok = ok && chain->left == 0;
		for (n = 0; n < PARAM_OBJECTS; n++) {
			ok = ok && bench_object_ok(chain->slots[n].object, chain->slots[n].size);
			free(chain->slots[n].object);
		}
		free(chain->slots);
	}
	return ok;
}

static struct bench bench = {
	.name = "larson",
	.about =
		"a server: threads come and go and free what their predecessors allocated (Larson and Krishnan, ISMM 1998)",
	.params = params,
	.setup = setup,
	.run = run,
	.finish = finish,
	.verify = verify,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
