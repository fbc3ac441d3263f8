/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiters that are served by hand-over: rwlock, semaphore, completion. Whoever gives a unit away takes the waiter off the list,
 * marks it granted and wakes it; nobody else can take that unit.
 *
 * `granted` changes from 0 to 1 once, under the object's lock, which the waiter takes before its stack frame goes; so the granter, who
 * holds it, may use the waiter and its thread. No lost wake-up: the granter stores `granted`, then wakes (a locked
 * instruction on the thread's state); the waiter announces BLOCKING (sequentially consistent), then looks at `granted`. Store
 * buffering with full barriers: one of the two sees the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "sched/sched.h"
#include "uk/spinlock.h"

struct waiter {
	struct list node;	  /* [object's lock] */
	struct uk_thread *thread; /* [I] */
	uint32_t granted;	  /* [a] written under the object's lock */
	uint32_t exclusive;	  /* [I] rwlock: a writer */
};

static inline void waiter_init(struct waiter *w, bool exclusive)
{
	list_init(&w->node);
	w->thread = current_thread();
	w->granted = 0;
	w->exclusive = exclusive;
}

/* `lock`: the object's. */
static inline void waiter_grant_locked(struct waiter *w, const struct uk_spinlock *lock) REQUIRES(lock);
static inline void waiter_grant_locked(struct waiter *w, const struct uk_spinlock *lock)
{
	uk_spin_assert_held(lock);
	list_del(&w->node);
	/* release: pairs with the acquire in waiter_wait(); what the granter did is seen by the waiter */
	__atomic_store_n(&w->granted, 1, __ATOMIC_RELEASE);
	thread_wake(w->thread);
}

/*
 * Sleep until granted or until the deadline (ns, monotonic; UINT64_MAX: none), after a few looks without sleeping. The caller then
 * takes the object's lock and looks at `granted`, which may have come after the deadline. Thread context, no lock held.
 */
void waiter_wait(struct waiter *w, uint64_t deadline);
