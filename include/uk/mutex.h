/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mutex that sleeps. Interface of Unikraft 0.17 (uk/mutex.h); what was missing there: it locks on every CPU, and an unlock wakes one waiter
 * instead of all. tutti_ names are additions.
 *
 * Owned by a thread and released by it. Uncontended: one atomic instruction to lock, one to unlock. Contended: spins for a moment
 * while the owner runs on another CPU, then sleeps in a first-in-first-out queue. A free mutex may be taken by whoever comes first, which
 * keeps it busy; but only a bounded number of times while others wait: then the unlock hands it to the one that waits longest
 * (sched/mutex.c). Lock is an acquire, unlock a release operation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/util.h"
#include "uk/arch/types.h"
#include "uk/spinlock.h"
#include "uk/wait.h"

#define UK_MUTEX_CONFIG_RECURSE 0x01u /* the owner may lock it again; as many unlocks */

/* In `word`, beside the owner's address. */
#define MUTEX_WAITERS	1ul /* somebody is in `waiters` */
#define MUTEX_RECURSIVE 2ul /* set for good: no fast path */
#define MUTEX_BITS	7ul

struct LOCKABLE("mutex") uk_mutex {
	uintptr_t word;		 /* [a] owner's address, or 0, and bits */
	struct uk_spinlock lock; /* [I] guards the queue; not irq-safe */
	uint32_t depth;		 /* [owner] how often it has locked it again */
	struct list waiters;	 /* [lock] struct mutex_waiter, oldest first */
	struct lock_map map;
};

struct uk_mutex_metrics {
	size_t active_locked, active_unlocked; /* mutexes of uk_mutex_init(_config) that are locked or not */
	size_t total_locks;		       /* by uk_mutex_lock() */
	size_t total_ok_trylocks, total_failed_trylocks;
	size_t total_unlocks;
};

LOCK_CLASS_EXTERN(tutti_mutex_queue_class);
#define UK_MUTEX_INITIALIZER(name)                                                                     \
	{                                                                                              \
		.lock = SPINLOCK_INIT(&tutti_mutex_queue_class), .waiters = LIST_INIT((name).waiters), \
	}
#define UK_MUTEX_INITIALIZER_RECURSIVE(name)                                   \
	{                                                                      \
		.word = MUTEX_RECURSIVE, .waiters = LIST_INIT((name).waiters), \
		.lock = SPINLOCK_INIT(&tutti_mutex_queue_class),               \
	}
/* With a class of its own (sync/lock_hooks.h), for tutti's mutexes. */
#define MUTEX_INIT(name, cls)                                                                          \
	{                                                                                              \
		.lock = SPINLOCK_INIT(&tutti_mutex_queue_class), .waiters = LIST_INIT((name).waiters), \
		.map = LOCK_MAP_INIT((cls)),                                                           \
	}
#define mutex_init_class(m, cls)                     \
	do {                                         \
		struct uk_mutex *mutex_m_ = (m);     \
		uk_mutex_init(mutex_m_);             \
		lock_map_set(&mutex_m_->map, (cls)); \
	} while (0)

/* Hooks, assertions and metrics are out of line, on the kernel stack. */
#if defined(__TUTTI_LOCK_HOOKS__) || defined(__TUTTI_LOCK_CALLS__)
#define MUTEX_INLINE 0
#else
#define MUTEX_INLINE 1
#endif

/* The halves that are not inline; not for others. */
void tutti_mutex_lock_slow_(struct uk_mutex *m) ACQUIRES(m);
int tutti_mutex_trylock_slow_(struct uk_mutex *m) TRY_ACQUIRES(1, m);
void tutti_mutex_unlock_slow_(struct uk_mutex *m) RELEASES(m);

/**
 * Makes `m` free. Flags: UK_MUTEX_CONFIG_RECURSE or 0; uk_mutex_init(m) is without flags.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `m`, which must outlive the last unlock call
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
void uk_mutex_init_config(struct uk_mutex *m, unsigned int flags);
#define uk_mutex_init(m) uk_mutex_init_config((m), 0)

/**
 * Was it made with UK_MUTEX_CONFIG_RECURSE? Nonzero: yes.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
static inline int uk_mutex_is_recursive(const struct uk_mutex *m)
{
	return (__atomic_load_n(&m->word, __ATOMIC_RELAXED) & MUTEX_RECURSIVE) != 0;
}

/**
 * Nonzero: somebody holds it at this moment.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
static inline int uk_mutex_is_locked(struct uk_mutex *m)
{
	return (__atomic_load_n(&m->word, __ATOMIC_RELAXED) & ~MUTEX_BITS) != 0;
}

/**
 * Does the calling thread hold it?
 * Context: thread
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline bool tutti_mutex_is_held(const struct uk_mutex *m)
{
	return (__atomic_load_n(&m->word, __ATOMIC_RELAXED) & ~MUTEX_BITS) == (uintptr_t)current_thread();
}

/**
 * Debug builds end the machine with a report unless the calling thread holds it.
 * Context: thread
 * Locks: `m` held
 * Ownership: none
 * Errors: none
 */
void tutti_mutex_assert_held(const struct uk_mutex *m) ASSERTS_HELD(m);

/* 0, no flag set: free. `owner` may not yet hold it. The fast path of all that lock. */
static inline bool mutex_take_free(struct uk_mutex *m)
{
	uintptr_t free = 0;

	/* acquire: pairs with the release of whoever made it free */
	return __atomic_compare_exchange_n(&m->word, &free, (uintptr_t)current_thread(), false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline void uk_mutex_lock(struct uk_mutex *m) ACQUIRES(m);
static inline int uk_mutex_trylock(struct uk_mutex *m) TRY_ACQUIRES(1, m);
static inline void uk_mutex_unlock(struct uk_mutex *m) RELEASES(m);

/**
 * Locks, waiting as long as it takes.
 * Context: thread, may sleep; no spin lock held
 * Locks: `m` not held, unless it is recursive; held on return
 * Ownership: caller keeps `m`
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
LOCKS_UNCHECKED static inline void uk_mutex_lock(struct uk_mutex *m)
{
	if (!MUTEX_INLINE || unlikely(!mutex_take_free(m)))
		tutti_mutex_lock_slow_(m);
}

/**
 * Locks if that needs no waiting. 1: the caller holds it now; 0: not.
 * Context: thread; does not sleep
 * Locks: `m` held on return if 1
 * Ownership: caller keeps `m`
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
LOCKS_UNCHECKED static inline int uk_mutex_trylock(struct uk_mutex *m)
{
	if (MUTEX_INLINE && likely(mutex_take_free(m)))
		return 1;
	return tutti_mutex_trylock_slow_(m);
}

/**
 * Locks unless the deadline passes before (ns, monotonic clock).
 * Context: thread, may sleep; no spin lock held
 * Locks: `m` not held, unless it is recursive; held on return if 0
 * Ownership: caller keeps `m`
 * Errors: -ETIMEDOUT
 */
int tutti_mutex_lock_until(struct uk_mutex *m, __nsec deadline) TRY_ACQUIRES(0, m);

/**
 * Unlocks; wakes the one that waits longest, if anybody does.
 * Context: thread; does not sleep
 * Locks: `m` held by the calling thread
 * Ownership: caller keeps `m` until this returns
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
LOCKS_UNCHECKED static inline void uk_mutex_unlock(struct uk_mutex *m)
{
	uintptr_t mine = (uintptr_t)current_thread();

	/* release: pairs with the acquire of the next owner */
	if (!MUTEX_INLINE ||
	    unlikely(!__atomic_compare_exchange_n(&m->word, &mine, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
		tutti_mutex_unlock_slow_(m);
}

/**
 * Counts since boot of all mutexes, in builds with the option MUTEX_METRICS; zeros in others.
 * Context: any
 * Locks: none; the numbers are read one after the other
 * Ownership: fills `dst`
 * Errors: none
 * Source: Unikraft 0.17 uk/mutex.h
 */
void uk_mutex_get_metrics(struct uk_mutex_metrics *dst);

/**
 * uk_waitq_wait_event(_deadline)_locked() with a mutex.
 * Context: thread, may sleep
 * Locks: `mutex` held on entry and on return
 * Ownership: caller keeps both
 * Errors: none; the deadline form: 1 = timed out
 * Source: Unikraft 0.17 uk/mutex.h
 */
#define uk_waitq_wait_event_mutex(wq, condition, mutex) \
	uk_waitq_wait_event_locked(wq, condition, uk_mutex_lock, uk_mutex_unlock, mutex)
#define uk_waitq_wait_event_deadline_mutex(wq, condition, deadline, mutex) \
	uk_waitq_wait_event_deadline_locked(wq, condition, deadline, uk_mutex_lock, uk_mutex_unlock, mutex)
