/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion: "it is done", said once to one waiter, or for ever to all. Says it before or after the wait; nothing is lost. The waiter's
 * stack is a good place for it: tutti_completion_wait() does not return while tutti_completion_complete() still uses it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "uk/arch/types.h"
#include "uk/spinlock.h"

struct tutti_completion {
	struct uk_spinlock lock; /* [I] irq-safe */
	uint32_t done;		 /* [lock] completions nobody has waited for yet; UINT32_MAX: for ever */
	struct list waiters;	 /* [lock] struct waiter, oldest first */
};

#define TUTTI_COMPLETION_INITIALIZER(name)            \
	{                                             \
		.waiters = LIST_INIT((name).waiters), \
	}

/**
 * Not done; also to use one again after tutti_completion_complete_all(), when nobody waits any more.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `c`
 * Errors: none
 */
void tutti_completion_init(struct tutti_completion *c);

/**
 * Waits for a completion and uses it up, unless it is for all.
 * Context: thread, may sleep; no spin lock held
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `c`; after the last wait it may go
 * Errors: none
 */
void tutti_completion_wait(struct tutti_completion *c);

/**
 * The same, at most until the deadline (ns, monotonic clock). 0: done.
 * Context: thread, may sleep; no spin lock held
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `c`, which may not go after a time-out while somebody may complete it
 * Errors: -ETIMEDOUT
 */
int tutti_completion_wait_until(struct tutti_completion *c, __nsec deadline);

/**
 * Uses up a completion if there is one: true. Never waits.
 * Context: any, interrupts too; does not sleep
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `c`
 * Errors: none
 */
bool tutti_completion_try_wait(struct tutti_completion *c);

/**
 * Lets one waiter go on, the one that waits longest, or the next that comes; or all of them, and all that will come.
 * Context: any, interrupts too; does not sleep
 * Locks: takes its own spin lock (irq-safe), then a run queue's
 * Ownership: uses `c` until the waiter goes on, not longer
 * Errors: none; 2^32 - 2 completions without a wait are the limit
 */
void tutti_completion_complete(struct tutti_completion *c);
void tutti_completion_complete_all(struct tutti_completion *c);
