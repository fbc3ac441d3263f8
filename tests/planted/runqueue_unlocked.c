// SPDX-License-Identifier: BSD-3-Clause
// test: plant=runqueue_unlocked plat=host cpus=2 replay=20 seed=13 expect-report='^(deadlock|page fault|general protection|no end)' timeout=120
/*
 * Planted in sched/sched.c: insertion into a run queue without its lock. enqueue_on() links the thread in first and takes the lock
 * for the rest. Two CPUs that insert, or one that inserts while the other one takes, leave a list with a thread lost or
 * twice on it: a deadlock, or a fault in whoever walks it next.
 *
 * More threads than CPUs wake each other in a ring, so that threads are put on queues of busy CPUs all the time.
 */
#include "../guest/check.h"
#include "../guest/futex.h"

enum { THREADS = 12, TOKENS = 9, ROUNDS = 5000 };

static _Atomic uint32_t turn[THREADS];

static void *pass_on(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg, next = (self + 1) % THREADS;

	for (int i = 0; i < ROUNDS; i++) {
		while (atomic_load(&turn[self]) == 0)
			futex_wait(&turn[self], 0);
		atomic_fetch_sub(&turn[self], 1);
		atomic_fetch_add(&turn[next], 1);
		futex_wake(&turn[next], 1);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < TOKENS; i++)
		atomic_store(&turn[i * THREADS / TOKENS], 1);
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = check_spawn(pass_on, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < THREADS; i++)
		check_join(threads[i]);
	return 0;
}
