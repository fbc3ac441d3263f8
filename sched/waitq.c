// SPDX-License-Identifier: BSD-3-Clause
/*
 * Wait queues: the out-of-line halves of sched/waitq.h, where the protocol is, and of uk/wait.h, which is the same for programs.
 *
 * A waiter is linked (on the list, wake-ups are for it) or taken off (by a wake-up, which it owes to somebody: to itself, if its
 * condition is true, or to the next waiter). Invariants: an entry is linked or unlinked under the queue's lock only; whoever has it on
 * its stack takes that lock before the stack frame goes (waitq_finish()), so a waker that holds the lock may use entry and thread.
 *
 * No lost wake-up: see sched/waitq.h. The waiter links itself and becomes BLOCKING in one section of the lock and evaluates the
 * condition after it. The waker changes the condition before its section. If the waker's section is the first, the waiter's
 * lock acquire reads from the waker's release and the condition is seen; else the waiter is on the list and is woken, which
 * thread_block() sees (sched/sched.h).
 *
 * The tutti_waitq_*_ functions run on the kernel stack (sched_on_kstack()). A signal handler that runs between prepare and block may
 * block by itself and leave the thread RUNNING: thread_block() then returns at once and the loop of uk/wait.h goes round once
 * more. uk_waitq_wake_up() leaves the entries linked, so that who has to wait on keeps its place; uk_waitq_wake_up_one() takes the
 * oldest off, so that two of them wake two waiters.
 *
 * Contexts: waiting sleeps; waking is for any context, interrupts included (the lock is irq-safe). No memory is allocated.
 */
#include "sched/waitq.h"

#include "lib/util.h"
#include "uk/isr/wait.h"
#include "uk/wait.h"

LOCK_CLASS(waitq_class, "wait queue", 62, LOCK_IRQ, "the waiters of one queue");

void waitq_prepare(struct waitq *wq, struct waitq_entry *e)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&wq->lock, flags);
	if (!list_linked(&e->node))
		list_add_tail(&wq->waiters, &e->node);
	thread_prepare_block();
	uk_spin_unlock_irqrestore(&wq->lock, flags);
}

void waitq_finish(struct waitq *wq, struct waitq_entry *e)
{
	unsigned long flags;
	bool taken;

	/* Always with the lock: a waker that took us off may still be using our thread pointer. */
	uk_spin_lock_irqsave(&wq->lock, flags);
	taken = !list_linked(&e->node);
	if (!taken)
		list_del(&e->node);
	thread_cancel_block();
	uk_spin_unlock_irqrestore(&wq->lock, flags);
	if (unlikely(taken))
		waitq_wake_one(wq);
}

bool waitq_wake_one(struct waitq *wq)
{
	unsigned long flags;
	struct list *n;

	uk_spin_lock_irqsave(&wq->lock, flags);
	n = list_pop(&wq->waiters);
	if (n)
		thread_wake(list_entry(n, struct waitq_entry, node)->thread);
	uk_spin_unlock_irqrestore(&wq->lock, flags);
	return n != NULL;
}

unsigned waitq_wake_all(struct waitq *wq)
{
	unsigned long flags;
	unsigned count = 0;
	struct list *n;

	uk_spin_lock_irqsave(&wq->lock, flags);
	while ((n = list_pop(&wq->waiters)) != NULL) {
		thread_wake(list_entry(n, struct waitq_entry, node)->thread);
		count++;
	}
	uk_spin_unlock_irqrestore(&wq->lock, flags);
	return count;
}

/* ---- uk/wait.h ---- */

static long prepare_on_kstack(void *wq, void *e)
{
	waitq_prepare(wq, e);
	return 0;
}

void tutti_waitq_prepare_(struct uk_waitq *wq, struct uk_waitq_entry *e)
{
	sched_on_kstack(prepare_on_kstack, &wq->q, &e->e);
}

static long finish_on_kstack(void *wq, void *e)
{
	waitq_finish(wq, e);
	return 0;
}

void tutti_waitq_finish_(struct uk_waitq *wq, struct uk_waitq_entry *e)
{
	sched_on_kstack(finish_on_kstack, &wq->q, &e->e);
}

static long block_on_kstack(void *deadline, void *unused)
{
	const uint64_t at = *(const uint64_t *)deadline;

	(void)unused;
	if (at && plat_monotonic_ns() >= at) {
		thread_cancel_block();
		return 1;
	}
	thread_block_until(at ? at : UINT64_MAX);
	return at && plat_monotonic_ns() >= at;
}

int tutti_waitq_block_(__nsec deadline)
{
	/* A time before the boot has passed as well; 0 means none. */
	uint64_t at = deadline < 0 ? 1 : (uint64_t)deadline;

	/* Not in prepare: a spin lock that protects the condition is held there. */
	lock_hook_may_sleep();
	return (int)sched_on_kstack(block_on_kstack, &at, NULL);
}

static long add_on_kstack(void *wq, void *entry)
{
	struct waitq *q = wq;
	struct waitq_entry *e = entry;
	unsigned long flags;

	uk_spin_lock_irqsave(&q->lock, flags);
	if (!list_linked(&e->node))
		list_add_tail(&q->waiters, &e->node);
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return 0;
}

void uk_waitq_add(struct uk_waitq *wq, struct uk_waitq_entry *entry)
{
	sched_on_kstack(add_on_kstack, &wq->q, &entry->e);
}

static long remove_on_kstack(void *wq, void *entry)
{
	struct waitq *q = wq;
	struct waitq_entry *e = entry;
	unsigned long flags;

	uk_spin_lock_irqsave(&q->lock, flags);
	if (list_linked(&e->node))
		list_del(&e->node);
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return 0;
}

void uk_waitq_remove(struct uk_waitq *wq, struct uk_waitq_entry *entry)
{
	sched_on_kstack(remove_on_kstack, &wq->q, &entry->e);
}

static long wake_on_kstack(void *wq, void *unused)
{
	struct waitq *q = wq;
	unsigned long flags;

	(void)unused;
	uk_spin_lock_irqsave(&q->lock, flags);
	list_foreach(n, &q->waiters)
		thread_wake(list_entry(n, struct waitq_entry, node)->thread);
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return 0;
}

void uk_waitq_wake_up(struct uk_waitq *wq)
{
	sched_on_kstack(wake_on_kstack, &wq->q, NULL);
}

static long wake_one_on_kstack(void *wq, void *unused)
{
	(void)unused;
	waitq_wake_one(wq);
	return 0;
}

void uk_waitq_wake_up_one(struct uk_waitq *wq)
{
	sched_on_kstack(wake_one_on_kstack, &wq->q, NULL);
}

void uk_waitq_wake_up_isr(struct uk_waitq *wq)
{
	uk_waitq_wake_up(wq);
}
