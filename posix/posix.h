/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the system-call module: what its files share. A handler gets its arguments as an array and returns a value or
 * -errno; it runs on the thread's kernel stack, interrupts on, preemption on, no lock held, and may sleep.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "posix/abi.h"
#include "posix/entry_offsets.h"
#include "sched/sched.h"

typedef long posix_handler(const long *a);

/* regs = {nr, a .. f}; result or -errno or one of the internal ones above. Kernel stack, interrupts and preemption on. */
long posix_syscall(const long *regs);

/* Argument casts. */
#define ARG_PTR(a, i)  ((void *)(a)[i])
#define ARG_INT(a, i)  ((int)(a)[i])
#define ARG_SIZE(a, i) ((size_t)(a)[i])

/* ---- threads and signals (process.c, signal.c) ---- */

/* A signal with its information that waits to be taken. Its owner keeps it; on at most one queue. */
struct posix_sigentry {
	struct list node; /* [lock of the queue] */
	uint32_t seq;	  /* [lock of the queue, and the owner's] changes with each posix_signal_unqueue() */
	bool queued;	  /* [lock of the queue] */
	uint8_t signo;	  /* [I] while it may be queued */
};

struct posix_sigqueue {
	struct uk_spinlock lock;
	bool closed;	     /* [lock] its thread takes no more signals */
	struct list entries; /* [lock] oldest first */
	uint64_t bits;	     /* [lock to write, a to read] bit n-1: an entry of signal n is there */
};

struct posix_thread {
	struct uk_thread *thread; /* [I] */
	uint64_t mask;		  /* [c] written by the thread itself only; read by senders: atomic */
	uint64_t pending;	  /* [a] bit n-1: signal n was sent to this thread */
	struct posix_sigqueue queue;
	uint64_t
		sleep_deadline; /* [c] of a sleep or a wait for a span that is made again if no handler runs; 0: none */
	uint64_t waiting;	/* [a] blocked signals that rt_sigtimedwait() sleeps for */
	uint64_t saved_mask;	/* [c] mask to put back after rt_sigsuspend() */
	bool restore_mask;	/* [c] saved_mask is valid */
	bool counted;		/* [I] an application thread: the program lives as long as one of them */
	struct abi_stack altstack; /* [c] */
	/* futex_pi.c and robust.c; [pi]: the futex PI lock */
	struct list pi_held;	    /* [pi] states of the words it owns that have waiters */
	struct pi_waiter *pi_waits; /* [pi] its own wait for a lock, or NULL */
	int pi_boost;		    /* [pi] what thread_set_boost() was told last */
	bool pi_gone;		    /* [a] it ends: owns no lock from now on */
	uintptr_t robust; /* [a] struct abi_robust_list_head in the application, or 0; written by the thread itself */
};

/* State of a new application thread that inherits `parent`'s mask (NULL: empty). NULL: no memory. */
struct posix_thread *posix_thread_new(const struct posix_thread *parent);
/* Before the thread starts. `counted`: it is the application's, not a kernel thread with libc on it. */
void posix_thread_bind(struct posix_thread *pt, struct uk_thread *t, bool counted);
/* Release hook of threads: any context. */
void posix_thread_free(void *pt);

/* Is a signal to be delivered to the calling thread? Looked at between thread_prepare_block() and thread_block(). */
bool posix_signal_pending(void);
/* Put back the mask of rt_sigsuspend() or ppoll() when no handler is going to run. */
void posix_signal_restore_mask(void);
/* Send signal `n` to the calling thread; delivered on its way back to application code. */
void posix_signal_self(int n);
/*
 * Queues `e`, whose signo is set, for thread `t` (NULL: the process) and tells a thread that can take it. When the signal is
 * taken, posix_timer_taken() is called for it. Context: any, interrupts included; does not sleep. Locks: the queue's
 * (irq-safe), the thread list's, run queues'. Ownership: `e` is its owner's and stays until it was taken or unqueued; the
 * caller holds a reference to `t`. Results: sent (or queued already); ignored: nobody wants it, as its action is to ignore it;
 * gone: the thread has ended.
 */
enum posix_queued { POSIX_SENT, POSIX_IGNORED, POSIX_GONE };
enum posix_queued posix_signal_queue(struct posix_sigentry *e, struct uk_thread *t);
/* Takes `e` back; true: it was queued. Whoever took it just before finds another `seq`. Context and locks as above. */
bool posix_signal_unqueue(struct posix_sigentry *e, struct uk_thread *t);
bool posix_signal_is_queued(struct posix_sigentry *e, struct uk_thread *t);
void posix_sigqueue_init(struct posix_sigqueue *q);
/*
 * timers.c: the signal of `e` has been taken, its sequence number was `seq` then. Fills in `info` and arms an interval timer
 * again; false: taken back meanwhile, there is no signal. Thread context, no lock held; does not sleep.
 */
bool posix_timer_taken(struct posix_sigentry *e, uint32_t seq, struct abi_siginfo *info);
/* timers.c: signal n is ignored from now on: timers whose signal waits go on as if it had been taken. Thread context. */
void posix_timers_discard(int n);
/* The calling thread takes no more signals; one of the process that it was told of goes to another thread. */
void posix_signal_thread_ends(void);
/* CPU time of the process: all threads that are and were. */
uint64_t posix_process_cpu_ns(void);
uint64_t posix_thread_cpu_ns(struct uk_thread *t);

/* Unmap [base, base + size), the caller's application stack, and end the thread. Kernel stack. */
void posix_unmap_and_exit(uintptr_t base, size_t size) __attribute__((noreturn));

/* End the machine as exit_group(2) does. */
void posix_exit_group(int status) __attribute__((noreturn));

/* ---- application memory ---- */

/* Terminated copy of a path in a page frame; 0 and *path, or -EFAULT, -ENAMETOOLONG, -ENOMEM. Give back with posix_path_put(). */
int posix_path_get(const char *user, char **path);
void posix_path_put(char *path);
int posix_copy_in(void *dst, const void *user, size_t len);
int posix_copy_out(void *user, const void *src, size_t len);
/* A timespec as nanoseconds: -EFAULT, -EINVAL; saturates. */
int posix_timespec_in(const struct abi_timespec *user, uint64_t *ns);
int posix_timespec_out(struct abi_timespec *user, uint64_t ns);
/* now + ns on the monotonic clock, saturating below "for ever". */
uint64_t posix_deadline_in(uint64_t ns);
/* Absolute time on CLOCK_REALTIME or CLOCK_MONOTONIC as a deadline on the monotonic clock. */
uint64_t posix_deadline_at(int clock, uint64_t ns);

/* ---- random.c ---- */
/* Boot: seed from the machine's generator; with none, says so and seeds from clocks and addresses. */
void posix_random_init(void);
/* Any thread context; len any size. Kernel memory. */
void posix_random_bytes(void *buf, size_t len);

/* ---- files ---- */
/* Boot: index the archive, open 0, 1 and 2. */
void posix_files_init(void);
/* Contents of an archive entry; false: no such entry. */
bool posix_archive_find(const char *name, const char **data, size_t *len);

/* ---- futex ---- */
/* Wake up to n waiters on addr: for thread exit. Number woken. */
int posix_futex_wake(uintptr_t addr, int n, uint32_t bitset);

/* ---- handlers, by file; table.c lists them ---- */
#define POSIX_HANDLER(name) posix_handler sys_##name
POSIX_HANDLER(read);
POSIX_HANDLER(write);
POSIX_HANDLER(readv);
POSIX_HANDLER(writev);
POSIX_HANDLER(pread64);
POSIX_HANDLER(pwrite64);
POSIX_HANDLER(preadv);
POSIX_HANDLER(pwritev);
POSIX_HANDLER(open);
POSIX_HANDLER(openat);
POSIX_HANDLER(close);
POSIX_HANDLER(lseek);
POSIX_HANDLER(fstat);
POSIX_HANDLER(stat);
POSIX_HANDLER(lstat);
POSIX_HANDLER(newfstatat);
POSIX_HANDLER(access);
POSIX_HANDLER(faccessat);
POSIX_HANDLER(getdents64);
POSIX_HANDLER(getcwd);
POSIX_HANDLER(chdir);
POSIX_HANDLER(readlink);
POSIX_HANDLER(readlinkat);
POSIX_HANDLER(fcntl);
POSIX_HANDLER(ioctl);
POSIX_HANDLER(dup);
POSIX_HANDLER(dup2);
POSIX_HANDLER(dup3);
POSIX_HANDLER(fsync);
POSIX_HANDLER(poll);
POSIX_HANDLER(ppoll);
POSIX_HANDLER(select);
POSIX_HANDLER(umask);
POSIX_HANDLER(mmap);
POSIX_HANDLER(munmap);
POSIX_HANDLER(mprotect);
POSIX_HANDLER(madvise);
POSIX_HANDLER(futex);
POSIX_HANDLER(set_robust_list);
POSIX_HANDLER(get_robust_list);
POSIX_HANDLER(clone);
POSIX_HANDLER(exit);
POSIX_HANDLER(exit_group);
POSIX_HANDLER(set_tid_address);
POSIX_HANDLER(gettid);
POSIX_HANDLER(getpid);
POSIX_HANDLER(getppid);
POSIX_HANDLER(getid);
POSIX_HANDLER(sched_yield);
POSIX_HANDLER(sched_setaffinity);
POSIX_HANDLER(sched_getaffinity);
POSIX_HANDLER(sched_setscheduler);
POSIX_HANDLER(sched_setparam);
POSIX_HANDLER(sched_getscheduler);
POSIX_HANDLER(sched_getparam);
POSIX_HANDLER(sched_setattr);
POSIX_HANDLER(sched_getattr);
POSIX_HANDLER(sched_get_priority_max);
POSIX_HANDLER(sched_get_priority_min);
POSIX_HANDLER(sched_rr_get_interval);
POSIX_HANDLER(getpriority);
POSIX_HANDLER(setpriority);
POSIX_HANDLER(getcpu);
POSIX_HANDLER(uname);
POSIX_HANDLER(sysinfo);
POSIX_HANDLER(prlimit64);
POSIX_HANDLER(getrlimit);
POSIX_HANDLER(getrusage);
POSIX_HANDLER(arch_prctl);
POSIX_HANDLER(tutti_thread);
POSIX_HANDLER(getrandom);
POSIX_HANDLER(membarrier);
POSIX_HANDLER(nanosleep);
POSIX_HANDLER(clock_nanosleep);
POSIX_HANDLER(clock_gettime);
POSIX_HANDLER(clock_getres);
POSIX_HANDLER(gettimeofday);
POSIX_HANDLER(time);
POSIX_HANDLER(times);
POSIX_HANDLER(clock_settime);
POSIX_HANDLER(timer_create);
POSIX_HANDLER(timer_settime);
POSIX_HANDLER(timer_gettime);
POSIX_HANDLER(timer_getoverrun);
POSIX_HANDLER(timer_delete);
POSIX_HANDLER(setitimer);
POSIX_HANDLER(getitimer);
POSIX_HANDLER(alarm);
POSIX_HANDLER(tkill);
POSIX_HANDLER(tgkill);
POSIX_HANDLER(kill);
POSIX_HANDLER(rt_sigaction);
POSIX_HANDLER(rt_sigprocmask);
POSIX_HANDLER(rt_sigpending);
POSIX_HANDLER(rt_sigsuspend);
POSIX_HANDLER(rt_sigtimedwait);
POSIX_HANDLER(pause);
POSIX_HANDLER(sigaltstack);
#undef POSIX_HANDLER
