/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequence locks: readers of a few words write nothing and wait for nobody but a writer that is just at it; they read again if one
 * came in between. `struct tutti_seqlock` has a spin lock for its writers; `struct tutti_seqcount` is the number alone, for
 * writers that exclude each other by other means.
 *
 *	do {
 *		seq = tutti_seqlock_read_begin(&s);
 *		x = tutti_seq_load(&shared.x);
 *		y = tutti_seq_load(&shared.y);
 *	} while (tutti_seqlock_read_retry(&s, seq));
 *
 * The rule for what is protected: both sides access it at the same time, so only through tutti_seq_load(), tutti_seq_store() and the
 * two copies below, which are atomic word by word; a plain access is a data race. What a reader has loaded may be a mixture until
 * retry says no: it must not be followed as a pointer or used as an index before that.
 *
 * Why it is right (H. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012): the number is odd during a
 * write. Stores of data are releases that come after the store of the odd number, loads of data acquires before the
 * second look at the number: a reader that has seen one word of a write also sees that write's odd number or a later one, and
 * retries. The store of the even number is a release, the reader's first look an acquire: it sees all of the write before. On
 * x86-64 all of these are plain instructions; no fence is needed, so that the race detectors understand it.
 * After 2^31 writes within one read the number repeats.
 *
 * A writer has preemption off. Where a reader may be an interrupt, writers have interrupts off as well (the _irqsave forms): a reader
 * that interrupted a writer on its own CPU would wait for ever.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/capability.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

struct tutti_seqcount {
	uint32_t seq; /* [a] odd: a write is going on */
};

struct LOCKABLE("sequence lock") tutti_seqlock {
	struct tutti_seqcount count;
	struct uk_spinlock lock; /* held by the writer */
};

#define TUTTI_SEQCOUNT_INITIALIZER() \
	{                            \
		.seq = 0             \
	}
#define TUTTI_SEQLOCK_INITIALIZER()               \
	{                                         \
		.lock = UK_SPINLOCK_INITIALIZER() \
	}
/* With a class of its own (sync/lock_hooks.h), for tutti's locks. */
#define SEQLOCK_INIT(cls)                   \
	{                                   \
		.lock = SPINLOCK_INIT(cls), \
	}

/**
 * Load or store one protected object of 1, 2, 4 or 8 bytes. `p`: its address.
 * Context: any; a store inside a write section
 * Locks: none for a load; the writer's for a store
 * Ownership: none
 * Errors: none
 */
#define tutti_seq_load(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tutti_seq_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/**
 * Copy `size` bytes out of a protected object, or into it. Word by word where both addresses are multiples of 8, else by bytes.
 * Context: any; into it: inside a write section
 * Locks: none for a load; the writer's for a store
 * Ownership: caller keeps both
 * Errors: none
 */
static inline void tutti_seq_copy_out(void *to, const void *from, size_t size)
{
	size_t i = 0;

	if (!(((uintptr_t)to | (uintptr_t)from) & 7))
		for (; i + 8 <= size; i += 8) {
			uint64_t v = tutti_seq_load((const uint64_t *)((const char *)from + i));

			__builtin_memcpy((char *)to + i, &v, 8);
		}
	for (; i < size; i++)
		((char *)to)[i] = tutti_seq_load((const char *)from + i);
}

/** Contract: as tutti_seq_copy_out() */
static inline void tutti_seq_copy_in(void *to, const void *from, size_t size)
{
	size_t i = 0;

	if (!(((uintptr_t)to | (uintptr_t)from) & 7))
		for (; i + 8 <= size; i += 8) {
			uint64_t v;

			__builtin_memcpy(&v, (const char *)from + i, 8);
			tutti_seq_store((uint64_t *)((char *)to + i), v);
		}
	for (; i < size; i++)
		tutti_seq_store((char *)to + i, ((const char *)from)[i]);
}

/* Waits until no write is going on and returns the number: the cold half of tutti_seqcount_read_begin(). */
uint32_t tutti_seqcount_wait_slow(const struct tutti_seqcount *s);

/**
 * Make `s` a number, or a lock, that nobody uses.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `s`
 * Errors: none
 */
static inline void tutti_seqcount_init(struct tutti_seqcount *s)
{
	__atomic_store_n(&s->seq, 0, __ATOMIC_RELAXED);
}
#define tutti_seqlock_init(s)                            \
	do {                                             \
		struct tutti_seqlock *seqlock_s_ = (s);  \
		tutti_seqcount_init(&seqlock_s_->count); \
		uk_spin_init(&seqlock_s_->lock);         \
	} while (0)

/**
 * Begin to read; the result goes to the matching retry. Waits while a write is going on.
 * Context: any; an interrupt where all writers have interrupts off
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline uint32_t tutti_seqcount_read_begin(const struct tutti_seqcount *s)
{
	/* pairs with the release in tutti_seqcount_write_end() */
	uint32_t seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);

	if (__builtin_expect(seq & 1, 0))
		seq = tutti_seqcount_wait_slow(s);
	return seq;
}
static inline uint32_t tutti_seqlock_read_begin(const struct tutti_seqlock *s)
{
	return tutti_seqcount_read_begin(&s->count);
}

/**
 * True: a write came in between, what was read since `seq` is worth nothing.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline bool tutti_seqcount_read_retry(const struct tutti_seqcount *s, uint32_t seq)
{
	/* ordered after the loads of data, which are acquires */
	return __builtin_expect(__atomic_load_n(&s->seq, __ATOMIC_RELAXED) != seq, 0);
}
static inline bool tutti_seqlock_read_retry(const struct tutti_seqlock *s, uint32_t seq)
{
	return tutti_seqcount_read_retry(&s->count, seq);
}

/* The number alone, for those below. */
static inline void seqcount_step(struct tutti_seqcount *s, int order)
{
	__atomic_store_n(&s->seq, __atomic_load_n(&s->seq, __ATOMIC_RELAXED) + 1, order);
}

/**
 * Begin and end a write. Writers exclude each other, by whatever lock they have; preemption is off in between.
 * Context: any; with interrupts off where readers are interrupts
 * Locks: one that excludes other writers
 * Ownership: none
 * Errors: none
 */
static inline void tutti_seqcount_write_begin(struct tutti_seqcount *s)
{
	preempt_disable();
	/* the stores of data, releases, come after it */
	seqcount_step(s, __ATOMIC_RELAXED);
}
static inline void tutti_seqcount_write_end(struct tutti_seqcount *s)
{
	/* pairs with the acquires in tutti_seqcount_read_begin() and tutti_seqcount_wait_slow() */
	seqcount_step(s, __ATOMIC_RELEASE);
	preempt_enable();
}

/**
 * Become the writer, waiting for other writers by turns; preemption is off until the unlock.
 * Context: any; where readers or writers are interrupts, the _irqsave form
 * Locks: takes the lock's own spin lock
 * Ownership: caller keeps `s`
 * Errors: none
 */
static inline void tutti_seqlock_write_lock(struct tutti_seqlock *s) ACQUIRES(s);
LOCKS_UNCHECKED static inline void tutti_seqlock_write_lock(struct tutti_seqlock *s)
{
	uk_spin_lock(&s->lock);
	seqcount_step(&s->count, __ATOMIC_RELAXED);
}

/**
 * Become the writer if nobody else is or waits to be. True: the caller is.
 * Context: any
 * Locks: takes the lock's own spin lock if it returns true
 * Ownership: caller keeps `s`
 * Errors: none
 */
static inline bool tutti_seqlock_write_trylock(struct tutti_seqlock *s) TRY_ACQUIRES(true, s);
LOCKS_UNCHECKED static inline bool tutti_seqlock_write_trylock(struct tutti_seqlock *s)
{
	if (!uk_spin_trylock(&s->lock))
		return false;
	seqcount_step(&s->count, __ATOMIC_RELAXED);
	return true;
}

/**
 * End the write: readers that begin now see all of it.
 * Context: any, as it was locked
 * Locks: the lock's own spin lock is held, and is not afterwards
 * Ownership: caller keeps `s`
 * Errors: none
 */
static inline void tutti_seqlock_write_unlock(struct tutti_seqlock *s) RELEASES(s);
LOCKS_UNCHECKED static inline void tutti_seqlock_write_unlock(struct tutti_seqlock *s)
{
	/* pairs with the acquires in tutti_seqcount_read_begin() and tutti_seqcount_wait_slow() */
	seqcount_step(&s->count, __ATOMIC_RELEASE);
	uk_spin_unlock(&s->lock);
}

/**
 * The same with interrupts off in between; `flags`, an lvalue of type unsigned long, keeps what they were.
 * Context: any
 * Locks: takes and gives back the lock's own spin lock
 * Ownership: caller keeps `s`, and `flags` until the unlock
 * Errors: none
 */
#define tutti_seqlock_write_lock_irqsave(s, flags) \
	do {                                       \
		(flags) = arch_irq_save();         \
		tutti_seqlock_write_lock(s);       \
	} while (0)
#define tutti_seqlock_write_unlock_irqrestore(s, flags) tutti_seqlock_write_unlock_irqrestore_((s), (flags))
static inline void tutti_seqlock_write_unlock_irqrestore_(struct tutti_seqlock *s, unsigned long flags) RELEASES(s);
LOCKS_UNCHECKED static inline void tutti_seqlock_write_unlock_irqrestore_(struct tutti_seqlock *s, unsigned long flags)
{
	seqcount_step(&s->count, __ATOMIC_RELEASE);
	uk_spin_unlock_irqrestore(&s->lock, flags);
}
