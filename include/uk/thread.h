/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads, with the names of Unikraft 0.17 (uk/thread.h). A thread is opaque here: where Unikraft's structure has fields that
 * a program may read there is a function. What belongs to a scheduler's inside (bare threads and containers, their
 * initialisation and release, changing state flags by hand) is not there: threads are made by uk_sched_thread_create_*().
 *
 * Blocking is in two steps, as there: uk_thread_block(uk_thread_current()) announces it, the condition is looked at again,
 * uk_sched_yield() then sleeps unless uk_thread_wake() came in between, on whichever CPU. Wake-ups may be spurious.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uk/arch/types.h>

typedef __s64 __snsec;

struct uk_thread;

typedef void (*uk_thread_dtor_t)(struct uk_thread *);
typedef void (*uk_thread_fn0_t)(void) __attribute__((noreturn));
typedef void (*uk_thread_fn1_t)(void *) __attribute__((noreturn));
typedef void (*uk_thread_fn2_t)(void *, void *) __attribute__((noreturn));

/* Every thread here has them: extended state, a kernel stack besides its own, thread-local storage. */
#define UK_THREADF_ECTX	    0x001u
#define UK_THREADF_AUXSP    0x002u
#define UK_THREADF_UKTLS    0x004u
#define UK_THREADF_RUNNABLE 0x008u
#define UK_THREADF_EXITED   0x010u

/**
 * The calling thread.
 * Context: any after the scheduler's start; in an interrupt: the thread that it interrupted
 * Locks: none
 * Ownership: the pointer is good until the thread has exited
 * Errors: none
 * Source: Unikraft 0.17 uk/thread.h
 */
struct uk_thread *uk_thread_current(void);

/**
 * UK_THREADF_* of `t` at some moment of the call. The macros look at single ones, as the fields of Unikraft's structure.
 * Context: any
 * Locks: none
 * Ownership: `t` must not have exited, except that it may just be doing so
 * Errors: none
 */
unsigned int tutti_thread_flags(const struct uk_thread *t);

/**
 * Contract: as tutti_thread_flags()
 */
#define uk_thread_is_exited(t) ((tutti_thread_flags(t) & UK_THREADF_EXITED) != 0)
/**
 * Contract: as tutti_thread_flags()
 */
#define uk_thread_is_runnable(t) \
	((tutti_thread_flags(t) & (UK_THREADF_RUNNABLE | UK_THREADF_EXITED)) == UK_THREADF_RUNNABLE)
/**
 * Contract: as tutti_thread_flags()
 */
#define uk_thread_is_blocked(t) ((tutti_thread_flags(t) & (UK_THREADF_RUNNABLE | UK_THREADF_EXITED)) == 0)

/**
 * Name and private pointer that were given when the thread was created; NULL as private pointer of threads made otherwise.
 * Context: any
 * Locks: none
 * Ownership: `t` must not have exited; the name goes with it
 * Errors: none
 */
const char *tutti_thread_name(const struct uk_thread *t);
void *tutti_thread_priv(const struct uk_thread *t);

/**
 * Announce that the calling thread is going to sleep in its next uk_sched_yield(): for ever, for `nsec` nanoseconds, or until
 * `until` on the monotonic clock (0: for ever). A uk_thread_wake() from now on is not lost.
 * Context: thread; does not sleep. Until the yield the caller must not block in any other way
 * Locks: none
 * Ownership: `thread` must be the calling thread: another one cannot be stopped from outside, a violation ends the machine with a report
 * Errors: none
 * Source: Unikraft 0.17 uk/thread.h
 */
void uk_thread_block(struct uk_thread *thread);
void uk_thread_block_timeout(struct uk_thread *thread, __nsec nsec);
void uk_thread_block_until(struct uk_thread *thread, __snsec until);

/**
 * Make a thread runnable that has announced to block, or has blocked. It may run at once, on any CPU. Does nothing to others.
 * Context: any; does not sleep, may be preempted on return
 * Locks: run queue locks
 * Ownership: `thread` must not have exited before the call
 * Errors: none
 * Source: Unikraft 0.17 uk/thread.h
 */
void uk_thread_wake(struct uk_thread *thread);

/**
 * Address of another thread's instance of a thread-local variable.
 * Context: any
 * Locks: none
 * Ownership: `t` must not exit meanwhile; who reads and who writes is for the caller to settle
 * Errors: none
 * Source: Unikraft 0.17 uk/thread.h (an lvalue, as there)
 */
#define uk_thread_uktls_var(t, variable) (*(__typeof__(&(variable)))tutti_thread_tls_((t), &(variable)))
void *tutti_thread_tls_(const struct uk_thread *t, const void *mine);
