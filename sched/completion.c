// SPDX-License-Identifier: BSD-3-Clause
/*
 * Completions. Everything happens under `lock`: there is no fast path, so that whoever was told that it is done may free the object. The
 * last thing complete() does with it is to give `lock` back, and every waiter takes `lock` before it returns, after the grant.
 *
 * `done` counts completions that nobody has used; it is above 0 only while nobody waits. A waiter finds it above 0 or links itself
 * in the same section, so a completion comes before that section or finds the waiter. Sleeping and granting: sched/waiter.h.
 *
 * Contexts: wait in thread context; the rest anywhere, so `lock` is taken with interrupts off. Run queues' locks are taken
 * inside it. No memory is needed.
 */
#include "tutti/completion.h"

#include "lib/errno.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "sched/waiter.h"

#define FOREVER UINT32_MAX

LOCK_CLASS(completion_class, "completion", 62, LOCK_IRQ, "one completion and its waiters");

static bool take_locked(struct tutti_completion *c) REQUIRES(c->lock);
static bool take_locked(struct tutti_completion *c)
{
	uk_spin_assert_held(&c->lock);
	if (!c->done)
		return false;
	if (c->done != FOREVER)
		c->done--;
	return true;
}

static int wait_until(struct tutti_completion *c, uint64_t deadline)
{
	unsigned long flags;
	struct waiter e;
	bool got;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	waiter_init(&e, false);
	uk_spin_lock_irqsave(&c->lock, flags);
	got = take_locked(c);
	if (!got)
		list_add_tail(&c->waiters, &e.node);
	uk_spin_unlock_irqrestore(&c->lock, flags);
	if (got)
		return 0;

	waiter_wait(&e, deadline);

	uk_spin_lock_irqsave(&c->lock, flags);
	got = e.granted;
	if (!got)
		list_del(&e.node);
	uk_spin_unlock_irqrestore(&c->lock, flags);
	return got ? 0 : -ETIMEDOUT;
}

static long wait_on_kstack(void *c, void *deadline)
{
	return wait_until(c, *(const uint64_t *)deadline);
}

static long try_wait_on_kstack(void *completion, void *unused)
{
	struct tutti_completion *c = completion;
	unsigned long flags;
	bool got;

	(void)unused;
	uk_spin_lock_irqsave(&c->lock, flags);
	got = take_locked(c);
	uk_spin_unlock_irqrestore(&c->lock, flags);
	return got;
}

/* `all`: NULL or not. */
static long complete_on_kstack(void *completion, void *all)
{
	struct tutti_completion *c = completion;
	unsigned long flags;

	uk_spin_lock_irqsave(&c->lock, flags);
	if (all)
		c->done = FOREVER;
	else if (list_empty(&c->waiters) && c->done < FOREVER - 1)
		c->done++;
	while (!list_empty(&c->waiters)) {
		waiter_grant_locked(list_first(&c->waiters, struct waiter, node), &c->lock);
		if (!all)
			break;
	}
	uk_spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

/* ---- public ---- */

void tutti_completion_init(struct tutti_completion *c)
{
	spin_init_class(&c->lock, &completion_class);
	c->done = 0;
	list_init(&c->waiters);
}

void tutti_completion_wait(struct tutti_completion *c)
{
	uint64_t deadline = UINT64_MAX;

	sched_on_kstack(wait_on_kstack, c, &deadline);
}

int tutti_completion_wait_until(struct tutti_completion *c, __nsec deadline)
{
	uint64_t at = deadline < 0 ? 0 : (uint64_t)deadline;

	return (int)sched_on_kstack(wait_on_kstack, c, &at);
}

bool tutti_completion_try_wait(struct tutti_completion *c)
{
	return sched_on_kstack(try_wait_on_kstack, c, NULL) != 0;
}

void tutti_completion_complete(struct tutti_completion *c)
{
	sched_on_kstack(complete_on_kstack, c, NULL);
}

void tutti_completion_complete_all(struct tutti_completion *c)
{
	sched_on_kstack(complete_on_kstack, c, c);
}
