/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers-writer spin lock: one 64-bit word, changed by compare-and-swap only.
 *
 *	bits  0..15  readers inside
 *	bits 16..31  readers waiting
 *	bits 32..47  writers waiting
 *	bit  48      a writer is inside
 *	bits 49..63  turn: counts writers that left, modulo 2^15
 *
 * Invariants: the writer bit and "readers inside" are never both nonzero. A reader waits only if, at that moment, a
 * writer was inside or waiting, and readers waiting become readers inside in one step, by the writer that leaves,
 * which also changes the turn: a waiting reader owns the lock as soon as it sees another turn than the one it queued
 * in. It can not miss its turn: the next turn after its own is the one that admits it, and 2^15 more would have to
 * pass, each of which waits for it to leave, before the number repeats. So a reader waits for one writer at most. A
 * writer enters when nobody is inside; readers that arrive while it waits queue up behind it, so it waits only for
 * readers inside and other writers.
 *
 * Every context counts once, and preemption is off from the first step on, so 16 bits hold for 65535 CPUs.
 *
 * Ordering: the successful compare-and-swap that enters is an acquire, that of leaving a release operation. An
 * admitted reader's load of the word is an acquire that reads from the leaving writer's release (or from a later
 * compare-and-swap in its release sequence).
 *
 * To the lock hooks a reader that has to wait is contended as soon as it has seen that it has to, a writer likewise, once.
 *
 * Contexts: as the header says; no memory is needed.
 */
#include "sync/rwspin.h"

#include "lib/util.h"
#include "sync/percpu.h"
#include "sync/spin.h"

#define READER		1ull
#define READERS		0xffffull
#define READER_WAITS	(1ull << 16)
#define READERS_WAITING (0xffffull << 16)
#define WRITER_WAITS	(1ull << 32)
#define WRITERS_WAITING (0xffffull << 32)
#define WRITER		(1ull << 48)
#define TURN		(1ull << 49)
#define TURNS		(~0ull << 49)

static inline bool swap_word(struct rwspin *l, uint64_t *old, uint64_t new, int order)
{
	return __atomic_compare_exchange_n(&l->word, old, new, true, order, __ATOMIC_RELAXED);
}

static inline void wait_a_little(const struct rwspin *l, uint64_t seen, rwspin_wait_fn wait, unsigned *looks)
{
	spin_wait(looks);
	if (wait)
		wait(l, seen, *looks);
}

static __noinline void read_lock_slow(struct rwspin *l, rwspin_wait_fn wait)
{
	uint64_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED), now;
	unsigned looks = 0;

	for (;;) {
		if (!(w & (WRITER | WRITERS_WAITING))) {
			/* pairs with the release in rwspin_write_unlock() */
			if (swap_word(l, &w, w + READER, __ATOMIC_ACQUIRE))
				return;
		} else if (swap_word(l, &w, w + READER_WAITS, __ATOMIC_RELAXED)) {
			break;
		}
	}
	lock_hook_contended(&l->map, l);
	/* pairs with the release in rwspin_write_unlock(), which made this reader one of those inside */
	while ((((now = __atomic_load_n(&l->word, __ATOMIC_ACQUIRE)) ^ w) & TURNS) == 0)
		wait_a_little(l, now, wait, &looks);
}

static inline bool try_read(struct rwspin *l)
{
	uint64_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);

	while (likely(!(w & (WRITER | WRITERS_WAITING))))
		/* pairs with the release in rwspin_write_unlock() */
		if (likely(swap_word(l, &w, w + READER, __ATOMIC_ACQUIRE)))
			return true;
	return false;
}

LOCKS_UNCHECKED void rwspin_read_lock(struct rwspin *l, rwspin_wait_fn wait)
{
	preempt_disable();
	lock_hook_acquire(&l->map, l, LOCK_SHARED);
	if (!try_read(l))
		read_lock_slow(l, wait);
	lock_hook_acquired(&l->map, l, LOCK_SHARED);
}

LOCKS_UNCHECKED bool rwspin_read_trylock(struct rwspin *l)
{
	preempt_disable();
	if (try_read(l)) {
		lock_hook_acquired(&l->map, l, LOCK_SHARED | LOCK_TRY);
		return true;
	}
	preempt_enable_no_resched();
	return false;
}

LOCKS_UNCHECKED bool rwspin_read_unlock(struct rwspin *l)
{
	lock_hook_release(&l->map, l);
	/* release: pairs with the acquire of the next writer in rwspin_write_lock() */
	uint64_t w = __atomic_sub_fetch(&l->word, READER, __ATOMIC_SEQ_CST);

	return !(w & READERS) && (w & WRITERS_WAITING);
}

LOCKS_UNCHECKED void rwspin_write_lock(struct rwspin *l, rwspin_wait_fn wait)
{
	uint64_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
	uint64_t waiting = 0;
	unsigned looks = 0;

	preempt_disable();
	lock_hook_acquire(&l->map, l, 0);
	for (;;) {
		if (!(w & (WRITER | READERS))) {
			/* pairs with the releases in rwspin_read_unlock() and rwspin_write_unlock() */
			if (swap_word(l, &w, (w | WRITER) - waiting, __ATOMIC_ACQUIRE))
				break;
		} else if (!waiting) {
			if (swap_word(l, &w, w + WRITER_WAITS, __ATOMIC_RELAXED)) {
				waiting = WRITER_WAITS;
				lock_hook_contended(&l->map, l);
			}
		} else {
			wait_a_little(l, w, wait, &looks);
			w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
		}
	}
	lock_hook_acquired(&l->map, l, 0);
}

LOCKS_UNCHECKED bool rwspin_write_unlock(struct rwspin *l)
{
	uint64_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
	uint64_t new;

	lock_hook_release(&l->map, l);
	do {
		new = (w & ~(WRITER | READERS_WAITING)) + TURN;
		new += (w & READERS_WAITING) / READER_WAITS;
		/* release: pairs with the acquires of all that enter */
	} while (!swap_word(l, &w, new, __ATOMIC_SEQ_CST));
	return (new &(READERS | WRITERS_WAITING)) != 0;
}

bool rwspin_is_write_locked(const struct rwspin *l)
{
	return (__atomic_load_n(&l->word, __ATOMIC_RELAXED) & WRITER) != 0;
}

__cold __noinline void rwspin_assert_slow(const struct rwspin *l)
{
	(void)l;
	__builtin_trap();
}
