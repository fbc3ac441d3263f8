// SPDX-License-Identifier: BSD-3-Clause
/*
 * Conditions with uk_mutex, without a thundering herd.
 *
 * A waiter is in the condition's queue, or has been moved to the mutex's by a signal (on_mutex), or has left by a time-out. From the
 * mutex's queue it does not leave but as the owner. It sleeps in one place for both: the signal does not wake it, unless the
 * mutex is free; the unlock that finds it first does (mutex.c). Invariants: queue and `mutex` change under `lock`; on_mutex changes from 0 to
 * 1 once, under `lock` and the mutex's; the waiter takes one of the two locks before its stack frame goes, the condition's
 * if it gives up, the mutex's if it was moved, so both may be used by a signal that holds both.
 *
 * No lost signal: the waiter links itself before it unlocks the mutex; a signal that comes after the unlock in the order of the
 * mutex finds it in the queue. No lost wake-up: the waiter announces BLOCKING (sequentially consistent), then looks at on_mutex;
 * the signal stores on_mutex, and whoever wakes it later does that by a locked instruction on its state. A wake-up by the
 * mutex's unlock therefore finds it BLOCKING or past a look that has seen on_mutex. Hence a signalled waiter gets its turn like any other
 * waiter of the mutex, and a time-out that comes after the signal does not count.
 *
 * (Moving waiters instead of waking them: "wait morphing", as in the requeue of Franke, Russell, Kirkwood, "Fuss, futexes and furwocks", 2002.)
 *
 * Contexts: thread context. Ranks: `lock`, then the mutex queue's, then run queues'. No memory is needed.
 */
#include "tutti/condition.h"

#include "lib/errno.h"
#include "plat/plat.h"
#include "sched/mutex.h"
#include "sched/sched.h"

LOCK_CLASS(condition_class, "condition", 61, 0, "the waiters of one condition");

struct wait_args {
	struct uk_mutex *mutex;
	uint64_t deadline;
};

static bool moved(const struct mutex_waiter *e)
{
	return __atomic_load_n(&e->on_mutex, __ATOMIC_SEQ_CST) != 0;
}

/* Until a signal has moved it; false: the deadline passed before. */
static bool wait_for_signal(struct tutti_condition *c, struct mutex_waiter *e, uint64_t deadline)
{
	bool late;

	for (;;) {
		thread_prepare_block();
		if (moved(e)) {
			thread_cancel_block();
			return true;
		}
		late = thread_block_until(deadline);
		if (moved(e))
			return true;
		if (!late)
			continue;
		uk_spin_lock(&c->lock);
		late = !moved(e);
		if (late)
			list_del(&e->node);
		uk_spin_unlock(&c->lock);
		return !late;
	}
}

/* Unchecked: the mutex comes in a structure. */
LOCKS_UNCHECKED static long wait_on_kstack(void *condition, void *wait_args)
{
	const struct wait_args args = *(const struct wait_args *)wait_args;
	struct tutti_condition *c = condition;
	struct mutex_waiter e = { .thread = current_thread() };
	struct uk_mutex *m = args.mutex;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	UK_CHECK(tutti_mutex_is_held(m) && !m->depth);
	uk_spin_lock(&c->lock);
	UK_CHECK(list_empty(&c->waiters) || c->mutex == m);
	c->mutex = m;
	list_add_tail(&c->waiters, &e.node);
	uk_spin_unlock(&c->lock);
	mutex_unlock(m);
	if (wait_for_signal(c, &e, args.deadline)) {
		mutex_lock_requeued(m, &e);
		return 0;
	}
	mutex_lock_until(m, UINT64_MAX);
	return -ETIMEDOUT;
}

/* `all`: NULL or not. */
static long signal_on_kstack(void *condition, void *all)
{
	struct tutti_condition *c = condition;
	struct list *n;

	uk_spin_lock(&c->lock);
	while ((n = list_pop(&c->waiters)) != NULL) {
		mutex_requeue(c->mutex, list_entry(n, struct mutex_waiter, node));
		if (!all)
			break;
	}
	uk_spin_unlock(&c->lock);
	return 0;
}

/* ---- public ---- */

void tutti_condition_init(struct tutti_condition *c)
{
	spin_init_class(&c->lock, &condition_class);
	list_init(&c->waiters);
	c->mutex = NULL;
}

void tutti_condition_wait(struct tutti_condition *c, struct uk_mutex *m)
{
	struct wait_args args = { .mutex = m, .deadline = UINT64_MAX };

	sched_on_kstack(wait_on_kstack, c, &args);
}

int tutti_condition_wait_until(struct tutti_condition *c, struct uk_mutex *m, __nsec deadline)
{
	struct wait_args args = { .mutex = m, .deadline = deadline < 0 ? 0 : (uint64_t)deadline };

	return (int)sched_on_kstack(wait_on_kstack, c, &args);
}

void tutti_condition_signal(struct tutti_condition *c)
{
	sched_on_kstack(signal_on_kstack, c, NULL);
}

void tutti_condition_broadcast(struct tutti_condition *c)
{
	sched_on_kstack(signal_on_kstack, c, c);
}
