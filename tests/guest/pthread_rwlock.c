// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/* Read-write locks: writers exclude everybody, readers only writers; try and timed forms answer as POSIX says. */
#include "check.h"

#include <stdatomic.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers, writers;
static long a, b; /* equal whenever no writer is inside */
static long rounds;

static void *use(void *arg)
{
	uint64_t rng = 77 + (uint64_t)(uintptr_t)arg;
	long n, wrote = 0;

	for (n = 0; n < rounds; n++) {
		if (check_random(&rng) % 4 == 0) {
			CHECK_OK(pthread_rwlock_wrlock(&lock));
			CHECK_EQ(atomic_fetch_add(&writers, 1), 0);
			CHECK_EQ(atomic_load(&readers), 0);
			a++;
			if (n % 32 == 0)
				sched_yield();
			b++;
			atomic_fetch_sub(&writers, 1);
			wrote++;
		} else {
			CHECK_OK(pthread_rwlock_rdlock(&lock));
			atomic_fetch_add(&readers, 1);
			CHECK_EQ(atomic_load(&writers), 0);
			CHECK_EQ(a, b);
			if (n % 32 == 0)
				sched_yield();
			CHECK_EQ(a, b);
			atomic_fetch_sub(&readers, 1);
		}
		CHECK_OK(pthread_rwlock_unlock(&lock));
	}
	return (void *)wrote;
}

static void *while_read_locked(void *arg)
{
	struct timespec until = check_after(CLOCK_REALTIME, 2000000);

	CHECK_EQ(pthread_rwlock_trywrlock(&lock), EBUSY);
	CHECK_OK(pthread_rwlock_tryrdlock(&lock));
	CHECK_OK(pthread_rwlock_unlock(&lock));
	CHECK_EQ(pthread_rwlock_timedwrlock(&lock, &until), ETIMEDOUT);
	CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
	return arg;
}

static void *while_write_locked(void *arg)
{
	struct timespec until = check_after(CLOCK_REALTIME, 2000000);

	CHECK_EQ(pthread_rwlock_trywrlock(&lock), EBUSY);
	CHECK_EQ(pthread_rwlock_tryrdlock(&lock), EBUSY);
	CHECK_EQ(pthread_rwlock_timedrdlock(&lock, &until), ETIMEDOUT);
	return arg;
}

int main(void)
{
	pthread_t threads[8];
	long wrote = 0;
	intptr_t i;

	rounds = check_rounds(3000);
	for (i = 0; i < 8; i++)
		threads[i] = check_spawn(use, (void *)i);
	for (i = 0; i < 8; i++)
		wrote += (long)check_join(threads[i]);
	CHECK_EQ(a, wrote);
	CHECK_EQ(b, wrote);
	CHECK_OK(pthread_rwlock_rdlock(&lock));
	check_join(check_spawn(while_read_locked, NULL));
	CHECK_OK(pthread_rwlock_unlock(&lock));
	CHECK_OK(pthread_rwlock_wrlock(&lock));
	check_join(check_spawn(while_write_locked, NULL));
	CHECK_OK(pthread_rwlock_unlock(&lock));
	CHECK_OK(pthread_rwlock_destroy(&lock));
	return 0;
}
