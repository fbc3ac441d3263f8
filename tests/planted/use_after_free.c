// SPDX-License-Identifier: BSD-3-Clause
// test: check=memory cpus=2 expect-report='heap-use-after-free: read(.*\n)+.*reader.*use_after_free.c(.*\n)+.*was freed by:\n(.*\n)*.*main' timeout=60
/*
 * Planted here: use after free. A reader finds an entry of a table under the lock and reads it after the lock is let go; meanwhile
 * another thread takes the entry out and frees it. Semaphores keep the order, so it happens in every run.
 */
#include "../guest/check.h"

#include <semaphore.h>

struct entry {
	char name[40];
	int value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *table;
static sem_t found, removed;

static void *reader(void *arg)
{
	struct entry *e;
	int value;

	CHECK_OK(pthread_mutex_lock(&lock));
	e = table;
#ifdef FIXED
	value = e->value;
#endif
	CHECK_OK(pthread_mutex_unlock(&lock));
	CHECK_EQ(sem_post(&found), 0);
	CHECK_EQ(sem_wait(&removed), 0);
#ifndef FIXED
	value = e->value;
#endif
	CHECK_EQ(value, 7);
	return arg;
}

int main(void)
{
	pthread_t thread;

	CHECK_EQ(sem_init(&found, 0, 0), 0);
	CHECK_EQ(sem_init(&removed, 0, 0), 0);
	table = malloc(sizeof(*table));
	CHECK(table);
	table->value = 7;
	thread = check_spawn(reader, NULL);
	CHECK_EQ(sem_wait(&found), 0);
	CHECK_OK(pthread_mutex_lock(&lock));
	free(table);
	table = NULL;
	CHECK_OK(pthread_mutex_unlock(&lock));
	CHECK_EQ(sem_post(&removed), 0);
	check_join(thread);
	return 0;
}
