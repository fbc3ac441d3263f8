// SPDX-License-Identifier: BSD-3-Clause
/*
 * The counting semaphore: what uk/semaphore.h does not do inline.
 *
 * `count` is the number of units, or -1: none, and the queue is not empty (outside sections of `lock`). While somebody waits, units are handed
 * over, so the count is never above 0 then, and nobody overtakes. It changes by compare-and-swap from values of at least 0
 * by anybody, and between 0 and -1 or from -1 under `lock` only.
 *
 * No lost wake-up. A waiter changes 0 to -1 (or finds -1) and links itself in one section of `lock`. An up that changes a
 * count of at least 0 comes before that in the order of `count`, and the waiter, whose compare-and-swap fails then, takes the unit. Any
 * other up finds -1, takes `lock` and finds the waiter, or finds the count at 0 again because the last one has left, and adds its unit.
 * Sleeping and granting: sched/waiter.h.
 *
 * Contexts: down in thread context; up and down_try anywhere, so `lock` is taken with interrupts off. Run queues' locks are
 * taken inside it. No memory is needed.
 */
#include "uk/semaphore.h"

#include "lib/errno.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "sched/waiter.h"

LOCK_CLASS(semaphore_class, "semaphore", 62, LOCK_IRQ, "the waiters of one semaphore");

/* Under `lock`: a unit, or the note that somebody waits. True: a unit. */
static bool take_or_note(struct uk_semaphore *s)
{
	long c = __atomic_load_n(&s->count, __ATOMIC_RELAXED);

	while (c >= 0)
		/* acquire: pairs with the release of an up */
		if (__atomic_compare_exchange_n(&s->count, &c, c - 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return c > 0;
	return false;
}

static void emptied_locked(struct uk_semaphore *s) REQUIRES(s->lock);
static void emptied_locked(struct uk_semaphore *s)
{
	uk_spin_assert_held(&s->lock);
	if (list_empty(&s->waiters))
		__atomic_store_n(&s->count, 0, __ATOMIC_RELAXED);
}

static int down_until(struct uk_semaphore *s, uint64_t deadline)
{
	unsigned long flags;
	struct waiter e;
	bool got;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	if (uk_semaphore_down_try(s))
		return 0;
	waiter_init(&e, false);
	uk_spin_lock_irqsave(&s->lock, flags);
	got = take_or_note(s);
	if (!got)
		list_add_tail(&s->waiters, &e.node);
	uk_spin_unlock_irqrestore(&s->lock, flags);
	if (got)
		return 0;

	waiter_wait(&e, deadline);

	uk_spin_lock_irqsave(&s->lock, flags);
	got = e.granted;
	if (!got) {
		list_del(&e.node);
		emptied_locked(s);
	}
	uk_spin_unlock_irqrestore(&s->lock, flags);
	return got ? 0 : -ETIMEDOUT;
}

static long down_on_kstack(void *s, void *deadline)
{
	return down_until(s, *(const uint64_t *)deadline);
}

static long up_on_kstack(void *semaphore, void *unused)
{
	struct uk_semaphore *s = semaphore;
	unsigned long flags;

	(void)unused;
	uk_spin_lock_irqsave(&s->lock, flags);
	if (!list_empty(&s->waiters)) {
		waiter_grant_locked(list_first(&s->waiters, struct waiter, node), &s->lock);
		emptied_locked(s);
	} else {
		/* release: pairs with the acquire of a down. Nobody waits: at least 0. */
		__atomic_fetch_add(&s->count, 1, __ATOMIC_RELEASE);
	}
	uk_spin_unlock_irqrestore(&s->lock, flags);
	return 0;
}

/* ---- public ---- */

void uk_semaphore_init(struct uk_semaphore *s, long count)
{
	UK_ASSERT(count >= 0);
	__atomic_store_n(&s->count, count, __ATOMIC_RELAXED);
	spin_init_class(&s->lock, &semaphore_class);
	list_init(&s->waiters);
}

void tutti_semaphore_down_slow_(struct uk_semaphore *s)
{
	uint64_t deadline = UINT64_MAX;

	sched_on_kstack(down_on_kstack, s, &deadline);
}

int tutti_semaphore_down_until(struct uk_semaphore *s, __nsec deadline)
{
	uint64_t at = deadline < 0 ? 0 : (uint64_t)deadline;

	return (int)sched_on_kstack(down_on_kstack, s, &at);
}

__nsec uk_semaphore_down_to(struct uk_semaphore *s, __nsec timeout)
{
	uint64_t then = plat_monotonic_ns(), at = UINT64_MAX;

	if (timeout)
		at = timeout < 0 || then + (uint64_t)timeout < then ? UINT64_MAX : then + (uint64_t)timeout;
	return sched_on_kstack(down_on_kstack, s, &at) ? __NSEC_MAX : (__nsec)(plat_monotonic_ns() - then);
}

void tutti_semaphore_up_slow_(struct uk_semaphore *s)
{
	sched_on_kstack(up_on_kstack, s, NULL);
}
