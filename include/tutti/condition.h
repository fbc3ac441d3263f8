/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Condition: threads that hold a mutex wait until another one says that something has changed.
 *
 *	uk_mutex_lock(&m);				uk_mutex_lock(&m);
 *	while (!ready)					ready = true;
 *		tutti_condition_wait(&c, &m);		tutti_condition_signal(&c);
 *	uk_mutex_unlock(&m);				uk_mutex_unlock(&m);
 *
 * All that wait at the same time use one mutex. Waiters are signalled in the order in which they came. A signalled waiter does not wake up
 * to find the mutex taken: it moves to the mutex's queue, and the unlock wakes it; so a broadcast wakes one at a time.
 */
#pragma once

#include "lib/list.h"
#include "uk/arch/types.h"
#include "uk/mutex.h"
#include "uk/spinlock.h"

struct tutti_condition {
	struct uk_spinlock lock; /* [I] guards the queue; not irq-safe */
	struct list waiters;	 /* [lock] struct mutex_waiter, oldest first */
	struct uk_mutex *mutex;	 /* [lock] theirs, while there are any */
};

#define TUTTI_CONDITION_INITIALIZER(name)             \
	{                                             \
		.waiters = LIST_INIT((name).waiters), \
	}

/**
 * A condition nobody waits for.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `c`, which must outlive every call with it
 * Errors: none
 */
void tutti_condition_init(struct tutti_condition *c);

/**
 * Unlocks `m` and sleeps until signalled, then locks it again; no signal that comes after the unlock is lost. Returns only
 * after a signal, but what was true then may not be any more: look again. `m` is locked once, not recursively.
 * Context: thread, may sleep; no spin lock held
 * Locks: `m` held on entry and on return
 * Ownership: caller keeps both
 * Errors: none
 */
void tutti_condition_wait(struct tutti_condition *c, struct uk_mutex *m) REQUIRES(m);

/**
 * The same, at most until the deadline (ns, monotonic clock); locking `m` again may take longer. 0 after a signal.
 * Context: thread, may sleep; no spin lock held
 * Locks: `m` held on entry and on return
 * Ownership: caller keeps both
 * Errors: -ETIMEDOUT: not signalled
 */
int tutti_condition_wait_until(struct tutti_condition *c, struct uk_mutex *m, __nsec deadline) REQUIRES(m);

/**
 * Signals the one that waits longest, or all that wait. Usually with the mutex held; without it the waiters' next look may come before.
 * Context: thread; does not sleep
 * Locks: takes its own spin lock, then that of the mutex's queue, then a run queue's
 * Ownership: caller keeps `c` until this returns
 * Errors: none
 */
void tutti_condition_signal(struct tutti_condition *c);
void tutti_condition_broadcast(struct tutti_condition *c);
