/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of plat/vm share and nobody else sees. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <arch/trap.h>

#include "plat/plat.h"
#include "plat/vm/acpi.h"

/* control.c: is the channel there; from now on write to it without waiting for its lock (crash report). */
void control_init(void);
/* Tell the runner that input may come. */
void control_ready(void);
/* Load base and build id, for the runner to turn addresses into lines: before a crash report. */
void control_identify(void);
void control_take_over(void);
void control_set_verbose(bool on);
/* Status line and the end of the machine; nothing is drained. */
void control_end(int status) __attribute__((noreturn));

/* console.c */
void console_init(bool framed);
void console_enable_irq(uint32_t dest);
void console_interrupt(void);
/* Write and wait for the device, bypassing everything: where there is no control channel. */
void console_emergency_write(const char *s, size_t len);
/* Like plat_console_drain(), but gives up when nothing moves for a while. */
void console_drain_limited(void);

/* crash.c: the calling CPU is stopped by another one's crash; true if there is one. Does not return then. */
bool crash_stop_here(const struct trap_frame *f);
void crash_trap(struct trap_frame *f, uintptr_t addr) __attribute__((noreturn));

/* smp.c */
void smp_init(const struct acpi_info *acpi);
/* Has CPU `cpu` tables for interrupts by now? */
bool smp_arrived(unsigned cpu);
