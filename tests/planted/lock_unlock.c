// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='unlock of a lock that is not held: 0x\w+ lock\+(.*\n)+.*now:(.*\n)+.* careless\+'
/*
 * Planted here: a lock is unlocked twice. The second time it may be somebody else's by then.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock lock;
static volatile long n;

static __attribute__((noinline)) void careless(void)
{
	uk_spin_lock(&lock);
	uk_spin_unlock(&lock);
#ifndef FIXED
	uk_spin_unlock(&lock);
#endif
	n++; /* after the calls: none is the last thing done here */
}

int main(void)
{
	careless();
	return 0;
}
