// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='^sleeping with a spin lock held(.*\n)+.* mutex_lock_until\+(.*\n)+.* patient\+(.*\n)+.*held by this CPU: lock at 0x\w+ lock\+.*\n.* patient\+'
/*
 * Planted here: a mutex that is free is locked with a spin lock held. Nothing sleeps in this run; one day somebody has the mutex.
 */
#include <uk/mutex.h>

#include "../guest/check.h"

static struct uk_spinlock lock;
static struct uk_mutex mutex = UK_MUTEX_INITIALIZER(mutex);

static __attribute__((noinline)) void patient(void)
{
	uk_spin_lock(&lock);
#ifdef FIXED
	uk_spin_unlock(&lock);
	uk_mutex_lock(&mutex);
	uk_mutex_unlock(&mutex);
#else
	uk_mutex_lock(&mutex);
	uk_mutex_unlock(&mutex);
	uk_spin_unlock(&lock);
#endif
}

int main(void)
{
	patient();
	return 0;
}
