/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The per-CPU area that GS points to, and the preemption count.
 *
 * Everything here is [c]: owned by its CPU. A field is read or changed by ONE gs-relative instruction, because between
 * two instructions the thread may be preempted and go on elsewhere. The thread's own fields (current, kstack_*) are the
 * same on whichever CPU it runs, so reading them needs no preemption-off section; `idx` does, unless a stale answer is
 * as good. `preempt_count` holds for the running context: it is always 1 across a context switch (the scheduler's own
 * section), so it never has to be saved.
 *
 * Larger per-CPU data of a module is an array indexed by CPU in that module.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct uk_thread;
struct trap_frame;

struct percpu {
	struct percpu *self;	   /* gs:0  [I] */
	struct uk_thread *current; /* gs:8  running thread */
	uintptr_t kstack_top;	   /* gs:16 top of current's kernel stack, 16-byte aligned */
	uintptr_t kstack_base;	   /* gs:24 its lowest address */
	uint32_t preempt_count;	   /* gs:32 > 0: no involuntary switch, no sleeping */
	uint32_t need_resched;	   /* gs:36 a switch is wanted when preempt_count is 0 again */
	uint32_t idx;		   /* gs:40 [I] logical CPU number, 0 is the boot CPU */
	uint32_t hw_id;		   /* gs:44 [I] local APIC id */
	uint32_t in_irq;	   /* gs:48 depth of device/timer/IPI handlers (not faults) */
	uint32_t online;	   /* gs:52 takes part in scheduling and shootdown */
	uint32_t irq_off;	   /* gs:56 host: interrupts are disabled on this CPU */
	uint32_t irq_pending;	   /* gs:60 [a] host: bits of interrupts that wait for it (arch/soft) */
	uint32_t rcu_state;	   /* gs:64 [a] enum rcu_cpu_state (sync/rcu.h) */
	uint32_t idle_seq;	   /* gs:68 [c to write, a to read] how often this CPU has left the idle state */
	/* the watchdog's (sched/watchdog.c): */
	uint32_t watch_tense; /* gs:72 ticks with preemption off, since it was seen on */
	uint32_t watch_beats; /* gs:76 [c to write, a to read] interrupts taken, as far as it counts them */
	uint32_t watch_armed; /* gs:80 [c to write, a to read] its tick is armed */
	uint32_t reserved;
	struct trap_frame *irq_frame; /* gs:88 of the last interrupt; good while in_irq is raised */
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct percpu, current) == 8, "assembly");
_Static_assert(offsetof(struct percpu, kstack_top) == 16, "assembly");
_Static_assert(offsetof(struct percpu, kstack_base) == 24, "assembly");
_Static_assert(offsetof(struct percpu, preempt_count) == 32, "assembly");
_Static_assert(offsetof(struct percpu, need_resched) == 36, "assembly");
_Static_assert(offsetof(struct percpu, in_irq) == 48, "assembly");
_Static_assert(offsetof(struct percpu, irq_off) == 56, "assembly");
_Static_assert(offsetof(struct percpu, irq_pending) == 60, "assembly");
_Static_assert(sizeof(struct percpu) == 128, "PERCPU_SIZE of arch/boot_abi.h: other CPUs find their areas by it");

/* One element per possible CPU; element 0 is usable from the first C instruction on. Defined in sync/percpu.c. */
extern struct percpu percpu_areas[];

#define percpu_read(field)                                             \
	({                                                             \
		__typeof__(((struct percpu *)0)->field) percpu_v_;     \
		__asm__ volatile("mov %%gs:%c1, %0"                    \
				 : "=r"(percpu_v_)                     \
				 : "i"(offsetof(struct percpu, field)) \
				 : "memory");                          \
		percpu_v_;                                             \
	})
#define percpu_write(field, v)                                                                                         \
	({                                                                                                             \
		__typeof__(((struct percpu *)0)->field) percpu_w_ = (v);                                               \
		__asm__ volatile("mov %0, %%gs:%c1" ::"r"(percpu_w_), "i"(offsetof(struct percpu, field)) : "memory"); \
	})

static inline struct uk_thread *current_thread(void)
{
	return percpu_read(current);
}

/* Stable only with preemption off. */
static inline unsigned cpu_id(void)
{
	return percpu_read(idx);
}

static inline void preempt_disable(void)
{
	__asm__ volatile("incl %%gs:%c0" ::"i"(offsetof(struct percpu, preempt_count)) : "memory");
}

/* Leaves the section without looking at need_resched: for code that is about to schedule or must not. */
static inline void preempt_enable_no_resched(void)
{
	__asm__ volatile("decl %%gs:%c0" ::"i"(offsetof(struct percpu, preempt_count)) : "memory");
}

/* Cold half of preempt_enable(): switches if interrupts are on and a switch is wanted. Defined in sync/percpu.c. */
void preempt_resched_slow(void);

static inline void preempt_enable(void)
{
	preempt_enable_no_resched();
	if (unlikely(percpu_read(need_resched)))
		preempt_resched_slow();
}

/* May this context sleep? Interrupts on, no spin lock held, not in a handler. */
bool context_may_sleep(void);
