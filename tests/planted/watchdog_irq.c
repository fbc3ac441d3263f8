// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2 append=tutti.watchdog=1 expect-report='^watchdog: CPU [01] is stuck: interrupts have been off(.*\n)+.*stuck_here' timeout=60
/*
 * Planted here: a CPU that is stuck with interrupts off. A lock is taken that way and what is waited for never comes. The other CPU computes,
 * sends interrupts that are not taken, and reports.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

static struct uk_spinlock lock = UK_SPINLOCK_INITIALIZER();
static uint32_t never, there;

__attribute__((noinline)) static void stuck_here(void)
{
	__atomic_store_n(&there, 1, __ATOMIC_RELEASE);
#ifdef FIXED
	__atomic_store_n(&never, 1, __ATOMIC_RELAXED);
#endif
	while (!__atomic_load_n(&never, __ATOMIC_RELAXED))
		check_pause();
}

static void *holder(void *arg)
{
	unsigned long flags;

	check_pin(1);
	uk_spin_lock_irqsave(&lock, flags);
	stuck_here();
	uk_spin_unlock_irqrestore(&lock, flags);
	return arg;
}

int main(void)
{
	pthread_t t = check_spawn(holder, NULL);

	check_pin(0);
	while (!__atomic_load_n(&there, __ATOMIC_ACQUIRE) || !__atomic_load_n(&never, __ATOMIC_RELAXED))
		check_pause();
	check_join(t);
	return 0;
}
