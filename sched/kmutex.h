/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mutex that sleeps, for the kernel's own longer sections (console, files). Not recursive, owned by a thread,
 * released by its owner; who waits spins for a moment, then sleeps; a release wakes one waiter, which competes with
 * newcomers for the lock. Thread context with preemption on. Lock is an acquire, unlock a release operation. The
 * mutex must outlive its last unlock call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sched/waitq.h"

struct kmutex {
	struct uk_thread *owner; /* [a] NULL: free */
	uint32_t waiters;	 /* [a] threads in kmutex_lock_slow() */
	struct waitq wq;
};

#define KMUTEX_INIT(name)                   \
	{                                   \
		.wq = WAITQ_INIT((name).wq) \
	}

static inline void kmutex_init(struct kmutex *m)
{
	m->owner = NULL;
	m->waiters = 0;
	waitq_init(&m->wq);
}

void kmutex_lock_slow(struct kmutex *m);

static inline bool kmutex_trylock(struct kmutex *m)
{
	struct uk_thread *free = NULL;

	/*
	 * SEQ_CST: acquire (pairs with the store in kmutex_unlock()), and ordered after `waiters` in
	 * kmutex_lock_slow()
	 */
	return __atomic_compare_exchange_n(&m->owner, &free, current_thread(), false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static inline void kmutex_lock(struct kmutex *m)
{
	if (unlikely(!kmutex_trylock(m)))
		kmutex_lock_slow(m);
}

static inline void kmutex_unlock(struct kmutex *m)
{
	/* SEQ_CST: either a waiter's trylock comes after it, or its count is seen here (store buffering). */
	__atomic_store_n(&m->owner, NULL, __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&m->waiters, __ATOMIC_SEQ_CST)))
		waitq_wake_one(&m->wq);
}

static inline bool kmutex_is_mine(const struct kmutex *m)
{
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == current_thread();
}
