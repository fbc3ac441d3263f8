// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='sleeping with a spin lock held(.*\n)+.* thread_block(.*\n)+.* patient\+(.*\n)+.*held by this CPU: lock at 0x\w+ lock\+.*\n.* patient\+'
/*
 * Planted here: a thread sleeps with a spin lock held. It would mostly work: who wants the lock meanwhile spins for as long as
 * the sleep lasts, and on one CPU for ever.
 */
#include <unistd.h>
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock lock;

static __attribute__((noinline)) void patient(void)
{
	uk_spin_lock(&lock);
#ifdef FIXED
	uk_spin_unlock(&lock);
	usleep(1000);
#else
	usleep(1000);
	uk_spin_unlock(&lock);
#endif
}

int main(void)
{
	patient();
	return 0;
}
