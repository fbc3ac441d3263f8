/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only way up: what lower layers (arch, plat, sync) call in higher ones. One constant table, defined once in
 * init/upcalls.c, so that the set of upward edges can be read in one place. All entries are set from the first
 * instruction on; those that need an initialised module check that themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/paging.h>

struct lock_report;
struct trap_frame;

struct tutti_upcalls {
	/*
	 * Page fault at `addr`, `err` = hardware error code. Runs on the kernel stack of the faulting thread with interrupts
	 * as they were. True: retry the instruction. False: nobody can resolve it (uaccess fix-up or crash follow).
	 */
	bool (*page_fault)(uintptr_t addr, uint64_t err, struct trap_frame *f);
	/* This CPU's one-shot timer fired. Interrupts off. */
	void (*timer)(void);
	/* Another CPU asked this one to look at its run queue. Interrupts off. */
	void (*reschedule)(void);
	/* TLB shootdown request has arrived. Interrupts off. */
	void (*shootdown)(void);
	/*
	 * The last CPU that was asked for a quiescent state has had one: wake whoever waits for the grace period. Interrupts or
	 * preemption off; sometimes for nothing.
	 */
	void (*rcu_done)(void);
	/*
	 * Involuntary switch: preempt_count is 0, need_resched is set, interrupts are off, extended state is saved by the
	 * caller, on the kernel stack. Returns when the thread runs again, interrupts still off.
	 */
	void (*preempt)(void);
	/* About to return from an interrupt or exception to application code (frame `f`), preempt_count 0, interrupts off. */
	void (*return_to_app)(struct trap_frame *f);
	/* A CPU other than the boot CPU is up, on its idle thread's stack, interrupts off. Never returns. */
	void (*cpu_online)(void) __attribute__((noreturn));
	/* The console has input bytes or room for output again. From the interrupt, interrupts off. */
	void (*console_event)(void);
	/* An exception with no handler, from application code; true: a signal took care of it. */
	bool (*app_exception)(struct trap_frame *f, uintptr_t addr);
	/*
	 * A `syscall` instruction of the program, caught by the host platform: number and arguments in the frame as the
	 * Linux ABI has them. Thread context, interrupts on; the result goes into the frame.
	 */
	void (*syscall)(struct trap_frame *f);
	/* Extra lines for the crash report (threads, memory): called once by the crashing CPU, everything else stopped. */
	void (*crash_report)(void);
	/* Words about an address for the crash report ("null page", "guard page of ..."), as mm_describe(). No locks waited for. */
	const char *(*describe)(uintptr_t addr);
	/*
	 * arch/ found that memory is not kept as it must be: ends the run with a crash report. Any context. `cpu`: who would be hurt;
	 * `addr` and `pa`: the page and what it still maps.
	 */
	void (*mmu_violation)(const char *what, unsigned cpu, uintptr_t addr, paddr_t pa) __attribute__((noreturn));
	/* Device memory mapped uncached, as mm_map_device(). plat_init() only. */
	void *(*map_device)(paddr_t pa, size_t len);
	/* 2^order zeroed frames below any address, as frame_alloc(order, FRAME_ZERO); FRAME_NONE (-1) if there are none. */
	paddr_t (*frame_alloc)(unsigned order);
#ifdef __TUTTI_LOCK_HOOKS__
	/* The lock validator's report: printed with symbols to be found by the runner, ends the run with status 134. Any context. */
	void (*lock_report)(struct lock_report *r);
	/* A line of its own: what it can no longer look at. No spin lock is held. */
	void (*lock_note)(const char *line);
	/* A line of the lock statistics, at the end of the machine. */
	void (*lock_stat)(const char *line);
	/* Counts of arch_rdtsc() as a time, roughly. */
	uint64_t (*cycles_to_ns)(uint64_t cycles);
#endif
};

extern const struct tutti_upcalls tutti_upcalls;
