/* SPDX-License-Identifier: BSD-3-Clause */
/* The watchdog (see watchdog.c): for sched.c and init/. */
#pragma once

#include <stdbool.h>

#include "lib/util.h"
#include "sync/percpu.h"

/* need_resched: nobody wants a switch, but the watchdog wants to hear that preemption is on. */
#define RESCHED_WATCHDOG 2u

/* Boot CPU, after the timers: report what is stuck for `seconds`, and deadlocks; 0: neither. */
void watchdog_start(unsigned seconds);

void watchdog_busy_slow(void);
extern bool watchdog_cpus; /* [I] after watchdog_start(): CPUs are watched */

/* ---- for sched.c; interrupts off ---- */
/* The CPU switches: preemption was on. */
static inline void watchdog_switch(void)
{
	percpu_write(watch_tense, 0);
}

/* It goes from its idle thread to another. */
static inline void watchdog_busy(void)
{
	if (unlikely(!percpu_read(watch_armed)) && watchdog_cpus)
		watchdog_busy_slow();
}

/* Is this only for us? Then there is nothing to switch for. */
static inline bool watchdog_only(void)
{
	if (likely(percpu_read(need_resched) != RESCHED_WATCHDOG))
		return false;
	percpu_write(need_resched, 0);
	watchdog_switch();
	return true;
}

/* An interrupt from another CPU is being taken. */
static inline void watchdog_ipi(void)
{
	__atomic_store_n(&percpu_areas[cpu_id()].watch_beats, percpu_read(watch_beats) + 1, __ATOMIC_RELAXED);
}

/* The CPU has become idle (rcu_idle_enter()) and halts after this. Does not return if everything waits for ever. */
void watchdog_idle(void);
