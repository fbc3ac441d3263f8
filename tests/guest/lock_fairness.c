// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 strategy=even cpus=1,2,4 sched=preempt,coop timeout=120
/*
 * Fairness of the locks that sleep: mutex, rwlock (writers and readers in turn) and semaphore. Of six threads that want it all the
 * time, each gets between half and twice its share of 100,000 acquisitions (or of --ops). Now and then the owner
 * gives up its CPU, so that on one CPU the others come to wait, too.
 *
 * Natively a virtual CPU may have no core for a while, and who runs on it does not come back to wait. So it is judged up to two CPUs, and
 * GOOD rounds out of ROUNDS have to be as promised; a lock that never hands over has none. In a replayed run CPUs are
 * equally fast: there the first round has to be.
 */
#include "../torture/torture.h"

#include <uk/mutex.h>
#include <uk/rwlock.h>
#include <uk/semaphore.h>

enum { THREADS = 6 };
#ifdef CHECK_REPLAY
enum { TOTAL = 100000, ROUNDS = 1, GOOD = 1 };
#else
enum { TOTAL = 100000, ROUNDS = 6, GOOD = 2 };
#endif

static struct uk_mutex mutex = UK_MUTEX_INITIALIZER(mutex);
static struct uk_rwlock rwlock = UK_RWLOCK_INITIALIZER(rwlock, 0);
static struct uk_semaphore semaphore;

static void mutex_take(void)
{
	uk_mutex_lock(&mutex);
}

static void mutex_give(void)
{
	uk_mutex_unlock(&mutex);
}

/* A reader that has to wait for the writer and holds up the next one. */
static void rwlock_take(void)
{
	uk_rwlock_rlock(&rwlock);
	uk_rwlock_runlock(&rwlock);
	uk_rwlock_wlock(&rwlock);
}

static void rwlock_give(void)
{
	uk_rwlock_wunlock(&rwlock);
}

static void semaphore_take(void)
{
	uk_semaphore_down(&semaphore);
}

static void semaphore_give(void)
{
	uk_semaphore_up(&semaphore);
}

static const struct kind {
	const char *name;
	void (*take)(void);
	void (*give)(void);
} kinds[] = {
	{ "mutex", mutex_take, mutex_give },
	{ "rwlock", rwlock_take, rwlock_give },
	{ "semaphore", semaphore_take, semaphore_give },
};

static const struct kind *kind;
static long ready, total, got[THREADS], aim; /* [the lock] */

static void *taker(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	bool over, counted = false;

	do {
		kind->take();
		if (!counted) {
			ready++;
			counted = true;
		}
		/* from when all are here to the end of the count */
		if (ready == THREADS && total < aim) {
			total++;
			got[(uintptr_t)arg]++;
		}
		over = total == aim;
		if (torture_below(&rnd, 32) == 0)
			sched_yield();
		kind->give();
	} while (!over);
	return NULL;
}

static bool fair(void)
{
	pthread_t t[THREADS];
	long least, most = 0;

	/* with more CPUs than cores each hand-over waits for the host */
	least = aim = torture.ops ? (long)torture.ops : check_cpus() > 2 && ROUNDS > 1 ? TOTAL / 50 : TOTAL;
	ready = total = 0;
	memset(got, 0, sizeof(got));
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(taker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (int i = 0; i < THREADS; i++) {
		least = got[i] < least ? got[i] : least;
		most = got[i] > most ? got[i] : most;
	}
	printf("%s: of %ld acquisitions by %d threads %ld to %ld each\n", kind->name, aim, THREADS, least, most);
	return least >= aim / THREADS / 2 && most <= aim / THREADS * 2;
}

int main(int argc, char **argv)
{
	torture_begin(argc, argv, 0);
	uk_semaphore_init(&semaphore, 1);
	for (kind = kinds; kind < kinds + sizeof(kinds) / sizeof(kinds[0]); kind++) {
		int good = 0, rounds = 0;

		for (; good < GOOD && rounds < ROUNDS; rounds++)
			good += fair();
		if (good < GOOD && (ROUNDS == 1 || check_cpus() <= 2))
			torture_fail("%s: fair in %d of %d rounds", kind->name, good, rounds);
	}
	return 0;
}
