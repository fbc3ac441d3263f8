/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spin locks. Interface as in Unikraft 0.17 (uk/spinlock.h), with what was missing there: it locks on every CPU.
 *
 * Contract: holding one turns preemption off; the holder must not sleep, allocate from a uk_alloc or touch memory whose
 * fault may sleep. A lock that an interrupt handler takes is taken with the _irqsave form everywhere else. Not recursive.
 * Callable from any context, early boot included. Lock is an acquire, unlock a release operation.
 */
#pragma once

#include <arch/irqflags.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/capability.h"
#include "sync/lock_hooks.h"
#include "sync/percpu.h"

struct LOCKABLE("spin lock") uk_spinlock {
	uint32_t locked;     /* [a] 0 free, 1 held */
	struct lock_map map; /* [I] of no size without lock hooks */
};
typedef struct uk_spinlock uk_spinlock;

#define UK_SPINLOCK_INITIALIZER() \
	{                         \
		.locked = 0       \
	}
/* With a class of its own (sync/lock_hooks.h), for tutti's locks. */
#define SPINLOCK_INIT(cls)                                \
	{                                                 \
		.locked = 0, .map = LOCK_MAP_INIT((cls)), \
	}
#define spin_init_class(l, cls)                     \
	do {                                        \
		struct uk_spinlock *spin_l_ = (l);  \
		uk_spin_init(spin_l_);              \
		lock_map_set(&spin_l_->map, (cls)); \
	} while (0)

/* Waits until the lock looks free; bounded back-off with pause. */
void uk_spin_lock_slow(struct uk_spinlock *l);

static inline void uk_spin_init(struct uk_spinlock *l)
{
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELAXED);
}

static inline bool uk_spin_is_locked(struct uk_spinlock *l)
{
	return __atomic_load_n(&l->locked, __ATOMIC_RELAXED) != 0;
}

static inline void uk_spin_lock(struct uk_spinlock *l)
{
	preempt_disable();
	/* pairs with the release in uk_spin_unlock() */
	if (unlikely(__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)))
		uk_spin_lock_slow(l);
}

/* Nonzero: the caller holds the lock now. */
static inline int uk_spin_trylock(struct uk_spinlock *l)
{
	preempt_disable();
	if (likely(!uk_spin_is_locked(l) && !__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)))
		return 1;
	preempt_enable();
	return 0;
}

static inline void uk_spin_unlock(struct uk_spinlock *l)
{
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
	preempt_enable();
}

/* Interrupts off on this CPU, unconditionally back on at unlock. */
static inline void uk_spin_lock_irq(struct uk_spinlock *l)
{
	arch_irq_disable();
	uk_spin_lock(l);
}

static inline int uk_spin_trylock_irq(struct uk_spinlock *l)
{
	arch_irq_disable();
	if (uk_spin_trylock(l))
		return 1;
	arch_irq_enable();
	return 0;
}

static inline void uk_spin_unlock_irq(struct uk_spinlock *l)
{
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
	arch_irq_enable();
	preempt_enable();
}

/* `flags` is an lvalue of type unsigned long. */
#define uk_spin_lock_irqsave(l, flags)     \
	do {                               \
		(flags) = arch_irq_save(); \
		uk_spin_lock(l);           \
	} while (0)

#define uk_spin_unlock_irqrestore(l, flags) uk_spin_unlock_irqrestore_((l), (flags))
static inline void uk_spin_unlock_irqrestore_(struct uk_spinlock *l, unsigned long flags)
{
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
	arch_irq_restore(flags);
	preempt_enable();
}

#define uk_spin_trylock_irqsave(l, flags)           \
	({                                          \
		(flags) = arch_irq_save();          \
		int spin_got_ = uk_spin_trylock(l); \
		if (!spin_got_)                     \
			arch_irq_restore(flags);    \
		spin_got_;                          \
	})
