/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting semaphore. Interface of Unikraft 0.17 (uk/semaphore.h), for every CPU; tutti_ names are additions. Waiters are served in the
 * order in which they came: a unit goes to the first of them and to nobody else. A down that gets a unit is an
 * acquire, an up a release operation.
 */
#pragma once

#include <stdbool.h>

#include "lib/list.h"
#include "lib/util.h"
#include "uk/arch/types.h"
#include "uk/spinlock.h"

struct uk_semaphore {
	long count;		 /* [a] units; -1: none, and somebody waits */
	struct uk_spinlock lock; /* [I] guards the queue; irq-safe */
	struct list waiters;	 /* [lock] struct waiter, oldest first */
};

#define UK_SEMAPHORE_INITIALIZER(name, n)                           \
	{                                                           \
		.count = (n), .waiters = LIST_INIT((name).waiters), \
	}

/* The halves that are not inline; not for others. */
void tutti_semaphore_down_slow_(struct uk_semaphore *s);
void tutti_semaphore_up_slow_(struct uk_semaphore *s);

/**
 * A semaphore with `count` units, at least 0.
 * Context: any
 * Locks: none
 * Ownership: caller keeps `s`, which must outlive every call with it
 * Errors: none
 * Source: Unikraft 0.17 uk/semaphore.h
 */
void uk_semaphore_init(struct uk_semaphore *s, long count);

/**
 * Units at this moment, a hint.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline long tutti_semaphore_count(const struct uk_semaphore *s)
{
	long c = __atomic_load_n(&s->count, __ATOMIC_RELAXED);

	return c < 0 ? 0 : c;
}

/**
 * Takes a unit if there is one: 1; else 0.
 * Context: any, interrupts too; does not sleep
 * Locks: none
 * Ownership: caller keeps `s`
 * Errors: none
 * Source: Unikraft 0.17 uk/semaphore.h
 */
static inline int uk_semaphore_down_try(struct uk_semaphore *s)
{
	long c = __atomic_load_n(&s->count, __ATOMIC_RELAXED);

	while (c > 0)
		/* acquire: pairs with the release of an up */
		if (__atomic_compare_exchange_n(&s->count, &c, c - 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return 1;
	return 0;
}

/**
 * Takes a unit, waiting as long as it takes.
 * Context: thread, may sleep; no spin lock held
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `s`
 * Errors: none
 * Source: Unikraft 0.17 uk/semaphore.h
 */
static inline void uk_semaphore_down(struct uk_semaphore *s)
{
#ifndef __TUTTI_LOCK_HOOKS__
	if (likely(uk_semaphore_down_try(s)))
		return;
#endif
	tutti_semaphore_down_slow_(s);
}

/**
 * The same for at most `timeout` ns, 0: no limit. The ns it took, or __NSEC_MAX if there was no unit in that time.
 * Context: thread, may sleep; no spin lock held
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `s`
 * Errors: __NSEC_MAX: timed out, no unit taken
 * Source: Unikraft 0.17 uk/semaphore.h
 */
__nsec uk_semaphore_down_to(struct uk_semaphore *s, __nsec timeout);

/**
 * The same until a deadline (ns, monotonic clock).
 * Context: thread, may sleep; no spin lock held
 * Locks: takes its own spin lock (irq-safe)
 * Ownership: caller keeps `s`
 * Errors: -ETIMEDOUT: no unit taken
 */
int tutti_semaphore_down_until(struct uk_semaphore *s, __nsec deadline);

/**
 * Adds a unit, or gives it to the one that waits longest.
 * Context: any, interrupts too; does not sleep
 * Locks: takes its own spin lock (irq-safe), then a run queue's
 * Ownership: caller keeps `s` until this returns
 * Errors: none; more than LONG_MAX units are the caller's fault
 * Source: Unikraft 0.17 uk/semaphore.h
 */
static inline void uk_semaphore_up(struct uk_semaphore *s)
{
	long c = __atomic_load_n(&s->count, __ATOMIC_RELAXED);

	while (likely(c >= 0))
		/* release: pairs with the acquire of a down */
		if (likely(__atomic_compare_exchange_n(&s->count, &c, c + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
			return;
	tutti_semaphore_up_slow_(s);
}
