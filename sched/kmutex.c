/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wait queues and the sleeping mutex: their out-of-line halves. The protocols are in the headers.
 *
 * Why a wake-up cannot be lost in the mutex: a waiter first counts itself in `waiters` and then, in every round,
 * links itself into the queue before it tries the lock. An unlocker frees the lock and then reads `waiters`. All
 * four are sequentially consistent: if the unlocker reads 0, the waiter's try comes after the release and gets the
 * lock or finds a newer owner, whose unlock is the next chance. If it reads more, it takes the queue's lock: a
 * waiter that is not linked yet tries the lock after that. A waiter that gets the lock while the queue's wake-up is
 * on its way to it passes that on (waitq_finish()).
 *
 * Contexts: waiting may sleep; wake functions and the lock inside a wait queue are for any context, interrupts
 * included. No memory is allocated. Entries live on the waiters' kernel stacks.
 */
#include "sched/kmutex.h"

#include <arch/cpu.h>

#include "lib/util.h"

#define KMUTEX_SPINS 64

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

void kmutex_lock_slow(struct kmutex *m)
{
	UK_ASSERT(!kmutex_is_mine(m));
	UK_ASSERT(context_may_sleep());
	for (unsigned i = 0; i < KMUTEX_SPINS; i++) {
		if (!__atomic_load_n(&m->owner, __ATOMIC_RELAXED) && kmutex_trylock(m))
			return;
		arch_cpu_relax();
	}
	__atomic_fetch_add(&m->waiters, 1, __ATOMIC_SEQ_CST);
	waitq_wait(&m->wq, kmutex_trylock(m));
	__atomic_fetch_sub(&m->waiters, 1, __ATOMIC_SEQ_CST);
}
