/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads and the scheduler.
 *
 * Each CPU has a run queue with its own lock (irq-safe); nothing global is taken on the switch path. A thread is
 * woken to its last CPU if that is idle, else to an idle one, else queued on its last CPU while that one's cache is
 * warm; idle CPUs steal before they halt. Order within a queue: sched/runq.h.
 *
 * Blocking protocol: `state` is RUNNING, BLOCKING, BLOCKED or EXITED.
 *	thread_prepare_block();			state = BLOCKING (seq_cst)
 *	check the condition again, or queue oneself under the lock that the waker takes
 *	thread_block();  or  thread_cancel_block();
 * A wake-up between the two turns BLOCKING back into RUNNING, so thread_block() returns at once: no wake-up is
 * lost. thread_wake() may be called by any context on any CPU; spurious wake-ups are possible, so callers loop on
 * their condition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/context.h>

#include "lib/list.h"
#include "sched/runq.h"
#include "sync/cpumask.h"
#include "sync/lock_hooks.h"
#include "uk/spinlock.h"

enum thread_state {
	THREAD_RUNNING,	 /* running, queued, or on its way into a queue */
	THREAD_BLOCKING, /* still running or queued, has announced that it wants to block */
	THREAD_BLOCKED,	 /* on no queue; whoever turns it into RUNNING queues it */
	THREAD_EXITED,
	THREAD_NEW, /* created, not started: wake-ups pass it by */
};

/* thread_flags: looked at by the system-call stub on the way back to application code. */
#define TF_SIGPENDING (1u << 0) /* an unblocked signal may be pending */

struct uk_thread {
	struct arch_context ctx;  /* saved while not running */
	uintptr_t kstack_base;	  /* [I] */
	uint32_t flags;		  /* [a] TF_*, at a fixed offset for assembly */
	int state;		  /* [a] enum thread_state */
	struct lock_thread locks; /* [c] the lock validator's, at a fixed offset; of no size without it */
	int on_cpu;		  /* [a] 1 while a CPU executes it, until the switch away is complete */
	int last_cpu;		  /* [a] */
	int tid;		  /* [I] */
	int is_idle;		  /* [I] */
	struct runq_entity ent;	  /* [lock of the queue it is in; of its CPU's while it runs] */
	int on_rq;		  /* [a] CPU + 1 whose queue it is in, 0: none; changes under that queue's lock */
	uint32_t params;	  /* [a] policy, priorities and boost in one word (internal.h) */
	uint32_t params_used;	  /* [as ent] the value that `ent` was filled from */
	int kstack_owned;	  /* [I] stack came from mm_kstack_alloc() */
	uintptr_t kstack_top;	  /* [I] */
	struct cpumask affinity;  /* [a] by word; written under affinity_lock */
	struct uk_spinlock affinity_lock;
	char name[24];	    /* [I] */
	uint64_t run_ns;    /* [c] CPU time, added up at switches */
	uint64_t run_start; /* [c] up to when run_ns counts; while not running: when it stopped */
	uint64_t turn_ns;   /* [c] real time: CPU time of its turn so far */
	/* start of the thread */
	void (*fn)(void *); /* [I] */
	void *arg;	    /* [I] */
	uintptr_t app_sp;   /* [I] 0: runs on its kernel stack */
	/* posix: */
	uint32_t *clear_tid;	      /* [c] CLONE_CHILD_CLEARTID address or NULL */
	void *posix;		      /* [I] struct posix_thread: signals etc.; NULL for pure kernel threads */
	void (*release)(void *posix); /* [I] see thread_attr */
	/* libc/uksched.c: */
	void *uk_priv;			     /* [I] after start */
	void (*uk_dtor)(struct uk_thread *); /* [c] */
	uint64_t uk_block_until;	     /* [c] */
	struct uk_thread *uk_iterator;	     /* [c] a reference */
	bool uk_end;			     /* [a] to end at the next point */
	struct list all_node;		     /* [thread list lock] */
	struct list tid_node;		     /* [thread list lock] hash chain */
	int refs;			     /* [a] tid look-ups hold one */
};

#define UK_THREAD_FLAGS_OFFSET 24
_Static_assert(offsetof(struct uk_thread, flags) == UK_THREAD_FLAGS_OFFSET, "assembly");
_Static_assert(offsetof(struct uk_thread, locks) == LOCK_THREAD_OFFSET, "sync/");

struct thread_attr {
	const char *name;
	void (*fn)(void *);
	void *arg;
	uintptr_t app_sp;		/* application stack pointer to start on, or 0 for the kernel stack */
	uintptr_t tp;			/* FS base */
	const struct cpumask *affinity; /* NULL: inherit from the creator, or all */
	void *posix;
	/*
	 * Called with `posix` when the last reference to the exited thread is dropped (whoever got the thread from
	 * thread_find() may look at its `posix` until then). May run with interrupts off: no sleeping. May be NULL.
	 */
	void (*release)(void *posix);
	int tid; /* 0: the next free one from 2 up; 1: the main thread */
};

/* New thread, not yet runnable: NULL if there is no memory. Thread context. */
struct uk_thread *thread_create(const struct thread_attr *attr);
/*
 * Make a created thread runnable, on an idle CPU if there is one. Afterwards the pointer is only good for somebody who
 * holds a reference: take one with thread_get() before, if it is needed later.
 */
void thread_start(struct uk_thread *t);
/*
 * End the calling thread. Its kernel stack is freed by whoever runs next on this CPU. posix calls its exit hook
 * before.
 */
void thread_exit(void) __attribute__((noreturn));

void thread_prepare_block(void);
void thread_cancel_block(void);
/*
 * Not with a spin lock held or in an interrupt. Between prepare and here nothing else may block (no mutex, no
 * sleep).
 */
void thread_block(void);
/*
 * thread_block() with a deadline (ns, monotonic; UINT64_MAX: none). True: the deadline passed (a wake-up may have
 * come as well).
 */
bool thread_block_until(uint64_t deadline_ns);
void thread_wake(struct uk_thread *t);

/*
 * Let others run; also takes work over from other CPUs if nothing is queued here. (Not named sched_yield: musl has
 * that symbol.)
 */
void thread_yield(void);
/*
 * Sleep until the deadline or a wake-up, a spurious one too: a caller that wants the time to pass loops. 0, or
 * -EINTR if a signal is pending.
 */
int thread_sleep_until(uint64_t deadline_ns);

/*
 * Affinity: 0, -EINVAL if no configured CPU is in the set. On return the thread does not run outside the set (if it
 * is current: it has moved). Thread context, may sleep; the caller holds a reference. Moves a running thread in
 * `coop` mode too.
 */
int thread_set_affinity(struct uk_thread *t, const struct cpumask *set);
void thread_get_affinity(struct uk_thread *t, struct cpumask *set);

/*
 * Scheduling parameters. Policies have the numbers of Linux; FIFO and RR with priorities 1 .. 99 go before the others,
 * which share the CPU by weight (nice -20 .. 19, 1.25 times the weight per step; IDLE: least of all).
 */
enum thread_policy {
	THREAD_OTHER = 0,
	THREAD_FIFO = 1,
	THREAD_RR = 2,
	THREAD_BATCH = 3, /* as OTHER, but a wake-up of it interrupts nobody */
	THREAD_IDLE = 5,
};

struct thread_params {
	int policy;
	int rt_prio;	    /* 1 .. 99 with FIFO and RR, else 0 */
	int nice;	    /* kept over a time with FIFO or RR */
	bool reset_on_fork; /* threads that it creates start with OTHER and nice 0 at best */
};

/* Effective priority, 0 most urgent .. 139: 0..98 real time (99 - rt_prio), 100..139 fair (120 + nice). */
#define THREAD_PRIO_NONE 140
_Static_assert(THREAD_PRIO_NONE == RUNQ_PRIO_NONE, "one scale");

/* The more urgent of base priority and boost. Any context. */
int thread_prio(const struct uk_thread *t);
/*
 * Priority inheritance: `t` counts as having priority `prio` (THREAD_PRIO_NONE ends it) until the next call; the base
 * parameters stay. The caller serializes calls for one thread and keeps it from going away. Any context, interrupts
 * on or off, run queue lock not held. A queued thread is put in its new place, and the CPU switches if that is due.
 */
void thread_set_boost(struct uk_thread *t, int prio);
/* 0, or -EINVAL if policy, rt_prio and nice do not go together. Any context; takes effect as above. */
int thread_set_params(struct uk_thread *t, const struct thread_params *p);
/* The same with reset_on_fork as it is. */
int thread_set_policy(struct uk_thread *t, int policy, int rt_prio, int nice);
/* The nice value alone: 0, or -EINVAL. A policy that is set at the same time stays. */
int thread_set_nice(struct uk_thread *t, int nice);
void thread_get_params(const struct uk_thread *t, struct thread_params *p);
/* Length of its time slice in ns as things are now; 0: has none (FIFO). */
uint64_t thread_slice_ns(const struct uk_thread *t);

/* By tid, with a reference; NULL if there is none (or it has exited). */
struct uk_thread *thread_find(int tid);
void thread_put(struct uk_thread *t);
/* One more reference, by somebody who knows that the thread cannot be gone. */
struct uk_thread *thread_get(struct uk_thread *t);
/* The live thread with the least tid above `tid`, with a reference; NULL: none. */
struct uk_thread *thread_next(int tid);
/* Idle thread of a configured CPU, or NULL. */
const struct uk_thread *thread_idle_of(unsigned cpu);
/* Live threads, idle ones not counted. */
unsigned thread_count(void);
/* CPU time of the calling thread, ns. */
uint64_t thread_run_ns(void);
/* Call fn on each thread (list lock held, interrupts off: fn must be short). */
void thread_foreach(void (*fn)(struct uk_thread *t, void *arg), void *arg);

/*
 * fn(a, b) on the kernel stack of the current thread, and its result. The out-of-line half of every function that programs call
 * on their own stack and that sleeps or takes the kernel's locks. On the kernel stack already: a plain call. Any context; a
 * signal that came meanwhile is delivered on the way back. In arch/x86_64/context.S.
 */
long sched_on_kstack(long (*fn)(void *a, void *b), void *a, void *b);

/* "preempt" or "coop"; before sched_init(). */
extern bool sched_preemptive;
/*
 * Boot CPU: turns the boot context into a thread (tid 1 is left for the main thread), creates the idle threads of
 * all CPUs.
 */
void sched_init(void);
/* upcalls; sched_preempt() also serves voluntary calls from preempt_resched_slow(), interrupts off around it */
void sched_timer(void);
void sched_reschedule_ipi(void);
void sched_preempt(void);
void sched_cpu_online(void) __attribute__((noreturn));
/* Upcall: a grace period of RCU has ended (sched/rcu.c). */
void sched_rcu_done(void);
/* Boot, once threads can be made: the thread that runs grace periods and callbacks. */
void sched_rcu_start(void);
/*
 * The calling thread begins or has ended a wait for something that comes from outside: input, a signal. While one waits like that
 * the watchdog does not take a machine where nothing moves for a deadlock. Thread context, does not sleep; they nest.
 */
void thread_external_wait_begin(void);
void thread_external_wait_end(void);
/* CPUs online now. */
unsigned sched_online_count(void);
/* For the crash report: each thread in one line with plat_log('C', ..), and where it waits. Takes no lock. */
void sched_report(void);
