/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fake for host tests: a host thread plays a CPU. Its per-CPU area is thread-local; `idx` is given out in order of first
 * use (wraps at CONFIG_MAX_CPUS) or set by fake_set_cpu(). Preemption is only counted, so that a test can assert
 * fake_preempt_count() == 0. What sync/ would define (uk_spin_lock_slow and the like) is defined here, weak.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "lib/util.h"

struct uk_thread;
struct uk_spinlock;

struct percpu {
	struct percpu *self;
	struct uk_thread *current;
	uintptr_t kstack_top;
	uintptr_t kstack_base;
	uint32_t preempt_count;
	uint32_t need_resched;
	uint32_t idx;
	uint32_t hw_id;
	uint32_t in_irq;
	uint32_t online;
} __attribute__((aligned(64)));

__attribute__((weak)) __thread struct percpu fake_percpu;
__attribute__((weak)) uint32_t fake_next_cpu;

static inline void fake_set_cpu(unsigned idx)
{
	fake_percpu.self = &fake_percpu;
	fake_percpu.idx = idx;
	fake_percpu.hw_id = idx;
	fake_percpu.online = 1;
}

static inline struct percpu *fake_this_cpu(void)
{
	if (!fake_percpu.self)
		fake_set_cpu(__atomic_fetch_add(&fake_next_cpu, 1, __ATOMIC_RELAXED) % CONFIG_MAX_CPUS);
	return &fake_percpu;
}

static inline uint32_t fake_preempt_count(void)
{
	return fake_percpu.preempt_count;
}

#define percpu_read(field)     (fake_this_cpu()->field)
#define percpu_write(field, v) ((void)(fake_this_cpu()->field = (v)))

static inline struct uk_thread *current_thread(void)
{
	return percpu_read(current);
}

static inline unsigned cpu_id(void)
{
	return percpu_read(idx);
}

static inline void preempt_disable(void)
{
	fake_percpu.preempt_count++;
	__asm__ volatile("" ::: "memory");
}

static inline void preempt_enable_no_resched(void)
{
	__asm__ volatile("" ::: "memory");
	fake_percpu.preempt_count--;
}

void preempt_resched_slow(void);
__attribute__((weak)) void preempt_resched_slow(void)
{
}

static inline void preempt_enable(void)
{
	preempt_enable_no_resched();
	if (unlikely(percpu_read(need_resched)))
		preempt_resched_slow();
}

bool context_may_sleep(void);
__attribute__((weak)) bool context_may_sleep(void)
{
	return fake_percpu.preempt_count == 0 && fake_percpu.in_irq == 0;
}

#ifndef FAKE_SPIN_REAL /* a test that has sync/spinlock.c in it */
/* More threads than processors: a waiter gives its time slice away instead of spinning through it. */
void uk_spin_lock_slow(struct uk_spinlock *l);
__attribute__((weak)) void uk_spin_lock_slow(struct uk_spinlock *l)
{
	volatile uint32_t *word = (volatile uint32_t *)l;

	do {
		while (__atomic_load_n(word, __ATOMIC_RELAXED))
			sched_yield();
	} while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE));
}
#endif
