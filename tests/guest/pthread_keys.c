// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * Thread-specific data: values are per thread, destructors run at a thread's end with the value (and again while they
 * set new ones, PTHREAD_DESTRUCTOR_ITERATIONS times at most), all 128 keys can be had; pthread_once runs once.
 */
#include "check.h"

#include <limits.h>
#include <stdatomic.h>

static pthread_key_t plain, again;
static atomic_long plain_destroyed, again_destroyed, once_ran;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void destroy_plain(void *value)
{
	CHECK(pthread_getspecific(plain) == NULL);
	atomic_fetch_add(&plain_destroyed, (long)(intptr_t)value);
}

static void destroy_again(void *value)
{
	atomic_fetch_add(&again_destroyed, 1);
	CHECK_OK(pthread_setspecific(again, value));
}

static void run_once(void)
{
	int i;

	for (i = 0; i < 20; i++)
		sched_yield(); /* the others arrive and must wait */
	atomic_fetch_add(&once_ran, 1);
}

static void *use(void *arg)
{
	CHECK_OK(pthread_once(&once, run_once));
	CHECK_EQ(atomic_load(&once_ran), 1);
	CHECK(pthread_getspecific(plain) == NULL);
	CHECK_OK(pthread_setspecific(plain, arg));
	CHECK_OK(pthread_setspecific(again, arg));
	sched_yield();
	CHECK(pthread_getspecific(plain) == arg);
	return NULL;
}

int main(void)
{
	static pthread_key_t keys[PTHREAD_KEYS_MAX];
	pthread_t threads[40];
	intptr_t i;
	int n;

	CHECK_OK(pthread_key_create(&plain, destroy_plain));
	CHECK_OK(pthread_key_create(&again, destroy_again));
	CHECK_OK(pthread_setspecific(plain, &plain));
	for (i = 0; i < 40; i++)
		threads[i] = check_spawn(use, (void *)(i + 1));
	for (i = 0; i < 40; i++)
		check_join(threads[i]);
	CHECK_EQ(atomic_load(&plain_destroyed), 40 * 41 / 2);
	CHECK_EQ(atomic_load(&again_destroyed), 40 * PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(pthread_getspecific(plain) == &plain);
	CHECK_OK(pthread_key_delete(again));
	CHECK_OK(pthread_key_delete(plain));
	for (n = 0; n < PTHREAD_KEYS_MAX; n++)
		if (pthread_key_create(&keys[n], NULL) != 0)
			break;
	CHECK(n >= PTHREAD_KEYS_MAX - 4); /* an allocator may hold some */
	CHECK_EQ(pthread_key_create(&plain, NULL), EAGAIN);
	while (n > 0)
		CHECK_OK(pthread_key_delete(keys[--n]));
	return 0;
}
