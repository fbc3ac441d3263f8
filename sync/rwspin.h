/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers-writer spin lock, fair between the two sides: a waiting writer holds back new readers, and a writer that leaves
 * lets in every reader that waited for it, so each side waits for at most one turn of the other (the phase-fair order of
 * Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory Multiprocessor Real-Time Systems", 2009).
 * Among themselves writers are served in no particular order.
 *
 * Contract: holding and waiting keep preemption off; interrupts stay as the caller had them. Not recursive in any mix, not
 * for interrupt handlers. While waiting, `relax` (may be NULL) is called again and again: it serves what other CPUs want
 * from this one even when the caller came with interrupts off. Lock is an acquire, unlock a release operation. The
 * `_no_resched` forms leave a wanted switch to whoever ends the context (a page fault: its return path keeps the
 * floating-point state, a switch from here would not).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rwspin {
	uint64_t word; /* [a] see sync/rwspin.c */
};

#define RWSPIN_INITIALIZER() \
	{                    \
		0            \
	}

void rwspin_read_lock(struct rwspin *l, void (*relax)(void));
/* True: the caller is a reader now. Never waits. */
bool rwspin_read_trylock(struct rwspin *l);
void rwspin_read_unlock(struct rwspin *l);
void rwspin_read_unlock_no_resched(struct rwspin *l);

void rwspin_write_lock(struct rwspin *l, void (*relax)(void));
void rwspin_write_unlock(struct rwspin *l);
void rwspin_write_unlock_no_resched(struct rwspin *l);

/* Is there a writer inside? Exact for the writer itself: for assertions. */
bool rwspin_is_write_locked(const struct rwspin *l);
