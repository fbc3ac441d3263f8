/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers-writer lock that sleeps. Interface of Unikraft 0.17 (uk/rwlock.h), for every CPU; tutti_ names are additions.
 *
 * Neither side starves: a reader that comes while a writer waits waits behind it, and a writer that leaves lets in all readers that wait
 * by then; writers go in order of arrival. One atomic instruction to lock and one to unlock as a reader, while no writer is
 * there. Not upgradable, and not recursive: a reader that locks again may wait for a writer that waits for it. The writer may lock again
 * with UK_RWLOCK_CONFIG_WRITE_RECURSE. Lock is an acquire, unlock a release operation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/util.h"
#include "uk/arch/types.h"
#include "uk/spinlock.h"

#define UK_RWLOCK_CONFIG_WRITE_RECURSE 0x01u

/* In `word`: readers inside, and bits. */
#define RWLOCK_WRITER  1ul
#define RWLOCK_WAITERS 2ul /* somebody is in `waiters` */
#define RWLOCK_READER  4ul

struct uk_thread;

struct LOCKABLE("rwlock") uk_rwlock {
	uintptr_t word;		 /* [a] */
	struct uk_spinlock lock; /* [I] guards the queue; not irq-safe */
	uint32_t config_flags;	 /* [I] UK_RWLOCK_CONFIG_* */
	struct list waiters;	 /* [lock] struct waiter, oldest first */
	struct uk_thread *owner; /* [a] the writer inside; written by it */
	uint32_t depth;		 /* [owner] how often it has locked it again */
	struct lock_map map;
};

LOCK_CLASS_EXTERN(tutti_rwlock_queue_class);
#define UK_RWLOCK_INITIALIZER(name, flags)                                                 \
	{                                                                                  \
		.lock = SPINLOCK_INIT(&tutti_rwlock_queue_class), .config_flags = (flags), \
		.waiters = LIST_INIT((name).waiters),                                      \
	}
/* With a class of its own (sync/lock_hooks.h), for tutti's locks. */
#define RWLOCK_INIT(name, cls)                                                                          \
	{                                                                                               \
		.lock = SPINLOCK_INIT(&tutti_rwlock_queue_class), .waiters = LIST_INIT((name).waiters), \
		.map = LOCK_MAP_INIT((cls)),                                                            \
	}
#define rwlock_init_class(l, cls)                     \
	do {                                          \
		struct uk_rwlock *rwlock_l_ = (l);    \
		uk_rwlock_init(rwlock_l_);            \
		lock_map_set(&rwlock_l_->map, (cls)); \
	} while (0)

#if defined(__TUTTI_LOCK_HOOKS__) || defined(__TUTTI_LOCK_CALLS__)
#define RWLOCK_INLINE 0
#else
#define RWLOCK_INLINE 1
#endif

/* The halves that are not inline; not for others. */
void tutti_rwlock_rlock_slow_(struct uk_rwlock *rwl) ACQUIRES_SHARED(rwl);
int tutti_rwlock_try_rlock_slow_(struct uk_rwlock *rwl) TRY_ACQUIRES_SHARED(1, rwl);
void tutti_rwlock_runlock_slow_(struct uk_rwlock *rwl) RELEASES_SHARED(rwl);
void tutti_rwlock_runlock_last_(struct uk_rwlock *rwl);

/**
 * Makes `rwl` free. Flags: UK_RWLOCK_CONFIG_WRITE_RECURSE or 0; uk_rwlock_init(rwl) is without flags.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `rwl`, which must outlive the last unlock call
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
void uk_rwlock_init_config(struct uk_rwlock *rwl, unsigned int config_flags);
#define uk_rwlock_init(rwl) uk_rwlock_init_config((rwl), 0)

/**
 * Was it made with UK_RWLOCK_CONFIG_WRITE_RECURSE? Nonzero: yes.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
static inline int uk_rwlock_is_write_recursive(const struct uk_rwlock *rwl)
{
	return (rwl->config_flags & UK_RWLOCK_CONFIG_WRITE_RECURSE) != 0;
}

/**
 * Is the calling thread the writer inside?
 * Context: thread
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline bool tutti_rwlock_is_wheld(const struct uk_rwlock *rwl)
{
	return __atomic_load_n(&rwl->owner, __ATOMIC_RELAXED) == current_thread();
}

/**
 * Is somebody inside, reader or writer? Exact for one who is inside.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline bool tutti_rwlock_is_locked(const struct uk_rwlock *rwl)
{
	return (__atomic_load_n(&rwl->word, __ATOMIC_RELAXED) & ~RWLOCK_WAITERS) != 0;
}

/**
 * Debug builds end the machine with a report unless the calling thread is the writer inside, or unless there is somebody inside
 * (readers are not recorded by name).
 * Context: thread
 * Locks: `rwl` held
 * Ownership: none
 * Errors: none
 */
void tutti_rwlock_assert_wheld(const struct uk_rwlock *rwl) ASSERTS_HELD(rwl);
void tutti_rwlock_assert_rheld(const struct uk_rwlock *rwl) ASSERTS_HELD_SHARED(rwl);

/* The fast path of all readers. */
static inline bool rwlock_read_enter(struct uk_rwlock *rwl)
{
	uintptr_t w = __atomic_load_n(&rwl->word, __ATOMIC_RELAXED);

	while (likely(!(w & (RWLOCK_WRITER | RWLOCK_WAITERS))))
		/* acquire: pairs with the release of the writer that left */
		if (likely(__atomic_compare_exchange_n(&rwl->word, &w, w + RWLOCK_READER, true, __ATOMIC_ACQUIRE,
						       __ATOMIC_RELAXED)))
			return true;
	return false;
}

static inline void uk_rwlock_rlock(struct uk_rwlock *rwl) ACQUIRES_SHARED(rwl);
static inline void uk_rwlock_runlock(struct uk_rwlock *rwl) RELEASES_SHARED(rwl);
static inline int tutti_rwlock_try_rlock(struct uk_rwlock *rwl) TRY_ACQUIRES_SHARED(1, rwl);

/**
 * Locks as a reader, waiting as long as it takes.
 * Context: thread, may sleep; no spin lock held
 * Locks: `rwl` not held by the thread in any way; held as a reader on return
 * Ownership: caller keeps `rwl`
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
LOCKS_UNCHECKED static inline void uk_rwlock_rlock(struct uk_rwlock *rwl)
{
	if (!RWLOCK_INLINE || unlikely(!rwlock_read_enter(rwl)))
		tutti_rwlock_rlock_slow_(rwl);
}

/**
 * Locks as a reader if that needs no waiting. 1: the caller is a reader now; 0: not.
 * Context: thread; does not sleep
 * Locks: `rwl` held as a reader on return if 1
 * Ownership: caller keeps `rwl`
 * Errors: none
 */
LOCKS_UNCHECKED static inline int tutti_rwlock_try_rlock(struct uk_rwlock *rwl)
{
	return RWLOCK_INLINE ? rwlock_read_enter(rwl) : tutti_rwlock_try_rlock_slow_(rwl);
}

/**
 * Unlocks as a reader; the last one lets in a writer that waits.
 * Context: thread; does not sleep
 * Locks: `rwl` held as a reader
 * Ownership: caller keeps `rwl` until this returns
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
LOCKS_UNCHECKED static inline void uk_rwlock_runlock(struct uk_rwlock *rwl)
{
	uintptr_t w;

	if (!RWLOCK_INLINE) {
		tutti_rwlock_runlock_slow_(rwl);
		return;
	}
	/* release: pairs with the acquire of the next writer */
	w = __atomic_sub_fetch(&rwl->word, RWLOCK_READER, __ATOMIC_RELEASE);
	if (unlikely(w == RWLOCK_WAITERS))
		tutti_rwlock_runlock_last_(rwl);
}

/**
 * Locks as the writer, waiting as long as it takes.
 * Context: thread, may sleep; no spin lock held
 * Locks: `rwl` not held by the thread, unless it is the writer and the lock was made for that; held as the writer on return
 * Ownership: caller keeps `rwl`
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
void uk_rwlock_wlock(struct uk_rwlock *rwl) ACQUIRES(rwl);

/**
 * Locks as the writer if that needs no waiting. 1: the caller is the writer now; 0: not.
 * Context: thread; does not sleep
 * Locks: `rwl` held as the writer on return if 1
 * Ownership: caller keeps `rwl`
 * Errors: none
 */
int tutti_rwlock_try_wlock(struct uk_rwlock *rwl) TRY_ACQUIRES(1, rwl);

/**
 * Locks as a reader, or as the writer, unless the deadline passes before (ns, monotonic clock).
 * Context: thread, may sleep; no spin lock held
 * Locks: held on return if 0
 * Ownership: caller keeps `rwl`
 * Errors: -ETIMEDOUT
 */
int tutti_rwlock_rlock_until(struct uk_rwlock *rwl, __nsec deadline) TRY_ACQUIRES_SHARED(0, rwl);
int tutti_rwlock_wlock_until(struct uk_rwlock *rwl, __nsec deadline) TRY_ACQUIRES(0, rwl);

/**
 * Unlocks as the writer; lets in all readers that wait, or else the writer that waits longest.
 * Context: thread; does not sleep
 * Locks: `rwl` held as the writer by the calling thread
 * Ownership: caller keeps `rwl` until this returns
 * Errors: none
 * Source: Unikraft 0.17 uk/rwlock.h
 */
void uk_rwlock_wunlock(struct uk_rwlock *rwl) RELEASES(rwl);

/**
 * The writer becomes a reader, without anybody in between; readers that wait are let in. Not from inside a recursive section.
 * Context: thread; does not sleep
 * Locks: `rwl` held as the writer on entry, as a reader on return
 * Ownership: caller keeps `rwl`
 * Errors: none
 */
void tutti_rwlock_downgrade(struct uk_rwlock *rwl) RELEASES(rwl) ACQUIRES_SHARED(rwl);
