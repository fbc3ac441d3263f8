// SPDX-License-Identifier: BSD-3-Clause
/*
 * Everything that orders two threads, each used as it should be: `./tutti run --check race` has nothing to say here. race.c is
 * the same without.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define ITEMS	20000
#define ROUNDS	500

struct item {
	struct item *next;
	int value;
};

static void check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "wrong: %s\n", what);
		exit(1);
	}
}

/* A counter and a list under a mutex. */
static struct {
	pthread_mutex_t lock;
	long counter;
	struct item *list;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Counted by atomic operations; relaxed is enough, because pthread_join() orders the end. */
static atomic_long counted;

static void *work(void *arg)
{
	long *result = arg;

	for (int i = 0; i < ITEMS; i++) {
		struct item *item = malloc(sizeof(*item));

		check(item != NULL, "memory");
		item->value = i;
		pthread_mutex_lock(&shared.lock);
		shared.counter++;
		item->next = shared.list;
		shared.list = item;
		pthread_mutex_unlock(&shared.lock);
		atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed);
		(*result)++;
	}
	return NULL;
}

/* One slot between two threads, by a condition variable. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item *slot;
	long sum;
} box = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0 };

static void *take(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct item *item;

		pthread_mutex_lock(&box.lock);
		while (!box.slot)
			pthread_cond_wait(&box.changed, &box.lock);
		item = box.slot;
		box.slot = NULL;
		pthread_cond_signal(&box.changed);
		pthread_mutex_unlock(&box.lock);
		box.sum += item->value; /* nobody else looks before the join */
		free(item);
	}
	return NULL;
}

static void put(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct item *item = malloc(sizeof(*item));

		check(item != NULL, "memory");
		item->value = i;
		pthread_mutex_lock(&box.lock);
		while (box.slot)
			pthread_cond_wait(&box.changed, &box.lock);
		box.slot = item;
		pthread_cond_signal(&box.changed);
		pthread_mutex_unlock(&box.lock);
	}
}

/* A message published by a flag: the store is a release, the load an acquire. */
static struct {
	int text[4];
	atomic_int ready;
	sem_t taken;
} message;

static void *listen(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		while (atomic_load_explicit(&message.ready, memory_order_acquire) != i)
			sched_yield();
		for (int j = 0; j < 4; j++)
			check(message.text[j] == i + j, "message");
		sem_post(&message.taken);
	}
	return NULL;
}

static void tell(void)
{
	for (int i = 1; i <= ROUNDS; i++) {
		for (int j = 0; j < 4; j++)
			message.text[j] = i + j;
		atomic_store_explicit(&message.ready, i, memory_order_release);
		sem_wait(&message.taken);
	}
}

/* Everybody writes a part, meets the others at a barrier and reads all. */
static pthread_barrier_t barrier;
static int parts[THREADS];

static void *meet(void *arg)
{
	int me = (int)(long)arg;

	for (int round = 0; round < ROUNDS / 10; round++) {
		parts[me] = round + me;
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < THREADS; i++)
			check(parts[i] == round + i, "part");
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	long results[THREADS] = { 0 }, length = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, &results[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		check(results[i] == ITEMS, "result of a thread");
	}
	while (shared.list) {
		struct item *next = shared.list->next;

		free(shared.list);
		shared.list = next;
		length++;
	}
	check(length == THREADS * ITEMS && shared.counter == length && counted == length, "counters");

	pthread_create(&t[0], NULL, take, NULL);
	put();
	pthread_join(t[0], NULL);
	check(box.sum == (long)ROUNDS * (ROUNDS - 1) / 2, "sum");

	sem_init(&message.taken, 0, 0);
	pthread_create(&t[0], NULL, listen, NULL);
	tell();
	pthread_join(t[0], NULL);

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, meet, (void *)(long)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	puts("no race");
	return 0;
}
