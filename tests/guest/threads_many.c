// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 mem=256M
/* 1000 threads exist at once, each asleep with a stack and values of its own, and all wake; creation fails cleanly past
 * what memory holds (EAGAIN), and works again after that.
 */
#include "check.h"

enum { THREADS = 1000 };

static pthread_barrier_t barrier;
static __thread int mine;

static void *meet(void *arg)
{
	volatile int on_stack = (int)(intptr_t)arg;

	mine = (int)(intptr_t)arg;
	pthread_barrier_wait(&barrier);
	CHECK_EQ(mine, (intptr_t)arg);
	CHECK_EQ(on_stack, (intptr_t)arg);
	return NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

int main(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	intptr_t i;
	int error;

	CHECK_OK(pthread_barrier_init(&barrier, NULL, THREADS));
	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setstacksize(&attr, 16384));
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], &attr, meet, (void *)i));
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	CHECK_OK(pthread_attr_setstacksize(&attr, (size_t)1 << 50));
	error = pthread_create(&threads[0], &attr, nothing, NULL);
	CHECK_EQ(error, EAGAIN);
	check_join(check_spawn(nothing, NULL));
	return 0;
}
