// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=vm,host cpus=1,2 timeout=60
//       expect-report='lock order: cycle of 2 locks(.*\n)+.*now, by CPU [01]: taking lock at 0x\w+ first(.*\n)+.* second_first\+(.*\n)+.*before: lock at 0x\w+ second(.*\n)+.* first_second\+'
/*
 * Planted here: two locks in both orders, AB-BA. The threads run one after the other, so nothing ever waits: the lock validator
 * has to see it from the order alone, and show where each order was taken.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock first, second;
static long n;

static __attribute__((noinline)) void *first_second(void *arg)
{
	uk_spin_lock(&first);
	uk_spin_lock(&second);
	n++;
	uk_spin_unlock(&second);
	uk_spin_unlock(&first);
	return arg;
}

static __attribute__((noinline)) void *second_first(void *arg)
{
#ifdef FIXED
	return first_second(arg);
#else
	uk_spin_lock(&second);
	uk_spin_lock(&first);
	n++;
	uk_spin_unlock(&first);
	uk_spin_unlock(&second);
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
