/* SPDX-License-Identifier: BSD-3-Clause */
/* Between sched.c (run queues) and thread.c (life of a thread). Not for other modules. */
#pragma once

#include <stdbool.h>

#include "lib/util.h"
#include "sched/sched.h"

/* May `t` run on `cpu`? Sequentially consistent: the affinity protocol (thread.c) rests on it. */
static inline bool sched_allowed(const struct uk_thread *t, unsigned cpu)
{
	return (__atomic_load_n(&t->affinity.w[cpu / 64], __ATOMIC_SEQ_CST) >> (cpu % 64)) & 1;
}

/* uk_thread.params. Read and written whole, so what belongs together is seen together. */
#define PARAMS_BOOST(w)	 ((w)&0xffu)
#define PARAMS_RT(w)	 ((w) >> 8 & 0x7f)
#define PARAMS_NICE(w)	 ((int)((w) >> 16 & 0x3f) - 20)
#define PARAMS_POLICY(w) ((w) >> 24 & 7)
#define PARAMS_RESET	 (1u << 28)
#define PARAMS_WORD(boost, rt, nice, policy) \
	((uint32_t)(boost) | (uint32_t)(rt) << 8 | (uint32_t)((nice) + 20) << 16 | (uint32_t)(policy) << 24)
#define PARAMS_DEFAULT PARAMS_WORD(THREAD_PRIO_NONE, 0, 0, THREAD_OTHER)

static inline uint32_t params_base(uint32_t w)
{
	return PARAMS_RT(w) ? 99u - PARAMS_RT(w) : (uint32_t)(120 + PARAMS_NICE(w));
}

static inline uint32_t params_prio(uint32_t w)
{
	return MIN(params_base(w), PARAMS_BOOST(w));
}

/* Where and how a runnable thread is queued. */
enum sched_how {
	SCHED_HOW_WOKEN,   /* it has slept */
	SCHED_HOW_START,   /* new: to the least loaded CPU rather than its last one */
	SCHED_HOW_MOVED,   /* it was running or queued elsewhere: real-time ones go before their equals */
	SCHED_HOW_YIELDED, /* it was running, and is to be behind its equals */
};

/* Queue a runnable thread that is on no queue and on no CPU. Preemption off. */
void sched_place(struct uk_thread *t, enum sched_how how);
/* t->params have changed: put it where it belongs now. Any context. */
void sched_params_changed(struct uk_thread *t);
/* Give up the CPU and stay runnable; moves if this CPU is not allowed any more. Thread context. */
void sched_requeue_self(void);
/*
 * If `t` waits in the queue of a CPU outside its affinity, queue it elsewhere. Runs on `cpu`? Then ask that CPU to
 * let go.
 */
void sched_evict(struct uk_thread *t, unsigned cpu);
/* Are all configured CPUs online? Any context. */
bool sched_all_online(void);
/* Does a runnable thread wait in the queue of any CPU? For the watchdog, while all CPUs are idle. */
bool sched_any_queued(void);
/* First code of every thread but the idle ones. */
void sched_thread_entry(void *from, void *arg) __attribute__((noreturn));

/* thread.c: the last CPU has left the exited thread's stack. */
void thread_reap(struct uk_thread *t);
/* thread.c: fill in a thread that needs no memory from here; idle ones stay off the lists. */
void thread_setup(struct uk_thread *t, const char *name, uintptr_t kstack_base, uintptr_t kstack_top);
/* thread.c: take up a thread that is running already (the boot context). */
void thread_adopt(struct uk_thread *t);
struct uk_thread *thread_alloc_idle(unsigned cpu);
