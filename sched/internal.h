/* SPDX-License-Identifier: BSD-3-Clause */
/* Between sched.c (run queues) and thread.c (life of a thread). Not for other modules. */
#pragma once

#include <stdbool.h>

#include "sched/sched.h"

/* May `t` run on `cpu`? Sequentially consistent: the affinity protocol (thread.c) rests on it. */
static inline bool sched_allowed(const struct uk_thread *t, unsigned cpu)
{
	return (__atomic_load_n(&t->affinity.w[cpu / 64], __ATOMIC_SEQ_CST) >> (cpu % 64)) & 1;
}

/*
 * Queue a runnable thread that is on no queue and on no CPU. `spread`: to the least loaded CPU rather than its last
 * one.
 */
void sched_place(struct uk_thread *t, bool spread);
/* Give up the CPU and stay runnable; moves if this CPU is not allowed any more. Thread context. */
void sched_requeue_self(void);
/*
 * If `t` waits in the queue of a CPU outside its affinity, queue it elsewhere. Runs on `cpu`? Then ask that CPU to
 * let go.
 */
void sched_evict(struct uk_thread *t, unsigned cpu);
/* First code of every thread but the idle ones. */
void sched_thread_entry(void *from, void *arg) __attribute__((noreturn));

/* thread.c: the last CPU has left the exited thread's stack. */
void thread_reap(struct uk_thread *t);
/* thread.c: fill in a thread that needs no memory from here; idle ones stay off the lists. */
void thread_setup(struct uk_thread *t, const char *name, uintptr_t kstack_base, uintptr_t kstack_top);
/* thread.c: take up a thread that is running already (the boot context). */
void thread_adopt(struct uk_thread *t);
struct uk_thread *thread_alloc_idle(unsigned cpu);
