// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='lock order: cycle of 2 locks(.*\n)+.*now, by CPU [01]: taking lock at 0x\w+ first(.*\n)+.* second_first\+(.*\n)+.*with lock at 0x\w+ second\S* held, taken:(.*\n)+.* second_first\+(.*\n)+.*before: lock at 0x\w+ second(.*\n)+.* first_second\+(.*\n)+.*before: with lock at 0x\w+ first(.*\n)+.* first_second\+(.*\n)+.*held by this thread'
/*
 * Planted here: AB-BA again, of a mutex and a readers-writer lock. They sleep, so they are held by threads; and the program calls them on
 * its own stack, of which all four places have to be shown.
 */
#include <uk/mutex.h>
#include <uk/rwlock.h>

#include "../guest/check.h"

static struct uk_mutex first = UK_MUTEX_INITIALIZER(first);
static struct uk_rwlock second = UK_RWLOCK_INITIALIZER(second, 0);
static long n;

static __attribute__((noinline)) void *first_second(void *arg)
{
	uk_mutex_lock(&first);
	uk_rwlock_rlock(&second);
	n++;
	uk_rwlock_runlock(&second);
	uk_mutex_unlock(&first);
	return arg;
}

static __attribute__((noinline)) void *second_first(void *arg)
{
#ifdef FIXED
	return first_second(arg);
#else
	uk_rwlock_wlock(&second);
	uk_mutex_lock(&first);
	n++;
	uk_mutex_unlock(&first);
	uk_rwlock_wunlock(&second);
	return arg;
#endif
}

int main(void)
{
	pthread_t t;

	CHECK_OK(pthread_create(&t, NULL, first_second, NULL));
	CHECK_OK(pthread_join(t, NULL));
	CHECK_OK(pthread_create(&t, NULL, second_first, NULL));
	CHECK_OK(pthread_join(t, NULL));
	CHECK_EQ(n, 2);
	return 0;
}
