/* SPDX-License-Identifier: BSD-3-Clause */
/* Types of wait queues, and their initializers: uk/wait.h. Names as in Unikraft 0.17 (uk/wait_types.h). */
#pragma once

#include "lib/list.h"
#include "uk/spinlock.h"

struct uk_thread;

/* tutti's own (sched/waitq.h). */
struct waitq {
	struct uk_spinlock lock; /* irq-safe */
	struct list waiters;	 /* [lock] of struct waitq_entry, oldest first */
};

struct waitq_entry {
	struct list node;	  /* [wq lock] */
	struct uk_thread *thread; /* [I] */
};

struct uk_waitq {
	struct waitq q;
};

struct uk_waitq_entry {
	struct waitq_entry e;
};

/* Without a class of tutti's own: a program's queue gets one from its address (sync/lock_hooks.h). */
#define UK_WAIT_QUEUE_INITIALIZER(name)                                                            \
	{                                                                                          \
		{                                                                                  \
			.lock = UK_SPINLOCK_INITIALIZER(), .waiters = LIST_INIT((name).q.waiters), \
		}                                                                                  \
	}
#define __WAIT_QUEUE_INITIALIZER(name) UK_WAIT_QUEUE_INITIALIZER(name)
#define DEFINE_WAIT_QUEUE(name)	       struct uk_waitq name = UK_WAIT_QUEUE_INITIALIZER(name)

/* An entry of the calling thread, in thread context. */
#define DEFINE_WAIT(name) \
	struct uk_waitq_entry name = { { .node = LIST_INIT((name).e.node), .thread = current_thread() } }
