// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 sched=preempt timeout=120
/*
 * Threads that end while they hold robust locks: mutexes of libc of every type, private and shared, with and without
 * priority inheritance; and words of the program's own in a robust list that the kernel walks.
 *
 * Under each lock stands `broken`: an owner about to die sets it. Invariants: one owner at a time; who gets a lock with EOWNERDEAD
 * finds `broken` set, who gets it without does not; deaths with a lock and EOWNERDEAD of it are equally many in the end; no
 * waiter sleeps for ever.
 */
#include <stddef.h>

#include "../guest/futex.h"
#include "torture.h"

enum { MUTEXES = 12, WORDS = 4, LOCKS = MUTEXES + WORDS, THREADS = 6, NEST = 3 };

struct entry {
	struct entry *next;
	_Atomic uint32_t word;
};

struct head {
	struct entry *first;
	long offset;
	struct entry *pending;
};

static struct {
	_Alignas(64) pthread_mutex_t mutex;
	struct entry entry;
	bool robust_by_kernel;
	bool recursive;
	bool broken; /* under the lock */
	_Atomic uint32_t inside;
	_Atomic long deaths, told;
} locks[LOCKS];
static _Atomic long died;
static _Atomic bool over[THREADS];
static struct head heads[THREADS];
static unsigned rounds_of[THREADS];

/* The kernel's list of this thread; entries of locks it does not hold are not in it. */
static int word_lock(struct entry *e, struct head *h)
{
	uint32_t me = futex_tid();
	int r = 0;

	h->pending = e;
	for (;;) {
		uint32_t now = 0;

		if (atomic_compare_exchange_strong(&e->word, &now, me))
			break;
		if (!(now & FUTEX_TID_MASK)) {
			/* given back or left behind, with waiters that have to be kept */
			if (!atomic_compare_exchange_strong(&e->word, &now, me | (now & FUTEX_WAITERS)))
				continue;
			r = now & FUTEX_OWNER_DIED ? EOWNERDEAD : 0;
			break;
		}
		if (!(now & FUTEX_WAITERS) && !atomic_compare_exchange_strong(&e->word, &now, now | FUTEX_WAITERS))
			continue;
		futex_wait(&e->word, now | FUTEX_WAITERS);
		me |= FUTEX_WAITERS; /* who slept does not know whether others still do */
	}
	e->next = h->first;
	h->first = e;
	h->pending = NULL;
	return r;
}

/* The last one taken. */
static void word_unlock(struct entry *e, struct head *h)
{
	h->pending = e;
	TORTURE_CHECK(h->first == e);
	h->first = e->next;
	if (atomic_exchange(&e->word, 0) & FUTEX_WAITERS)
		futex_wake(&e->word, 1);
	h->pending = NULL;
}

static int lock(unsigned i, struct head *h, uint64_t *rnd)
{
	struct timespec at;

	if (locks[i].robust_by_kernel)
		return word_lock(&locks[i].entry, h);
	switch (torture_below(rnd, 4)) {
	case 0:
		return pthread_mutex_trylock(&locks[i].mutex);
	case 1:
		at = check_after(CLOCK_REALTIME, (int64_t)torture_below(rnd, 200000));
		return pthread_mutex_timedlock(&locks[i].mutex, &at);
	}
	return pthread_mutex_lock(&locks[i].mutex);
}

static void unlock(unsigned i, struct head *h)
{
	TORTURE_CHECK(!locks[i].broken);
	atomic_store(&locks[i].inside, 0);
	if (locks[i].robust_by_kernel)
		word_unlock(&locks[i].entry, h);
	else
		CHECK_OK(pthread_mutex_unlock(&locks[i].mutex));
}

static bool take(unsigned i, struct head *h, uint64_t *rnd)
{
	int r = lock(i, h, rnd);

	if (r == EBUSY || r == ETIMEDOUT)
		return false;
	TORTURE_CHECK(atomic_exchange(&locks[i].inside, futex_tid()) == 0);
	if (r == EOWNERDEAD) {
		TORTURE_CHECK(locks[i].broken);
		locks[i].broken = false;
		atomic_fetch_add(&locks[i].told, 1);
		if (!locks[i].robust_by_kernel)
			CHECK_OK(pthread_mutex_consistent(&locks[i].mutex));
	} else {
		if (r)
			torture_fail("lock %u: error %d", i, r);
		TORTURE_CHECK(!locks[i].broken);
	}
	return true;
}

static void *owner(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg % THREADS, mine = 0;
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	struct head *h = &heads[id];
	bool kernel = torture_below(&rnd, 2); /* one list for a thread: libc's or ours */

	if (kernel) {
		*h = (struct head){ .first = (struct entry *)h, .offset = offsetof(struct entry, word) };
		CHECK_EQ(syscall(SYS_set_robust_list, h, sizeof(*h)), 0);
	}
	while (torture_more(&mine)) {
		unsigned have[NEST], n = 0, from = kernel ? MUTEXES : 0, to = kernel ? LOCKS : MUTEXES;

		/* In the order of their numbers: no deadlock. */
		for (unsigned i = from; i < to && n < NEST; i++)
			if (torture_below(&rnd, to - from) < 2 && take(i, h, &rnd))
				have[n++] = i;
		if (torture_below(&rnd, 8) == 0)
			sched_yield();
		if (n && torture_below(&rnd, 24) == 0) {
			atomic_fetch_add(&died, 1);
			for (unsigned k = 0; k < n; k++) {
				atomic_fetch_add(&locks[have[k]].deaths, 1);
				locks[have[k]].broken = true;
				atomic_store(&locks[have[k]].inside, 0);
				if (locks[have[k]].recursive)
					CHECK_OK(pthread_mutex_lock(&locks[have[k]].mutex));
			}
			return NULL;
		}
		while (n)
			unlock(have[--n], h);
	}
	atomic_store(&over[id], true);
	return NULL;
}

static void *place(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&over[id]))
		check_join(check_spawn(owner, (void *)(uintptr_t)(id + THREADS * rounds_of[id]++)));
	return NULL;
}

int main(int argc, char **argv)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };
	struct head mine = { .first = (struct entry *)&mine, .offset = offsetof(struct entry, word) };
	uint64_t rnd;
	pthread_t t[THREADS];

	torture_begin(argc, argv, 8000);
	rnd = torture_stream(1u << 20);
	for (int i = 0; i < LOCKS; i++) {
		pthread_mutexattr_t attr;

		locks[i].robust_by_kernel = i >= MUTEXES;
		if (i >= MUTEXES)
			continue;
		locks[i].recursive = types[i % 3] == PTHREAD_MUTEX_RECURSIVE;
		CHECK_OK(pthread_mutexattr_init(&attr));
		CHECK_OK(pthread_mutexattr_settype(&attr, types[i % 3]));
		CHECK_OK(pthread_mutexattr_setpshared(&attr,
						      i / 3 % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
		CHECK_OK(pthread_mutexattr_setprotocol(&attr, i / 6 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE));
		CHECK_OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
		CHECK_OK(pthread_mutex_init(&locks[i].mutex, &attr));
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(place, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (unsigned i = 0; i < LOCKS; i++) {
		while (!take(i, &mine, &rnd))
			;
		unlock(i, &mine);
		if (atomic_load(&locks[i].deaths) != atomic_load(&locks[i].told))
			torture_fail("lock %u: %ld deaths, %ld told", i, atomic_load(&locks[i].deaths),
				     atomic_load(&locks[i].told));
	}
	printf("died %ld\n", atomic_load(&died));
	return torture_end();
}
