// SPDX-License-Identifier: BSD-3-Clause
/*
 * For tests/integration/locks.py: two threads on two CPUs take a lock 20,000 times each; one keeps it for a while now and then, and
 * lets the other one go no further than that before. Another lock is taken 123 times by one thread. A mutex is held by one thread
 * while another one waits for it twice in vain, then each takes it when it is free.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <uk/mutex.h>
#include <uk/spinlock.h>

#define TIMES	20000
#define EVERY	1000
#define KEEP_NS 3000000ll

static struct uk_spinlock busy_lock, quiet_lock;
static struct uk_mutex vain_mutex = UK_MUTEX_INITIALIZER(vain_mutex);
static long want; /* [a] round up to which the other one may go; then: steps of impatient() */

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void keep(long round)
{
	long long end;

	__atomic_store_n(&want, round, __ATOMIC_SEQ_CST);
	for (end = now() + KEEP_NS; now() < end;)
		__asm__ volatile("pause");
}

static __attribute__((noinline)) void *work(void *arg)
{
	for (long i = 1; i <= TIMES; i++) {
		while (arg && i % EVERY == 0 && __atomic_load_n(&want, __ATOMIC_SEQ_CST) < i / EVERY)
			__asm__ volatile("pause");
		uk_spin_lock(&busy_lock);
		if (!arg && i % EVERY == 0)
			keep(i / EVERY);
		uk_spin_unlock(&busy_lock);
	}
	return NULL;
}

static void reach(long step)
{
	__atomic_fetch_add(&want, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&want, __ATOMIC_SEQ_CST) < step)
		usleep(1000);
}

static __attribute__((noinline)) void *impatient(void *arg)
{
	for (int i = 0; i < 2; i++)
		if (!tutti_mutex_lock_until(&vain_mutex, now() + 1000000))
			uk_mutex_unlock(&vain_mutex);
	reach(1);
	reach(3);
	uk_mutex_lock(&vain_mutex);
	uk_mutex_unlock(&vain_mutex);
	return arg;
}

int main(void)
{
	pthread_t t[2];

	uk_mutex_lock(&vain_mutex);
	if (pthread_create(&t[0], NULL, impatient, NULL))
		return 1;
	while (!__atomic_load_n(&want, __ATOMIC_SEQ_CST))
		usleep(1000);
	uk_mutex_unlock(&vain_mutex);
	reach(3);
	pthread_join(t[0], NULL);
	__atomic_store_n(&want, 0, __ATOMIC_SEQ_CST);

	for (int i = 0; i < 123; i++) {
		uk_spin_lock(&quiet_lock);
		uk_spin_unlock(&quiet_lock);
	}
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, work, i ? &t[i] : NULL))
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	puts("done");
	return 0;
}
