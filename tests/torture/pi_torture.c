// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 sched=preempt timeout=120
/*
 * PI locks: threads take one to three of a few locks in any order, waiting, with a time limit, or trying; are hit by signals; find
 * deadlocks and back out of them; and end with locks held, waited for or not.
 *
 * Invariants: the word names who is inside, and nobody else is; a counter under each lock loses nothing; EDEADLK comes
 * only to a thread that holds a lock, or wants its own; an owner's death is told by OWNER_DIED to whoever waited, by ESRCH to whoever comes
 * later, and only after a thread has died with the lock; no waiter is left: all threads can be joined.
 */
#include <signal.h>

#include "../guest/futex.h"
#include "torture.h"

enum { LOCKS = 4, THREADS = 6, NEST = 3 };

static struct {
	_Alignas(64) _Atomic uint32_t word;
	long counter;		   /* under the lock */
	uint32_t inside;	   /* tid, under the lock */
	_Atomic long wanted;	   /* what counter should be */
	_Atomic long deaths;	   /* of owners */
	_Atomic long inheritances; /* how often that was found out */
} locks[LOCKS];
static _Atomic long deadlocks, timeouts, died;
static _Atomic uint32_t tids[THREADS];
static _Atomic bool over[THREADS];
static unsigned rounds_of[THREADS];

static void on_signal(int n)
{
	(void)n;
}

/* True: taken. `holds`: the caller has another lock. */
static bool take(unsigned i, bool holds, uint64_t *rnd)
{
	_Atomic uint32_t *word = &locks[i].word;
	uint32_t free = 0, me = futex_tid(), now;
	struct timespec at;
	long r;

	switch (torture_below(rnd, 5)) {
	case 0:
		r = futex(word, FUTEX_TRYLOCK_PI | FUTEX_PRIVATE, 0, NULL, NULL, 0);
		break;
	case 1:
		at = check_after(CLOCK_REALTIME, (int64_t)torture_below(rnd, 200000));
		r = futex_lock_pi(word, &at);
		break;
	case 2:
		at = check_after(CLOCK_MONOTONIC, (int64_t)torture_below(rnd, 200000));
		r = futex(word, FUTEX_LOCK_PI2 | FUTEX_PRIVATE, 0, &at, NULL, 0);
		break;
	default:
		r = atomic_compare_exchange_strong(word, &free, me) ? 0 : futex_lock_pi(word, NULL);
	}
	switch (r) {
	case 0:
		break;
	case -ETIMEDOUT:
		atomic_fetch_add(&timeouts, 1);
		return false;
	case -EAGAIN:
		return false;
	case -EDEADLK:
		TORTURE_CHECK(holds);
		atomic_fetch_add(&deadlocks, 1);
		return false;
	case -ESRCH:
		/* Its owner is dead and nobody waited: free it, if it is still that one's. */
		now = atomic_load(word);
		if ((now & FUTEX_TID_MASK) && syscall(SYS_tgkill, 1, now & FUTEX_TID_MASK, 0) && errno == ESRCH &&
		    atomic_compare_exchange_strong(word, &now, 0))
			atomic_fetch_add(&locks[i].inheritances, 1);
		return false;
	default:
		torture_fail("lock %u: %ld", i, r);
	}
	now = atomic_load(word);
	TORTURE_CHECK((now & FUTEX_TID_MASK) == me);
	if (now & FUTEX_OWNER_DIED) {
		atomic_fetch_add(&locks[i].inheritances, 1);
		atomic_fetch_and(word, ~FUTEX_OWNER_DIED);
	}
	TORTURE_CHECK(locks[i].inside == 0);
	locks[i].inside = me;
	locks[i].counter++;
	atomic_fetch_add(&locks[i].wanted, 1);
	return true;
}

static void give(unsigned i)
{
	TORTURE_CHECK(locks[i].inside == futex_tid());
	locks[i].inside = 0;
	TORTURE_CHECK(pi_unlock(&locks[i].word) == 0);
}

/* Runs until the operations are used up, or dies before with what it has. */
static void *fighter(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg % THREADS, mine = 0;
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);

	atomic_store(&tids[id], futex_tid());
	while (torture_more(&mine)) {
		unsigned have[NEST], n = 0, want = 1 + torture_below(&rnd, NEST);

		for (unsigned k = 0; k < want; k++) {
			unsigned i = torture_below(&rnd, LOCKS);

			if (take(i, n > 0, &rnd))
				have[n++] = i;
			else if (n && torture_below(&rnd, 2))
				break;
			if (torture_below(&rnd, 16) == 0)
				sched_yield();
		}
		if (n && torture_below(&rnd, 64) == 0) {
			for (unsigned k = 0; k < n; k++) {
				locks[have[k]].inside = 0;
				atomic_fetch_add(&locks[have[k]].deaths, 1);
			}
			atomic_fetch_add(&died, 1);
			return NULL;
		}
		while (n)
			give(have[--n]);
		if (torture_below(&rnd, 16) == 0) {
			uint32_t tid = atomic_load(&tids[torture_below(&rnd, THREADS)]);

			if (tid)
				syscall(SYS_tgkill, 1, tid, SIGUSR1); /* it may be gone */
		}
	}
	atomic_store(&over[id], true);
	return NULL;
}

/* One thread after the other in this place, each with a random stream of its own. */
static void *place(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&over[id]))
		check_join(check_spawn(fighter, (void *)(uintptr_t)(id + THREADS * rounds_of[id]++)));
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	pthread_t t[THREADS];

	torture_begin(argc, argv, 8000);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(place, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (int i = 0; i < LOCKS; i++) {
		uint32_t now = atomic_load(&locks[i].word);
		long left = (now & FUTEX_TID_MASK) != 0; /* its last owner died and nobody came after */

		if (now & FUTEX_TID_MASK)
			TORTURE_CHECK(futex_lock_pi(&locks[i].word, NULL) == -ESRCH);
		TORTURE_CHECK(locks[i].counter == atomic_load(&locks[i].wanted));
		if (atomic_load(&locks[i].deaths) != atomic_load(&locks[i].inheritances) + left)
			torture_fail("lock %d: %ld deaths, %ld found out, %ld left", i, atomic_load(&locks[i].deaths),
				     atomic_load(&locks[i].inheritances), left);
	}
	printf("deadlocks %ld, time-outs %ld, died %ld\n", atomic_load(&deadlocks), atomic_load(&timeouts),
	       atomic_load(&died));
	return torture_end();
}
