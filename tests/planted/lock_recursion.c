// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='lock recursion: taking lock at 0x\w+ lock\+(.*\n)+.* inner\+(.*\n)+.* was taken:(.*\n)+.* outer\+'
/*
 * Planted here: a function that takes a lock is called with the lock held. A spin lock is not recursive: without the validator
 * this hangs.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock lock;
static long n;

static __attribute__((noinline)) void inner(void)
{
	uk_spin_lock(&lock);
	n++;
	uk_spin_unlock(&lock);
}

static __attribute__((noinline)) void outer(void)
{
	uk_spin_lock(&lock);
	n++;
#ifdef FIXED
	uk_spin_unlock(&lock);
	inner();
#else
	inner();
	uk_spin_unlock(&lock);
#endif
}

int main(void)
{
	outer();
	CHECK_EQ(n, 2);
	return 0;
}
