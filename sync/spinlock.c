// SPDX-License-Identifier: BSD-3-Clause
/*
 * Contended half of uk_spin_lock(): test-and-test-and-set with bounded exponential back-off (Anderson, 1990). Waiters read
 * a shared copy of the line and go for the lock only when it looks free. There is no queue, so a virtual CPU that the host
 * has taken off its core delays nobody but itself unless it holds the lock.
 *
 * Enters with preemption off and leaves with the lock held; the acquire pairs with the release store in uk_spin_unlock().
 * Interrupts stay as the caller has them. Any context; no memory needed. Not fair: the limit of this release.
 */
#include "uk/spinlock.h"

#include <arch/cpu.h>

#include "config.h"

/* In a replayed run each turn hands on the baton: one is enough. */
#define BACKOFF_MAX (config_replay ? 1u : 64u)

__noinline void uk_spin_lock_slow(struct uk_spinlock *l)
{
	unsigned wait = 1;

	do {
		do {
			for (unsigned i = 0; i < wait; i++)
				arch_cpu_relax();
			if (wait < BACKOFF_MAX)
				wait *= 2;
		} while (uk_spin_is_locked(l));
	} while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE));
}
