/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-copy-update: readers that take no lock and write nothing, writers that wait until nobody can see the old version.
 *
 *	reader						writer (writers exclude each other by a lock of their own)
 *	tutti_rcu_read_lock();				new = ...; fill it in;
 *	p = tutti_rcu_dereference(head);		old = head;
 *	use *p;						tutti_rcu_assign_pointer(head, new);
 *	tutti_rcu_read_unlock();			tutti_rcu_call(&old->rcu, free_it);
 *
 * A read section is a section with preemption off, so nesting is free, and whatever has preemption off for another reason (a spin lock
 * held), has interrupts off, or is an interrupt handler is a read section, too. It never sleeps. A grace period has passed when every
 * CPU has been seen with preemption on once (sync/rcu.c). McKenney and Slingwine, "Read-Copy Update: Using Execution History to Solve
 * Concurrency Problems", 1998.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "sync/lock_hooks.h"
#include "sync/percpu.h"

/* Part of an object that is to be freed by tutti_rcu_call(). */
struct tutti_rcu_head {
	struct tutti_rcu_head *next;		 /* [RCU's, between call and callback] */
	void (*fn)(struct tutti_rcu_head *head); /* likewise */
};

/**
 * Begin a read section: what tutti_rcu_dereference() returns in it is not freed before it ends. One instruction on memory of this
 * CPU, no atomic, no shared write. Nests.
 * Context: any
 * Locks: none; preemption is off until the matching unlock, so nothing in between may sleep
 * Ownership: none
 * Errors: none
 */
static inline void tutti_rcu_read_lock(void)
{
	preempt_disable();
	lock_hook_rcu_lock();
}

/**
 * End a read section. A switch that was wanted meanwhile happens here.
 * Context: any; the one that began the section
 * Locks: none
 * Ownership: pointers got in the section are not good any more
 * Errors: none
 */
static inline void tutti_rcu_read_unlock(void)
{
	lock_hook_rcu_unlock();
	preempt_enable();
}

/**
 * True inside a read section of any kind: preemption off, interrupts off, or in an interrupt handler. For assertions.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
bool tutti_rcu_read_held(void);

/**
 * The value of the pointer `p`, an lvalue that writers change with tutti_rcu_assign_pointer(): what was written to the object
 * before it was published is seen.
 * Context: any; in a read section, or with the writers' lock held
 * Locks: none
 * Ownership: the object is good until the read section ends
 * Errors: none
 */
#define tutti_rcu_dereference(p) \
	__atomic_load_n(&(p), __ATOMIC_ACQUIRE) /* pairs with the release in tutti_rcu_assign_pointer() */

/**
 * Publish: set the pointer `p`, an lvalue, to `v`. All that was written to *v before is seen by readers that see `v`.
 * Context: any
 * Locks: the writers' own lock, which excludes other writers of `p`
 * Ownership: *v belongs to the readers too, until it is taken out and a grace period has passed
 * Errors: none
 */
#define tutti_rcu_assign_pointer(p, v) \
	__atomic_store_n(&(p), (v), __ATOMIC_RELEASE) /* pairs with the acquire in tutti_rcu_dereference() */

/**
 * Call fn(head) once a grace period has passed: all read sections that began before this call have ended by then. The callback runs in a
 * kernel thread, with preemption on, in order with others of the same CPU; it must not sleep and must not use uk_malloc() or
 * the malloc family, nor thread-local storage: it has none. It may call tutti_rcu_call() again.
 * Context: any; does not sleep
 * Locks: none for the first half, which is one compare-and-swap; may take a run queue's to wake the thread (irq-safe)
 * Ownership: *head is RCU's until fn gets it back
 * Errors: none
 */
void tutti_rcu_call(struct tutti_rcu_head *head, void (*fn)(struct tutti_rcu_head *head));

/**
 * Wait for a grace period: on return all read sections that began before the call have ended. Takes microseconds where other CPUs
 * switch or idle, and some milliseconds where one computes without a switch. Grace periods are shared: many callers at once cost one or two.
 * Context: thread, may sleep; not in a read section
 * Locks: none may be held that spin
 * Ownership: none
 * Errors: none
 */
void tutti_rcu_synchronize(void);

/**
 * Wait until all callbacks that were given to tutti_rcu_call() before, by anybody, have run: for whoever wants to take the memory of their
 * objects, or their code, away.
 * Context: thread, may sleep; not in a read section, not in a callback
 * Locks: none may be held that a callback takes
 * Ownership: none
 * Errors: none
 */
void tutti_rcu_barrier(void);
