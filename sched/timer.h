/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-shot software timers, kept per CPU. The callback runs in this CPU's timer interrupt: it must not sleep. A timer is
 * owned by whoever armed it; its memory must stay until cancel returned or it fired. Arm and cancel cost the same however
 * many timers are armed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/rbtree.h"

struct timer {
	union {
		struct rb_node node; /* [owning CPU's timer lock] while it is near */
		struct {
			struct timer *next;   /* [owning CPU's timer lock] while it is far */
			struct timer **pprev; /* [owning CPU's timer lock] what points to it */
		};
	};
	uint64_t deadline;	     /* ns, monotonic clock */
	void (*fn)(struct timer *t); /* [I] while armed */
	int cpu;		     /* [owning CPU's timer lock] CPU whose queue holds it, -1: not armed */
	int home;		     /* [a] CPU of the last timer_arm(), -1: never armed */
	uint16_t where;		     /* [owning CPU's timer lock] slot of the wheel, or one of the other places */
	bool background;	     /* [I] while armed: timer_any_armed() passes it by */
};

/*
 * Makes `t` an unarmed timer that will call fn(t). Context: any. Locks: none. Ownership: the caller's, who keeps the memory.
 * Errors: none.
 */
void timer_init(struct timer *t, void (*fn)(struct timer *));
/*
 * Arms `t`, which is not armed, on the calling CPU: fn(t) runs in this CPU's timer interrupt when the monotonic clock shows
 * `deadline_ns` or later, never before, and after all timers of this CPU that are due earlier. At once if that is past
 * already. Context: any. Locks: this CPU's timer lock (irq-safe, a leaf). Ownership: `t` must stay until it fired or was
 * cancelled. Errors: none.
 */
void timer_arm(struct timer *t, uint64_t deadline_ns);
/*
 * True: it had not fired and will not. False: it was not armed or has fired. On return its callback is not running any more
 * (this waits for one on another CPU, so hold no lock that the callback takes). Context: any but the callback itself. Locks:
 * the timer lock of the CPU it was armed on. Ownership: `t` is the caller's again. Errors: none.
 */
bool timer_cancel(struct timer *t);
/*
 * As timer_cancel() without the wait: 1 cancelled, 0 was not armed, -1 its callback is running (and nothing was changed). For
 * owners who hold a lock that the callback takes: they release it, relax, and try again.
 */
int timer_try_cancel(struct timer *t);
/*
 * Is a timer armed, or its callback running, on any CPU (those marked `background` not counted)? Each CPU is looked at in
 * turn under its lock: the answer is exact if no CPU arms or cancels meanwhile, as when all of them are idle with nothing to
 * run; then false means that no timer will ever wake anybody. Otherwise it was true or false of each CPU at some moment during
 * the call. Context: any but the holder of a timer lock. Errors: none.
 */
bool timer_any_armed(void);
/* Runs due timers; a time not after the earliest deadline left on this CPU, or UINT64_MAX. Interrupts off; from the timer upcall. */
uint64_t timer_run_due(void);

/* ---- for sched.c: the end of the time slice shares the CPU's one-shot; interrupts off ---- */
/* Boot, before the first timer_arm(); ends the boot if there is no memory for the wheels. */
void timer_subsystem_init(void);
/* The hardware timer has fired: forget what was programmed. */
void timer_hw_fired(void);
/* End of this CPU's slice, UINT64_MAX: none. Owned by the CPU. */
void timer_set_slice(uint64_t deadline_ns);
uint64_t timer_slice(void);
/* Program the one-shot for whichever comes first. */
void timer_program(void);
