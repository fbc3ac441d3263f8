/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands for sync/percpu.h where a tutti thread is a host thread and a virtual CPU is handed from one to the next by
 * arch_switch(): `host_cpu` is the per-CPU area of the virtual CPU that the calling host thread has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "lib/util.h"

struct uk_thread;
struct trap_frame;

struct percpu {
	struct uk_thread *current;
	uintptr_t kstack_top, kstack_base;
	uint32_t preempt_count, need_resched, idx, in_irq, online;
	uint32_t irq_on;
	uint32_t rcu_state, idle_seq, watch_tense, watch_beats, watch_armed;
	struct trap_frame *irq_frame;
};

extern struct percpu percpu_areas[];
extern __thread struct percpu *host_cpu;

#define percpu_read(field)     (host_cpu->field)
#define percpu_write(field, v) ((void)(host_cpu->field = (v)))

/* Not inlined: the host thread may get another virtual CPU between two calls. */
struct uk_thread *host_current(void);
static inline struct uk_thread *current_thread(void)
{
	return host_current();
}

static inline unsigned cpu_id(void)
{
	return percpu_read(idx);
}

static inline void preempt_disable(void)
{
	host_cpu->preempt_count++;
}

static inline void preempt_enable_no_resched(void)
{
	host_cpu->preempt_count--;
}

void preempt_resched_slow(void);

static inline void preempt_enable(void)
{
	preempt_enable_no_resched();
	if (unlikely(percpu_read(need_resched)))
		preempt_resched_slow();
}

bool context_may_sleep(void);
