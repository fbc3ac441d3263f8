// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/* Cancellation disabled is kept for later; asynchronous ends a thread that makes no call; handlers run last first. */
#include "check.h"

#include <stdatomic.h>

static atomic_int stage, order;

static void second(void *arg)
{
	CHECK_EQ(atomic_fetch_add(&order, 1), 1);
	(void)arg;
}

static void first(void *arg)
{
	CHECK_EQ(atomic_fetch_add(&order, 1), 0);
	(void)arg;
}

static void *disabled(void *arg)
{
	struct timespec nap = { 0, 1000 };
	int old;

	pthread_cleanup_push(second, NULL);
	pthread_cleanup_push(first, NULL);
	CHECK_OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
	CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
	atomic_store(&stage, 1);
	while (atomic_load(&stage) != 2)
		sched_yield();
	pthread_testcancel(); /* cancelled by now, and nothing of it must happen */
	nanosleep(&nap, NULL);
	atomic_store(&stage, 3);
	CHECK_OK(pthread_setcancelstate(old, NULL));
	pthread_testcancel();
	check_failed(__FILE__, __LINE__, "pthread_testcancel() returned");
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return arg;
}

static void *asynchronous(void *arg)
{
	volatile unsigned long n = 0;

	CHECK_OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	atomic_store(&stage, 1);
	for (;;)
		n++;
	return arg;
}

static void *finishes(void *arg)
{
	atomic_store(&stage, 1);
	return arg;
}

static void *exits_by_itself(void *arg)
{
	pthread_cleanup_push(second, NULL);
	pthread_cleanup_push(first, NULL);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}

int main(void)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 20; i++) {
		atomic_store(&stage, 0);
		atomic_store(&order, 0);
		thread = check_spawn(disabled, NULL);
		while (atomic_load(&stage) != 1)
			sched_yield();
		CHECK_OK(pthread_cancel(thread));
		atomic_store(&stage, 2);
		CHECK(check_join(thread) == PTHREAD_CANCELED);
		CHECK_EQ(atomic_load(&stage), 3);
		CHECK_EQ(atomic_load(&order), 2);

		atomic_store(&stage, 0);
		thread = check_spawn(asynchronous, NULL);
		while (atomic_load(&stage) != 1)
			sched_yield();
		CHECK_OK(pthread_cancel(thread));
		CHECK(check_join(thread) == PTHREAD_CANCELED);

		thread = check_spawn(finishes, &stage);
		while (atomic_load(&stage) != 1)
			sched_yield();
		CHECK_OK(pthread_cancel(thread)); /* too late or not: no error */
		check_join(thread);

		atomic_store(&order, 0);
		CHECK(check_join(check_spawn(exits_by_itself, &order)) == &order);
		CHECK_EQ(atomic_load(&order), 2);
	}
	return 0;
}
