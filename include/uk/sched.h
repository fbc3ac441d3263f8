/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler, with the names of Unikraft 0.17 (uk/sched.h). There is one, it runs on every CPU, and it is running before a program
 * begins: the argument `s` is always uk_sched_current(), or NULL. Its operations are not a table to be replaced, so what
 * is for those who write schedulers (uk_sched_start, _register, thread_add, thread_remove, thread_blocked, thread_woken and
 * the structure's fields) is not there.
 *
 * Threads made here have an application stack and a complete thread-local storage, may use libc and allocate, take no signals, and do not
 * keep the program alive.
 */
#pragma once

#include <uk/thread.h>

struct uk_sched;

/**
 * The scheduler.
 * Context: any
 * Locks: none
 * Ownership: static
 * Errors: none
 * Source: Unikraft 0.17 uk/sched.h
 */
struct uk_sched *uk_sched_current(void);

/**
 * Let others run that are as urgent or more. After uk_thread_block(): sleep until woken or until the time given there. Ends the calling
 * thread if uk_sched_thread_terminate() was called for it.
 * Context: thread, may sleep; preemption and interrupts on
 * Locks: run queue locks; the caller holds no spin lock
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/sched.h
 */
void uk_sched_yield(void);

/**
 * Create a thread that runs fn and start it. stack_len: bytes of its stack (0: 64 KiB); it grows into no guard page silently. auxstack_len,
 * no_uktls, no_ectx: every thread has all of these, whatever is asked for. `dtor` (may be NULL) is called by the thread itself as its last
 * act. fn does not return; if it does, the thread exits.
 * Context: thread, may sleep; after main() or constructors have begun
 * Locks: memory and thread list locks; the caller holds no spin lock
 * Ownership: the thread is its own; the pointer is good until it exits, which may be at once: who needs it longer keeps the thread from exiting. `name` is copied (23 bytes)
 * Errors: NULL if there is no memory or no thread
 * Source: Unikraft 0.17 uk/sched.h
 */
struct uk_thread *uk_sched_thread_create_fn0(struct uk_sched *s, uk_thread_fn0_t fn0, size_t stack_len,
					     size_t auxstack_len, bool no_uktls, bool no_ectx, const char *name,
					     void *priv, uk_thread_dtor_t dtor);
struct uk_thread *uk_sched_thread_create_fn1(struct uk_sched *s, uk_thread_fn1_t fn1, void *argp, size_t stack_len,
					     size_t auxstack_len, bool no_uktls, bool no_ectx, const char *name,
					     void *priv, uk_thread_dtor_t dtor);
struct uk_thread *uk_sched_thread_create_fn2(struct uk_sched *s, uk_thread_fn2_t fn2, void *argp0, void *argp1,
					     size_t stack_len, size_t auxstack_len, bool no_uktls, bool no_ectx,
					     const char *name, void *priv, uk_thread_dtor_t dtor);

/**
 * Contract: as uk_sched_thread_create_fn1()
 */
#define uk_sched_thread_create(s, fn1, argp, name) \
	uk_sched_thread_create_fn1((s), (fn1), (void *)(argp), 0, 0, false, false, (name), NULL, NULL)

/**
 * Sleep for `nsec` nanoseconds at least; signals do not end it.
 * Context: thread, may sleep
 * Locks: run queue and timer locks; the caller holds no spin lock
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/sched.h
 */
void uk_sched_thread_sleep(__nsec nsec);

/**
 * End the calling thread: destructors of thread-specific data, `dtor`, then its stack goes. A thread of pthread_create() or the main one
 * ends as by pthread_exit(NULL).
 * Context: thread, may sleep
 * Locks: none held
 * Ownership: pointers to the thread are no good afterwards
 * Errors: does not return
 * Source: Unikraft 0.17 uk/sched.h
 */
void uk_sched_thread_exit(void) __attribute__((noreturn));

/**
 * End another thread at the next point where it yields, sleeps or blocks by these interfaces (those are the only ones at which
 * Unikraft's could be hit); at once if it is the caller. Returns without waiting for that.
 * Context: thread; does not sleep, unless it ends the caller
 * Locks: run queue locks
 * Ownership: `thread` was made by uk_sched_thread_create_*() and has not exited
 * Errors: none
 * Source: Unikraft 0.17 uk/sched.h
 */
void uk_sched_thread_terminate(struct uk_thread *thread);

/**
 * The idle thread of the CPU with number `proc_id`, or NULL if there is no such CPU.
 * Context: any
 * Locks: none
 * Ownership: static
 * Errors: NULL
 * Source: Unikraft 0.17 uk/sched.h
 */
const struct uk_thread *uk_sched_idle_thread(struct uk_sched *s, unsigned int proc_id);

/**
 * Next thread after `t` in order of creation numbers, NULL: the first; for uk_sched_foreach_thread(). Threads that come or go meanwhile may
 * be met or not. The one returned is kept from being freed until the calling thread's next call.
 * Context: thread; does not sleep
 * Locks: thread list lock
 * Ownership: see above; the loop may be left at any time
 * Errors: NULL at the end
 */
struct uk_thread *tutti_sched_next_thread(struct uk_thread *t);
/**
 * Contract: as tutti_sched_next_thread()
 */
#define uk_sched_foreach_thread(sched, itr) \
	for ((void)(sched), (itr) = tutti_sched_next_thread(NULL); (itr); (itr) = tutti_sched_next_thread(itr))
/**
 * Contract: as tutti_sched_next_thread()
 */
#define uk_sched_foreach_thread_safe(sched, itr, tmp) uk_sched_foreach_thread((((void)(tmp)), (sched)), itr)

/**
 * One line per thread in the kernel's log; from level 3 (warning) on they are always seen, else with --verbose.
 * Context: thread; does not sleep
 * Locks: thread list lock
 * Ownership: none
 * Errors: none
 * Source: Unikraft 0.17 uk/sched.h
 */
void uk_sched_dumpk_threads(int klvl, struct uk_sched *s);

/**
 * Contract: as uk_sched_thread_terminate()
 */
#define uk_thread_terminate(thread) uk_sched_thread_terminate(thread)
/**
 * Contract: as uk_sched_thread_exit()
 */
#define uk_thread_exit() uk_sched_thread_exit()
