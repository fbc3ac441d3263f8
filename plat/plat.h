/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contract between tutti and the machine it runs on. `plat/vm` implements it for an x86-64 virtual machine; `plat/host`
 * will for a Linux process. Nothing above this line knows which one it is.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/paging.h>

#include "sync/cpumask.h"

/* ---- boot information; valid after plat_early_init(), constant from then on ---- */

struct plat_mem {
	paddr_t base;
	uint64_t len;
};

#define PLAT_MEM_MAX 32

struct plat_bootinfo {
	const char *cmdline; /* kernel keys only, terminated; "" if none */
	struct plat_mem
		mem[PLAT_MEM_MAX]; /* usable memory, page aligned, ascending, without image, archive, start info */
	unsigned mem_count;
	paddr_t initrd; /* initial archive (cpio), 0 if none; its pages are in no mem[] entry */
	uint64_t initrd_len;
	paddr_t image_phys; /* where the image was loaded */
	paddr_t phys_top;   /* end of the highest memory */
	uint64_t tsc_entry; /* cycle counter at the first instruction of the kernel */
};

const struct plat_bootinfo *plat_bootinfo(void);

/* Configured CPUs, >= 1, known before any other than the boot CPU runs. */
unsigned plat_cpu_count(void);

/* Kernel stack (its top) of the idle thread that CPU `cpu` starts on: by sched_init(), for each CPU but 0, with percpu_areas[cpu].current set. */
void plat_cpu_set_stack(unsigned cpu, uintptr_t kstack_top);

/*
 * Send the start-up sequence to all other CPUs and return at once: they arrive through tutti_upcalls.cpu_online() while the
 * caller goes on. Needs: frames, kernel address space, per-CPU areas, idle threads of all CPUs created.
 */
void plat_cpus_start(void);
/* Called now and then by the timer path until all CPUs are online: sends a second start-up, ends the machine with a line after 10 s. */
void plat_cpus_poll(void);

/* ---- phases, boot CPU, in this order ---- */
void plat_early_init(void); /* bootinfo, early console, trap tables; no memory needed */
void plat_init(void);	    /* after mm_init(): ACPI, interrupt controllers, timer, clock, console input */

/* ---- interrupts between CPUs; any context ---- */
enum plat_ipi { PLAT_IPI_RESCHEDULE, PLAT_IPI_SHOOTDOWN, PLAT_IPI_STOP };
void plat_ipi_send(unsigned cpu, enum plat_ipi kind);

/* ---- time ---- */
/* Nanoseconds since boot, monotonic over all CPUs, never steps. Any context, about 20 ns. */
uint64_t plat_monotonic_ns(void);
/* Nanoseconds since 1970-01-01 UTC: offset read from the RTC at boot plus the above. */
uint64_t plat_realtime_ns(void);
/* This CPU's one-shot timer; fires tutti_upcalls.timer() at or after the deadline (ns, monotonic clock). Replaces the last. Interrupts off. */
void plat_timer_arm(uint64_t deadline_ns);
void plat_timer_disarm(void);

/* ---- waiting ---- */
/* Enable interrupts and halt until one has been taken. Called with interrupts off; returns with interrupts on. */
void plat_wait_for_interrupt(void);

/* ---- console: byte streams; not for the kernel's own messages ---- */
enum plat_stream { PLAT_STDOUT, PLAT_STDERR };
/*
 * Hand over up to len bytes without waiting for the device; returns how many were taken (0: full now, console_event() or a
 * retry after a yield follows), or -errno if the stream takes no more ever (-EPIPE: its reader is gone; -ENOSPC ...). Caller
 * serializes per stream. Any context.
 */
long plat_console_write(enum plat_stream s, const void *buf, size_t len);
/* The program is to end because of -EPIPE: where a program can end by a signal, by that. Returns where it cannot. */
void plat_end_by_broken_pipe(void);
/* All that was taken has left the device. Waits; boot and exit paths only. */
void plat_console_drain(void);
/* Bytes waiting in the receive ring, up to len; 0 if none now. *eof is set once the end of stdin has been read. Caller serializes. */
size_t plat_console_read(void *buf, size_t len, bool *eof);

/* ---- kernel's own messages: log and crash report, on the control channel ---- */
/* One line, no newline needed. Any context, any CPU; lines do not interleave. Level: 'L' log (only with tutti.verbose=1), 'W' always seen, 'C' crash report. */
void plat_log(char level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for any kind of line, never filtered: 'P' and what else the runner reads. */
void plat_control_line(char kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define klog(...)  plat_log('L', __VA_ARGS__)
#define kwarn(...) plat_log('W', __VA_ARGS__)

/* ---- the end ---- */
/* End the machine; the runner exits with status 0..255. Drains the console. Any thread context. */
void plat_exit(int status) __attribute__((noreturn));
/* Stop all CPUs, print reason, registers of `f` (may be NULL) and every CPU's backtrace, end with status 134. Any context. */
struct trap_frame;
void plat_crash(struct trap_frame *f, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
/*
 * A checker's report: as plat_crash(), but after `what` come the lines that lines(arg) prints with plat_log('C'), and no registers or
 * backtraces of CPUs. Any context.
 */
void plat_report(const char *what, void (*lines)(void *arg), void *arg) __attribute__((noreturn));
/* Inside a crash report: where a thread that is not running goes on, and its callers, one line each. */
struct arch_context;
void plat_backtrace(const struct arch_context *ctx);
/* [a] A crash is being reported: checkers stay quiet. */
extern bool plat_crash_begun;
/* One line on the control channel, then status 2: wrong boot keys, too little memory. */
void plat_boot_error(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- entropy ---- */
/* Fill from the hardware generator; false if there is none (RDSEED, then RDRAND). Any thread context. */
bool plat_entropy(void *buf, size_t len);

/* Programmer's error in debug builds; memory safety in all. */
#define UK_CHECK(x)                                                                           \
	do {                                                                                  \
		if (unlikely(!(x)))                                                           \
			plat_crash(NULL, "check failed: %s (%s:%d)", #x, __FILE__, __LINE__); \
	} while (0)
#define UK_ASSERT(x)                 \
	do {                         \
		if (config_debug)    \
			UK_CHECK(x); \
	} while (0)
