/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wait queues: threads that sleep until a condition holds.
 *
 *	waiter				waker
 *	waitq_wait(&wq, ready);		ready = true; waitq_wake_all(&wq);
 *
 * No wake-up is lost: the waiter links itself and announces BLOCKING under the queue's lock and checks the
 * condition after that; the waker changes the condition and then takes the same lock. Whichever section comes
 * first, either the waiter's check sees the change or the waker sees the waiter. A thread is woken under the lock,
 * which it must take itself to leave the queue, so a waker never holds a pointer to a thread that is gone.
 *
 * wake_one() takes the oldest waiter off the queue. One that is taken off and leaves for another reason (condition
 * already true, time-out, signal) passes the wake-up on, so it is not lost for the others; spurious wake-ups are
 * the price.
 *
 * The condition is evaluated several times, without the queue's lock, and must not sleep. Wait: thread context with
 * preemption on and no spin lock held. Wake: any context. Rank: the queue's lock is taken before a run queue's; it
 * is irq-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/errno.h"
#include "lib/list.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "uk/spinlock.h"
#include "uk/wait_types.h"

LOCK_CLASS_EXTERN(waitq_class);

#define WAITQ_INIT(name)                                                                  \
	{                                                                                 \
		.lock = SPINLOCK_INIT(&waitq_class), .waiters = LIST_INIT((name).waiters) \
	}

static inline void waitq_init(struct waitq *wq)
{
	spin_init_class(&wq->lock, &waitq_class);
	list_init(&wq->waiters);
}

static inline void waitq_entry_init(struct waitq_entry *e)
{
	list_init(&e->node);
	e->thread = current_thread();
}

/* Queue the caller and announce BLOCKING; repeat before each check of the condition. */
void waitq_prepare(struct waitq *wq, struct waitq_entry *e);
/* Leave the queue after a true condition, a time-out or a signal; passes on a wake-up that came meanwhile. */
void waitq_finish(struct waitq *wq, struct waitq_entry *e);

/* Wake the oldest waiter; false if there was none. */
bool waitq_wake_one(struct waitq *wq);
/* Wake all; how many there were. */
unsigned waitq_wake_all(struct waitq *wq);

/* Sleep until `cond` is true. */
#define waitq_wait(wq, cond)                         \
	do {                                         \
		struct waitq_entry wq_e_;            \
		waitq_entry_init(&wq_e_);            \
		for (;;) {                           \
			waitq_prepare((wq), &wq_e_); \
			if (cond)                    \
				break;               \
			thread_block();              \
		}                                    \
		waitq_finish((wq), &wq_e_);          \
	} while (0)

/*
 * The same until the deadline (ns, monotonic; UINT64_MAX: none) and, if `intr`, until a signal is pending for the
 * caller. 0 (condition true), -ETIMEDOUT or -EINTR.
 */
#define waitq_wait_until_(wq, cond, deadline, intr)                                                              \
	({                                                                                                       \
		struct waitq_entry wq_e_;                                                                        \
		uint64_t wq_dl_ = (deadline);                                                                    \
		int wq_r_;                                                                                       \
		waitq_entry_init(&wq_e_);                                                                        \
		for (;;) {                                                                                       \
			waitq_prepare((wq), &wq_e_);                                                             \
			wq_r_ = 0;                                                                               \
			if (cond)                                                                                \
				break;                                                                           \
			wq_r_ = -EINTR;                                                                          \
			if ((intr) && (__atomic_load_n(&wq_e_.thread->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING)) \
				break;                                                                           \
			wq_r_ = -ETIMEDOUT;                                                                      \
			if (wq_dl_ != UINT64_MAX && plat_monotonic_ns() >= wq_dl_)                               \
				break;                                                                           \
			thread_block_until(wq_dl_);                                                              \
		}                                                                                                \
		waitq_finish((wq), &wq_e_);                                                                      \
		wq_r_;                                                                                           \
	})

#define waitq_wait_until(wq, cond, deadline) waitq_wait_until_(wq, cond, deadline, false)
#define waitq_wait_intr(wq, cond, deadline)  waitq_wait_until_(wq, cond, deadline, true)
