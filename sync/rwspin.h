/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers-writer spin lock, fair between the two sides: a waiting writer holds back new readers, and a writer that
 * leaves lets in every reader that waited for it, so each side waits for at most one turn of the other (the
 * phase-fair order of Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory Multiprocessor
 * Real-Time Systems", 2009). Among themselves writers are served in no particular order.
 *
 * Contract: holding and waiting keep preemption off; interrupts stay as the caller had them. Not recursive in any
 * mix, not for interrupt handlers. Lock is an acquire, unlock a release operation.
 *
 * While waiting, `wait` (may be NULL) is called between looks: it serves what other CPUs want from this one, even
 * when the caller came with interrupts off, and may halt the CPU. For the latter an unlock says whether somebody
 * could go on now: then the caller wakes the CPUs that halted. A waiter that is about to halt announces that by a
 * sequentially consistent operation and halts only if rwspin_word() still is `seen`, an unlocker looks for such
 * announcements after the unlock, which is sequentially consistent too; so one of them sees the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/capability.h"
#include "sync/lock_hooks.h"

struct LOCKABLE("rwspin") rwspin {
	uint64_t word;	     /* [a] see sync/rwspin.c */
	struct lock_map map; /* [I] of no size without lock hooks */
};

#define RWSPIN_INITIALIZER() \
	{                    \
		.word = 0    \
	}
/* With a class of its own (sync/lock_hooks.h). */
#define RWSPIN_INIT(cls)                                \
	{                                               \
		.word = 0, .map = LOCK_MAP_INIT((cls)), \
	}
#define rwspin_init_class(l, cls)                                        \
	do {                                                             \
		struct rwspin *rwspin_l_ = (l);                          \
		__atomic_store_n(&rwspin_l_->word, 0, __ATOMIC_RELAXED); \
		lock_map_set(&rwspin_l_->map, (cls));                    \
	} while (0)

/* `seen`: nothing can have changed for the waiter while the word is this. `looks`: rounds so far. */
typedef void (*rwspin_wait_fn)(const struct rwspin *l, uint64_t seen, unsigned looks);

void rwspin_read_lock(struct rwspin *l, rwspin_wait_fn wait) ACQUIRES_SHARED(l);
/* True: the caller is a reader now. Never waits. */
bool rwspin_read_trylock(struct rwspin *l) TRY_ACQUIRES_SHARED(true, l);
void rwspin_write_lock(struct rwspin *l, rwspin_wait_fn wait) ACQUIRES(l);

/*
 * True: somebody who waited may go on. Preemption stays off: the caller wakes whom it has to, then ends the section
 * with preempt_enable() or, where its way out must not switch threads, preempt_enable_no_resched().
 */
bool rwspin_read_unlock(struct rwspin *l) RELEASES_SHARED(l);
bool rwspin_write_unlock(struct rwspin *l) RELEASES(l);

/* Is there a writer inside? Exact for the writer itself: for assertions. */
bool rwspin_is_write_locked(const struct rwspin *l);

/* Ends the run: a debug build found that the caller does not hold `l`, or not as a writer. */
void rwspin_assert_slow(const struct rwspin *l) __attribute__((noreturn));

/*
 * A function that wants its caller to be inside, as a reader or a writer, or as the writer, begins with one of these; checked in
 * builds with the lock validator.
 */
static inline void rwspin_assert_held(const struct rwspin *l) ASSERTS_HELD_SHARED(l);
static inline void rwspin_assert_write_held(const struct rwspin *l) ASSERTS_HELD(l);

LOCKS_UNCHECKED static inline void rwspin_assert_held(const struct rwspin *l)
{
#ifdef __TUTTI_LOCK_HOOKS__
	if (!lock_hook_is_held(&l->map, l))
		rwspin_assert_slow(l);
#else
	(void)l;
#endif
}

LOCKS_UNCHECKED static inline void rwspin_assert_write_held(const struct rwspin *l)
{
#ifdef __TUTTI_LOCK_HOOKS__
	if (!rwspin_is_write_locked(l) || !lock_hook_is_held(&l->map, l))
		rwspin_assert_slow(l);
#else
	(void)l;
#endif
}

static inline uint64_t rwspin_word(const struct rwspin *l)
{
	return __atomic_load_n(&l->word, __ATOMIC_SEQ_CST);
}
