/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands for sync/percpu.h in tests/host/sync_rcu.c: a host thread plays a CPU, `host_cpu` is its area, seen by the others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct percpu {
	uint32_t preempt_count, in_irq, idx;
	uint32_t rcu_state, idle_seq;
} __attribute__((aligned(64)));

extern struct percpu percpu_areas[];
extern __thread struct percpu *host_cpu;

/* In the kernel one instruction that the compiler does not know. */
#define percpu_read(field) __atomic_load_n(&host_cpu->field, __ATOMIC_RELAXED)

static inline unsigned cpu_id(void)
{
	return percpu_read(idx);
}

static inline void preempt_disable(void)
{
	__atomic_store_n(&host_cpu->preempt_count, host_cpu->preempt_count + 1, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
}

static inline void preempt_enable(void)
{
	__asm__ volatile("" ::: "memory");
	__atomic_store_n(&host_cpu->preempt_count, host_cpu->preempt_count - 1, __ATOMIC_RELAXED);
}

static inline bool context_may_sleep(void)
{
	return !percpu_read(preempt_count) && !percpu_read(in_irq);
}
