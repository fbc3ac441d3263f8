/* SPDX-License-Identifier: BSD-3-Clause */
/* The core of RCU (see rcu.c): for the trap path, the scheduler's idle loop and the thread that runs grace periods (sched/rcu.c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"
#include "sync/percpu.h"
#include "tutti/rcu.h"

enum rcu_cpu_state {
	RCU_OFFLINE, /* has not come yet: no readers */
	RCU_RUNNING, /* may have readers */
	RCU_OWES,    /* the same, and a grace period waits for its next quiescent state */
	RCU_IDLE,    /* halted or about to halt, no readers: nobody asks it */
};

/* Cold halves. */
void rcu_report(void);
void rcu_interrupt_slow(void);

/*
 * The calling CPU is in a quiescent state: it may be asked for one. Interrupts off, nothing locked: it may wake a thread. One
 * look at a word of this CPU.
 */
static inline void rcu_quiescent(void)
{
	if (unlikely(percpu_read(rcu_state) == RCU_OWES))
		rcu_report();
}

/*
 * At the beginning of each interrupt, in_irq raised: the handler may read, so an idle CPU is idle no more; and if it came to code with
 * preemption on, that is a quiescent state.
 */
static inline void rcu_interrupt(void)
{
	if (unlikely(percpu_read(rcu_state) >= RCU_OWES))
		rcu_interrupt_slow();
}

/* A CPU begins to take part. Its own, interrupts off. */
void rcu_cpu_online(void);
/*
 * The CPU is about to halt. Interrupts off. False: it must not, it has been asked for a quiescent state and gives it with rcu_quiescent()
 * before it looks at its queue once more (that may wake a thread which then waits there).
 */
bool rcu_idle_enter(void);
/* It goes on; an interrupt may have said so before. Interrupts off. */
void rcu_idle_leave(void);
/* Is CPU `cpu` idle? A full barrier. *seq: how often it has left that state; the same number twice: it was not left in between. */
bool rcu_cpu_idle(unsigned cpu, uint32_t *seq);

/* ---- for the one thread that runs grace periods ---- */
/* Begin one: ask all CPUs. Thread context, preemption on. */
void rcu_gp_begin(unsigned cpus);
/* Has it ended? Then all that read sections of before it have done happens before this. */
bool rcu_gp_done(void);
/* Has CPU `cpu` been asked, and not answered? */
bool rcu_owes(unsigned cpu);

/* ---- callbacks ---- */
/* Queue one. Any context. */
void rcu_push(struct tutti_rcu_head *head, void (*fn)(struct tutti_rcu_head *head));
/* Is there any? Sequentially consistent looks. */
bool rcu_any(unsigned cpus);
/* All that are queued, as a list: those of one CPU in the order of their calls. */
struct tutti_rcu_head *rcu_take(unsigned cpus);
