// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1 timeout=60
//       expect-report='thread ends with a lock held: lock at 0x\w+ lock\+(.*\n)+.*held by this CPU: lock at .*\n.* sometimes\+'
/*
 * Planted here: a way out of a function forgets the unlock, and the thread that took it ends.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock lock;
static long n;

static __attribute__((noinline)) long sometimes(long limit)
{
	uk_spin_lock(&lock);
	if (++n > limit) {
#ifdef FIXED
		uk_spin_unlock(&lock);
#endif
		return -1;
	}
	uk_spin_unlock(&lock);
	return 0;
}

static void *work(void *arg)
{
	return (void *)sometimes((long)arg);
}

int main(void)
{
	pthread_t t;

	for (long limit = 2; limit >= 0; limit--) {
		CHECK_OK(pthread_create(&t, NULL, work, (void *)limit));
		CHECK_OK(pthread_join(t, NULL));
	}
	return 0;
}
