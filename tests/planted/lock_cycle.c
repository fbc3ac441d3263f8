// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='lock order: cycle of 3 locks(.*\n)+.*taking lock at 0x\w+ a\+(.*\n)+.*before: lock at 0x\w+ b\+(.*\n)+.*before: lock at 0x\w+ c\+'
/*
 * Planted here: three locks in a ring. No two of them are ever taken in both orders; a before b, b before c, c before a.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock a, b, c;

static __attribute__((noinline)) void pair(struct uk_spinlock *outer, struct uk_spinlock *inner)
{
	uk_spin_lock(outer);
	uk_spin_lock(inner);
	uk_spin_unlock(inner);
	uk_spin_unlock(outer);
}

static void *work(void *arg)
{
	pair(&a, &b);
	pair(&b, &c);
#ifdef FIXED
	pair(&a, &c);
#else
	pair(&c, &a);
#endif
	return arg;
}

int main(void)
{
	pthread_t t;

	CHECK_OK(pthread_create(&t, NULL, work, NULL));
	CHECK_OK(pthread_join(t, NULL));
	return 0;
}
