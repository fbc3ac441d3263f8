// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 append=tutti.watchdog=1 expect-report='^watchdog: CPU [01] is stuck: preemption has been off(.*\n)+.*stuck_here' timeout=120
/*
 * Planted here: a read section of RCU that does not end: preemption stays off, interrupts are taken. The CPU finds out itself.
 */
#include <tutti/rcu.h>

#include "../guest/check.h"

static uint32_t never;

__attribute__((noinline)) static void stuck_here(void)
{
#ifdef FIXED
	__atomic_store_n(&never, 1, __ATOMIC_RELAXED);
#endif
	while (!__atomic_load_n(&never, __ATOMIC_RELAXED))
		check_pause();
}

int main(void)
{
	tutti_rcu_read_lock();
	stuck_here();
	tutti_rcu_read_unlock();
	return 0;
}
