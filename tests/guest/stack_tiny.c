// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4
/*
 * Stacks of the program's own, as small as PTHREAD_STACK_MIN (2048 bytes), are enough for system calls, faults,
 * interrupts and blocking: the kernel does not run on them. The bytes around each stack stay as they were.
 */
#include "check.h"

#include <limits.h>
#include <semaphore.h>

enum { THREADS = 32, MARGIN = 256 };

static _Alignas(16) unsigned char area[THREADS][MARGIN + 2048 + MARGIN];
static sem_t ready, go;

static void *work(void *arg)
{
	unsigned char *page = arg;
	struct timespec nap = { 0, 100000 };
	volatile long n;
	int i;

	for (i = 0; i < 5; i++) {
		page[i * 4096] = 1; /* the first touch: a fault on this stack */
		for (n = 0; n < 200000; n++)
			;
		sched_yield();
		nanosleep(&nap, NULL);
	}
	sem_post(&ready);
	while (sem_wait(&go) != 0)
		;
	return NULL;
}

int main(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	int i, n;

	CHECK(PTHREAD_STACK_MIN <= 2048);
	CHECK_EQ(sem_init(&ready, 0, 0), 0);
	CHECK_EQ(sem_init(&go, 0, 0), 0);
	memset(area, 0xa5, sizeof(area));
	CHECK_OK(pthread_attr_init(&attr));
	for (i = 0; i < THREADS; i++) {
		CHECK_OK(pthread_attr_setstack(&attr, area[i] + MARGIN, 2048));
		CHECK_OK(pthread_create(&threads[i], &attr, work, aligned_alloc(4096, 5 * 4096)));
	}
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(sem_wait(&ready), 0);
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(sem_post(&go), 0);
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_join(threads[i], NULL));
	for (i = 0; i < THREADS; i++)
		for (n = 0; n < MARGIN; n++) {
			CHECK_EQ(area[i][n], 0xa5);
			CHECK_EQ(area[i][MARGIN + 2048 + n], 0xa5);
		}
	return 0;
}
