/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spin locks, queued and fair (sync/spinlock.c). Interface as in Unikraft 0.17 (uk/spinlock.h), with what was missing there: it
 * locks on every CPU.
 *
 * For all of them: holding one turns preemption off; the holder must not sleep, allocate from a uk_alloc or touch memory whose
 * fault may sleep. A lock that an interrupt handler takes is taken with an _irq or _irqsave form everywhere else. Not recursive.
 * Lock is an acquire, unlock a release operation. The debug build's validator follows every one of them (sync/lock_hooks.h).
 */
#pragma once

#include <arch/irqflags.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/capability.h"
#include "sync/lock_hooks.h"
#include "sync/percpu.h"

struct LOCKABLE("spin lock") uk_spinlock {
	uint32_t
		word; /* [a] bits 0-7: 1 if held; 16-31: last node of the queue, 0 if there is none. 0: free, nobody waits */
	struct lock_map map; /* [I] of no size without lock hooks */
};
typedef struct uk_spinlock uk_spinlock;

#ifndef __TUTTI_LOCK_HOOKS__
_Static_assert(sizeof(struct uk_spinlock) == 4, "a word, as in Unikraft");
#endif

#define UK_SPINLOCK_INITIALIZER() \
	{                         \
		.word = 0         \
	}
/* With a class of its own (sync/lock_hooks.h), for tutti's locks. */
#define SPINLOCK_INIT(cls)                              \
	{                                               \
		.word = 0, .map = LOCK_MAP_INIT((cls)), \
	}
#define spin_init_class(l, cls)                     \
	do {                                        \
		struct uk_spinlock *spin_l_ = (l);  \
		spin_init_word(spin_l_);            \
		lock_map_set(&spin_l_->map, (cls)); \
	} while (0)

static inline void spin_init_word(struct uk_spinlock *l)
{
	__atomic_store_n(&l->word, 0, __ATOMIC_RELAXED);
}

/**
 * Make `l` a free lock; with lock hooks, each place in the source that initialises locks gives them a class.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `l`, which must outlive its last use
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
#ifdef __TUTTI_LOCK_HOOKS__
#define uk_spin_init(l)                                                                                  \
	do {                                                                                             \
		static struct lock_class spin_class_ = { .name = #l, .protects = "what its user says" }; \
                                                                                                         \
		spin_init_class((l), &spin_class_);                                                      \
	} while (0)
#else
static inline void uk_spin_init(struct uk_spinlock *l)
{
	spin_init_word(l);
}
#endif

/**
 * Does somebody hold `l` at this moment? A hint, unless the caller holds it.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline bool uk_spin_is_locked(const struct uk_spinlock *l)
{
	return (__atomic_load_n(&l->word, __ATOMIC_RELAXED) & 0xff) != 0;
}

/* Waits and takes the lock: the contended half of uk_spin_lock(). */
void uk_spin_lock_slow(struct uk_spinlock *l);
/* Ends the run: a debug build found that the caller does not hold `l`. */
void uk_spin_assert_slow(const struct uk_spinlock *l) __attribute__((noreturn));

/**
 * A function that wants `l` held by its caller begins with this; checked in builds with the lock validator.
 * Context: any
 * Locks: `l` is held
 * Ownership: none
 * Errors: none; the run ends with a crash report if it is not held
 */
static inline void uk_spin_assert_held(const struct uk_spinlock *l) ASSERTS_HELD(l);
LOCKS_UNCHECKED static inline void uk_spin_assert_held(const struct uk_spinlock *l)
{
#ifdef __TUTTI_LOCK_HOOKS__
	if (!uk_spin_is_locked(l) || !lock_hook_is_held(&l->map, l))
		uk_spin_assert_slow(l);
#else
	(void)l;
#endif
}

/* The steps that the forms below have in common. */
static inline bool spin_try_word(struct uk_spinlock *l)
{
	uint32_t free = 0;

	/* pairs with the release in spin_unlock_word() */
	return __atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void spin_unlock_word(struct uk_spinlock *l)
{
	lock_hook_release(&l->map, l);
	/* The first byte alone, so that the queue stays; pairs with the acquires in spin_try_word() and sync/spinlock.c. */
	__atomic_store_n((uint8_t *)&l->word, 0, __ATOMIC_RELEASE);
}

/**
 * Take `l`, waiting for it by turns; preemption is off from here to the unlock.
 * Context: any; in an interrupt only for locks that are taken with interrupts off everywhere
 * Locks: takes `l`
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline void uk_spin_lock(struct uk_spinlock *l) ACQUIRES(l);
LOCKS_UNCHECKED static inline void uk_spin_lock(struct uk_spinlock *l)
{
	preempt_disable();
	lock_hook_acquire(&l->map, l, 0);
	if (__builtin_expect(!spin_try_word(l), 0))
		uk_spin_lock_slow(l);
	lock_hook_acquired(&l->map, l, 0);
}

/**
 * Take `l` if that is possible without waiting. Nonzero: the caller holds it now; 0: somebody holds it or waits for it, and
 * preemption is as before.
 * Context: any; in an interrupt only for locks that are taken with interrupts off everywhere
 * Locks: takes `l` if it returns nonzero
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline int uk_spin_trylock(struct uk_spinlock *l) TRY_ACQUIRES(1, l);
LOCKS_UNCHECKED static inline int uk_spin_trylock(struct uk_spinlock *l)
{
	preempt_disable();
	if (__builtin_expect(!__atomic_load_n(&l->word, __ATOMIC_RELAXED) && spin_try_word(l), 1)) {
		lock_hook_acquired(&l->map, l, LOCK_TRY);
		return 1;
	}
	preempt_enable();
	return 0;
}

/**
 * Give `l` back; a switch that was wanted meanwhile takes place.
 * Context: any, as it was taken
 * Locks: `l` is held, and is not afterwards
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline void uk_spin_unlock(struct uk_spinlock *l) RELEASES(l);
LOCKS_UNCHECKED static inline void uk_spin_unlock(struct uk_spinlock *l)
{
	spin_unlock_word(l);
	preempt_enable();
}

/* Without the switch, for tutti's code that is about to switch or must not. */
static inline void spin_unlock_no_resched(struct uk_spinlock *l) RELEASES(l);
LOCKS_UNCHECKED static inline void spin_unlock_no_resched(struct uk_spinlock *l)
{
	spin_unlock_word(l);
	preempt_enable_no_resched();
}

/**
 * uk_spin_lock() with interrupts off on this CPU; uk_spin_unlock_irq() turns them on, whatever they were before.
 * Context: thread with interrupts on
 * Locks: takes `l`
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline void uk_spin_lock_irq(struct uk_spinlock *l) ACQUIRES(l);
static inline void uk_spin_lock_irq(struct uk_spinlock *l)
{
	arch_irq_disable();
	uk_spin_lock(l);
}

/**
 * uk_spin_trylock() with interrupts off; if it returns 0 they are on.
 * Context: thread with interrupts on
 * Locks: takes `l` if it returns nonzero
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline int uk_spin_trylock_irq(struct uk_spinlock *l) TRY_ACQUIRES(1, l);
LOCKS_UNCHECKED static inline int uk_spin_trylock_irq(struct uk_spinlock *l)
{
	arch_irq_disable();
	if (uk_spin_trylock(l))
		return 1;
	arch_irq_enable();
	return 0;
}

/**
 * Give back what uk_spin_lock_irq() or uk_spin_trylock_irq() took; interrupts are on afterwards.
 * Context: any with interrupts off
 * Locks: `l` is held, and is not afterwards
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
static inline void uk_spin_unlock_irq(struct uk_spinlock *l) RELEASES(l);
LOCKS_UNCHECKED static inline void uk_spin_unlock_irq(struct uk_spinlock *l)
{
	spin_unlock_word(l);
	arch_irq_enable();
	preempt_enable();
}

/**
 * uk_spin_lock() with interrupts off; what they were is put into `flags`, an lvalue of type unsigned long.
 * Context: any
 * Locks: takes `l`
 * Ownership: caller keeps `l`, and `flags` until the unlock
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
#define uk_spin_lock_irqsave(l, flags)     \
	do {                               \
		(flags) = arch_irq_save(); \
		uk_spin_lock(l);           \
	} while (0)

/**
 * Give `l` back and make interrupts what they were, according to `flags`.
 * Context: any with interrupts off
 * Locks: `l` is held, and is not afterwards
 * Ownership: caller keeps `l`
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
#define uk_spin_unlock_irqrestore(l, flags) uk_spin_unlock_irqrestore_((l), (flags))
static inline void uk_spin_unlock_irqrestore_(struct uk_spinlock *l, unsigned long flags) RELEASES(l);
LOCKS_UNCHECKED static inline void uk_spin_unlock_irqrestore_(struct uk_spinlock *l, unsigned long flags)
{
	spin_unlock_word(l);
	arch_irq_restore(flags);
	preempt_enable();
}

/**
 * uk_spin_trylock() with interrupts off; `flags` as in uk_spin_lock_irqsave(). If it is 0 interrupts are as before.
 * Context: any
 * Locks: takes `l` if it is nonzero
 * Ownership: caller keeps `l`, and `flags` until the unlock
 * Errors: none
 * Source: Unikraft 0.17 uk/spinlock.h
 */
#define uk_spin_trylock_irqsave(l, flags) uk_spin_trylock_irqsave_((l), &(flags))
static inline int uk_spin_trylock_irqsave_(struct uk_spinlock *l, unsigned long *flags) TRY_ACQUIRES(1, l);
LOCKS_UNCHECKED static inline int uk_spin_trylock_irqsave_(struct uk_spinlock *l, unsigned long *flags)
{
	*flags = arch_irq_save();
	if (uk_spin_trylock(l))
		return 1;
	arch_irq_restore(*flags);
	return 0;
}
