/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between plat/common/ (what is the same everywhere: traps, crash report, messages) and a platform's own folder. Not for other
 * modules.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/trap.h>

/* ---- plat/common/ ---- */
/* message.c: tell the runner that input may come. */
void control_ready(void);
/* Load base and build id, for the runner to turn addresses into lines: before a crash report. */
void control_identify(void);
/* From now on the channel is written to without waiting for its lock. */
void control_take_over(void);
void control_set_verbose(bool on);
/* crash.c: the calling CPU is stopped by another one's crash; true if there is one. Does not return then. */
bool crash_stop_here(const struct trap_frame *f);
/* CPU `cpu` will not move any more and is at `f`, which lasts: for platforms that can say so for it. */
void crash_stopped(unsigned cpu, const struct trap_frame *f);
void crash_trap(struct trap_frame *f, uintptr_t addr) __attribute__((noreturn));

/* ---- the platform ---- */
/* A whole line, or what ends one that was cut. The caller serializes. Any context. */
void control_write(const char *line, size_t len);
/* Status line and the end of the machine; nothing is drained. */
void control_end(int status) __attribute__((noreturn));
/* Like plat_console_drain(), but gives up when nothing moves for a while. */
void console_drain_limited(void);
/* Handle an interrupt: acknowledge it, call up. Interrupts off, in_irq raised. */
void plat_interrupt(unsigned vector);
/* Has CPU `cpu` begun to run, so that it can be stopped? */
bool plat_cpu_arrived(unsigned cpu);
/* Can other CPUs be interrupted yet? */
bool plat_ipi_ready(void);
