/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wait queues, with the names, arguments and results of Unikraft 0.17 (uk/wait.h).
 *
 *	waiter						waker
 *	uk_waitq_wait_event(&wq, ready);		ready = 1; uk_waitq_wake_up(&wq);
 *
 * What was missing there: the two may be on different CPUs. `ready` is then atomic, or changed and looked at with one lock held (the
 * _locked forms). No wake-up is lost between the look and the sleep (sched/waitq.h). Times are nanoseconds of the monotonic clock.
 *
 * A condition may be evaluated several times; it must not sleep.
 */
#pragma once

#include "sync/lock_hooks.h"
#include "uk/arch/types.h"
#include "uk/wait_types.h"

/* The halves of the macros below; not for others. */
void tutti_waitq_prepare_(struct uk_waitq *wq, struct uk_waitq_entry *e);
void tutti_waitq_finish_(struct uk_waitq *wq, struct uk_waitq_entry *e);
int tutti_waitq_block_(__nsec deadline);

/**
 * Makes an empty queue.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `wq`, which must outlive every call with it
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
static inline void uk_waitq_init(struct uk_waitq *wq)
{
	uk_spin_init(&wq->q.lock);
	list_init(&wq->q.waiters);
}

/**
 * An entry for `thread`, on no queue.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `entry`; it is not freed while it is on a queue
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
static inline void uk_waitq_entry_init(struct uk_waitq_entry *entry, struct uk_thread *thread)
{
	list_init(&entry->e.node);
	entry->e.thread = thread;
}

/**
 * Nonzero: nobody waits at this moment. A hint only, unless the caller knows that nobody comes or goes.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
static inline int uk_waitq_empty(struct uk_waitq *wq)
{
	return __atomic_load_n(&wq->q.waiters.next, __ATOMIC_RELAXED) == &wq->q.waiters;
}

/**
 * Puts an entry at the end of the queue, unless it is on one; takes it off, if it is on it. Neither blocks nor wakes its thread.
 * Context: any; does not sleep
 * Locks: takes the queue's spin lock (irq-safe)
 * Ownership: the queue refers to `entry` while it is on it
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
void uk_waitq_add(struct uk_waitq *wq, struct uk_waitq_entry *entry);
void uk_waitq_remove(struct uk_waitq *wq, struct uk_waitq_entry *entry);

/**
 * Puts the calling thread's entry on the queue and announces that the thread blocks: the next uk_sched_yield() sleeps until a wake-up,
 * and does not sleep at all if that came in between. Then uk_waitq_remove_waiter() takes it off. Wake-ups may be spurious.
 * Context: thread, preemption on; does not sleep itself
 * Locks: takes the queue's spin lock (irq-safe)
 * Ownership: the queue refers to `w` until uk_waitq_remove_waiter()
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
#define uk_waitq_add_waiter(wq, w) tutti_waitq_prepare_((wq), (w))

/**
 * Takes the calling thread's entry off the queue after uk_waitq_add_waiter(); a wake-up of one that came meanwhile goes on to the next
 * waiter. The thread does not block any more.
 * Context: thread, preemption on; does not sleep
 * Locks: takes the queue's spin lock (irq-safe)
 * Ownership: `w` is the caller's again
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
#define uk_waitq_remove_waiter(wq, w) tutti_waitq_finish_((wq), (w))

/* `begin` is a statement before the first look, `unlock` and `relock` are around the sleep. */
#define tutti_waitq_wait_(wq, condition, deadline, begin, unlock, relock) \
	({                                                                \
		struct uk_waitq *const wq_q_ = (wq);                      \
		const __nsec wq_at_ = (__nsec)(deadline);                 \
		int wq_late_ = 0;                                         \
		begin;                                                    \
                                                                          \
		if (!(condition)) {                                       \
			struct uk_waitq_entry wq_w_;                      \
                                                                          \
			uk_waitq_entry_init(&wq_w_, current_thread());    \
			for (;;) {                                        \
				tutti_waitq_prepare_(wq_q_, &wq_w_);      \
				if (condition) {                          \
					wq_late_ = 0;                     \
					break;                            \
				}                                         \
				if (wq_late_)                             \
					break;                            \
				unlock;                                   \
				wq_late_ = tutti_waitq_block_(wq_at_);    \
				relock;                                   \
			}                                                 \
			tutti_waitq_finish_(wq_q_, &wq_w_);               \
		}                                                         \
		wq_late_;                                                 \
	})

/**
 * Sleeps until `condition` is true; 0. The _deadline form gives up at that time: 1 = timed out, and the condition was false when
 * it looked last. Deadline 0 means none.
 * Context: thread, may sleep; no spin lock held
 * Locks: takes the queue's spin lock (irq-safe), not while `condition` is evaluated
 * Ownership: caller keeps `wq`, which must outlive the call
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
#define uk_waitq_wait_event(wq, condition) tutti_waitq_wait_(wq, condition, 0, lock_hook_may_sleep(), (void)0, (void)0)
#define uk_waitq_wait_event_deadline(wq, condition, deadline) \
	tutti_waitq_wait_(wq, condition, deadline, lock_hook_may_sleep(), (void)0, (void)0)

/**
 * The same where a lock protects the condition: the caller holds `lock`, the condition is evaluated with it held,
 * unlock_fn(lock) comes before each sleep and lock_fn(lock) after it.
 * Context: thread, may sleep; `lock` may be a spin lock, no other one held
 * Locks: `lock` held on entry and on return; takes the queue's spin lock (irq-safe) inside `lock`
 * Ownership: caller keeps `wq`, which must outlive the call
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
#define uk_waitq_wait_event_locked(wq, condition, lock_fn, unlock_fn, lock) \
	tutti_waitq_wait_(wq, condition, 0, (void)0, unlock_fn(lock), lock_fn(lock))
#define uk_waitq_wait_event_deadline_locked(wq, condition, deadline, lock_fn, unlock_fn, lock) \
	tutti_waitq_wait_(wq, condition, deadline, (void)0, unlock_fn(lock), lock_fn(lock))

/**
 * Sleeps once, until a wake-up, with `lock` given up meanwhile: for loops of the caller's own around a condition that `lock` protects. May
 * return without a wake-up.
 * Context: thread, may sleep
 * Locks: `lock` held on entry and on return; takes the queue's spin lock (irq-safe) inside `lock`
 * Ownership: caller keeps `wq`, which must outlive the call
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
#define uk_waitq_wait_locked(wq, lock_fn, unlock_fn, lock)     \
	do {                                                   \
		struct uk_waitq *const wq_q_ = (wq);           \
		struct uk_waitq_entry wq_w_;                   \
                                                               \
		uk_waitq_entry_init(&wq_w_, current_thread()); \
		tutti_waitq_prepare_(wq_q_, &wq_w_);           \
		unlock_fn(lock);                               \
		tutti_waitq_block_(0);                         \
		lock_fn(lock);                                 \
		uk_waitq_remove(wq_q_, &wq_w_);                \
	} while (0)

/**
 * Wakes all waiters, or the one that waits longest. What the caller wrote before is seen by the waiters' conditions. A waiter
 * of which the wake-up of one came too late (it left for another reason) passes it on.
 * Context: any, interrupts too; does not sleep
 * Locks: takes the queue's spin lock (irq-safe), then run queues'
 * Ownership: caller keeps `wq`
 * Errors: none
 * Source: Unikraft 0.17 uk/wait.h
 */
void uk_waitq_wake_up(struct uk_waitq *wq);
void uk_waitq_wake_up_one(struct uk_waitq *wq);
