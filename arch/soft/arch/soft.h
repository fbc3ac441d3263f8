/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processor of the host platform: a thread of the host with a signal stack and a word of pending interrupts. Between arch/soft
 * and plat/host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/trap.h>

/* Bits of percpu.irq_pending. */
#define SOFT_IRQ_TIMER	    (1u << 0)
#define SOFT_IRQ_RESCHEDULE (1u << 1)
#define SOFT_IRQ_SHOOTDOWN  (1u << 2)
#define SOFT_IRQ_CONSOLE    (1u << 3)
#define SOFT_IRQ_STOP	    (1u << 31) /* taken with interrupts off too; never comes back */

/* Signals: those that debuggers pass on without stopping. */
#define SOFT_SIGNAL_TIMER 14 /* SIGALRM */
#define SOFT_SIGNAL_IRQ	  23 /* SIGURG */
/* Somebody wants to know what all CPUs do, and the end of the run. Taken with interrupts off, too. */
#define SOFT_SIGNAL_REPORT 3 /* SIGQUIT */

/* Install the handlers. Once; `vdso` is where the host's shared object lies, or 0. */
void soft_signals_init(uintptr_t vdso, size_t vdso_len);
/* Signal stack and system call dispatch of the calling host thread, which is CPU `cpu` (GS points to its area). 0 or -ENOMEM. */
int soft_cpu_init(unsigned cpu);
/* Are `syscall` instructions of programs caught? Valid after soft_cpu_init(0). */
bool soft_catches_syscalls(void);
/* How often the host's shared object has made a system call of its own so far: each costs a signal. Boot CPU. */
unsigned soft_vdso_calls(void);

/*
 * Where the frame of an interrupt of the calling CPU belongs that comes with the stack pointer `rsp` (the rule of arch/trap.h). NULL: its
 * kernel stack is used up.
 */
struct trap_frame *soft_frame_place(uintptr_t rsp);

/* GS base of the calling host thread. */
void soft_set_percpu(void *area);

/* ---- implemented by plat/host ---- */
/* SOFT_IRQ_STOP has come: from the signal handler, on the signal stack. Does not return if a crash is being reported. */
void soft_stop(const struct trap_frame *f);
/* From the signal handler: the timer of this CPU went off / something is pending: if the CPU is about to halt it must not. */
void soft_wake_self(void);
/* SOFT_SIGNAL_REPORT has come: from the signal handler, on the signal stack. */
void soft_report(struct trap_frame *f) __attribute__((noreturn));
/* Replay: what the cycle counter of programs shows. Any context. */
uint64_t soft_cycle_counter(void);
/* SIGBUS: the host has no memory behind a page. */
void soft_bus_error(const struct trap_frame *f, uintptr_t addr) __attribute__((noreturn));
