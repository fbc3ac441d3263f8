// SPDX-License-Identifier: BSD-3-Clause
/*
 * Waiting for a grant (sched/waiter.h, where objects, states and the argument are): spin, then sleep.
 *
 * The spin is for a grant that is on its way from another CPU: a few hundred looks at a word of the waiter's own, which nobody
 * else reads; it ends when this CPU has something else to do, and is left out on a machine with one CPU. It takes no part in
 * the argument against lost wake-ups: the loop that sleeps looks again.
 *
 * Thread context, preemption on. No locks, no memory, nothing to run out of.
 */
#include "sched/waiter.h"

#include "plat/plat.h"
#include "sync/spin.h"

#define SPIN_LOOKS (config_replay ? 2u : 300u)

static bool granted(const struct waiter *w)
{
	/* pairs with the release in waiter_grant_locked() */
	return __atomic_load_n(&w->granted, __ATOMIC_ACQUIRE) != 0;
}

void waiter_wait(struct waiter *w, uint64_t deadline)
{
	unsigned looks = 0;

	UK_ASSERT(context_may_sleep());
	if (sched_online_count() > 1)
		while (looks < SPIN_LOOKS && !granted(w) && !percpu_read(need_resched))
			spin_wait(&looks);
	while (!granted(w)) {
		thread_prepare_block();
		if (__atomic_load_n(&w->granted, __ATOMIC_SEQ_CST) ||
		    (deadline != UINT64_MAX && plat_monotonic_ns() >= deadline)) {
			thread_cancel_block();
			return;
		}
		thread_block_until(deadline);
	}
}
