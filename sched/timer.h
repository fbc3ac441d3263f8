/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-shot software timers, kept per CPU. The callback runs in this CPU's timer interrupt: it must not sleep. Arm
 * and cancel: any context. A timer is owned by whoever armed it; its memory must stay until cancel returned or it
 * fired.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/rbtree.h"

struct timer {
	struct rb_node node;	     /* [owning CPU's timer lock] */
	uint64_t deadline;	     /* ns, monotonic clock */
	void (*fn)(struct timer *t); /* [I] while armed */
	int cpu;		     /* [owning CPU's timer lock] CPU whose queue holds it, -1: not armed */
	int home;		     /* [a] CPU of the last timer_arm(), -1: never armed */
};

void timer_init(struct timer *t, void (*fn)(struct timer *));
/* On the calling CPU's queue. Not armed before. */
void timer_arm(struct timer *t, uint64_t deadline_ns);
/*
 * True: it had not fired and will not. False: it was not armed or has fired. On return its callback is not running
 * any more (this waits for one on another CPU, so hold no lock that the callback takes). Not from the callback
 * itself.
 */
bool timer_cancel(struct timer *t);
/* Runs due timers; earliest deadline left on this CPU or UINT64_MAX. Interrupts off; from the timer upcall. */
uint64_t timer_run_due(void);

/* ---- for sched.c: the end of the time slice shares the CPU's one-shot; interrupts off ---- */
/* Boot, before the first timer_arm(). */
void timer_subsystem_init(void);
/* The hardware timer has fired: forget what was programmed. */
void timer_hw_fired(void);
/* End of this CPU's slice, UINT64_MAX: none. Owned by the CPU. */
void timer_set_slice(uint64_t deadline_ns);
uint64_t timer_slice(void);
/* Program the one-shot for whichever comes first. */
void timer_program(void);
