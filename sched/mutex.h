/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of a mutex, between mutex.c and condition.c, which moves its waiters there. Not for other modules. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "uk/mutex.h"

struct mutex_waiter {
	struct list node;	  /* [lock of the queue it is in] */
	struct uk_thread *thread; /* [I] */
	uint32_t asleep;	  /* [mutex's lock] sleeps or is about to, and nobody has woken it yet */
	uint32_t passed;	  /* [mutex's lock] unlocks that passed it over since it was first */
	uint32_t on_mutex; /* [a] condition.c: it is in the mutex's queue, and stays there until it is the owner */
};

/* What a thread that holds nothing of `m` does to get it. 0, or -ETIMEDOUT at the deadline (ns, UINT64_MAX: none). Kernel stack. */
int mutex_lock_until(struct uk_mutex *m, uint64_t deadline) TRY_ACQUIRES(0, m);
void mutex_unlock(struct uk_mutex *m) RELEASES(m);
/* A sleeping waiter of a condition joins the queue; whoever unlocks next wakes it in its turn, or this does, if nobody holds the mutex. */
void mutex_requeue(struct uk_mutex *m, struct mutex_waiter *e) EXCLUDES(m->lock);
/* The rest of the way for a waiter that was put there by mutex_requeue(). */
void mutex_lock_requeued(struct uk_mutex *m, struct mutex_waiter *e) ACQUIRES(m);
