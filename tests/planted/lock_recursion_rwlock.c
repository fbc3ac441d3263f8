// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='^lock recursion: taking lock at 0x\w+ lock\+(.*\n)+.* inner\+(.*\n)+.* was taken:(.*\n)+.* outer\+'
/*
 * Planted here: a thread that is the writer inside wants to be a reader, too, and waits for itself.
 */
#include <uk/rwlock.h>

#include "../guest/check.h"

static struct uk_rwlock lock = UK_RWLOCK_INITIALIZER(lock, 0);
static long n;

static __attribute__((noinline)) long inner(void)
{
	long seen;

	uk_rwlock_rlock(&lock);
	seen = n;
	uk_rwlock_runlock(&lock);
	return seen;
}

static __attribute__((noinline)) void outer(void)
{
	uk_rwlock_wlock(&lock);
	n++;
#ifdef FIXED
	tutti_rwlock_downgrade(&lock);
	CHECK_EQ(n, 1);
	uk_rwlock_runlock(&lock);
	CHECK_EQ(inner(), 1);
#else
	CHECK_EQ(inner(), 1);
	uk_rwlock_wunlock(&lock);
#endif
}

int main(void)
{
	outer();
	return 0;
}
