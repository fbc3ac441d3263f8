/* SPDX-License-Identifier: BSD-3-Clause */
/* Clock and per-CPU timer: set-up and interrupt, internal to plat/vm. The rest of the contract is in plat/plat.h. */
#pragma once

#include "plat/vm/acpi.h"

/* Boot CPU: start the reference as soon as the local APIC answers .. */
void clock_start(void);
/* .. and make the clock good from what has been seen since. */
void clock_finish(const struct acpi_info *acpi);
/* Every CPU, before its first timer. */
void clock_init_cpu(unsigned cpu);
/* Timer vector of the calling CPU, interrupts off. */
void clock_timer_interrupt(void);
/* How the clock was calibrated, for the log. */
const char *clock_source(void);

/* Seconds since 1970 by the battery clock, 0 if it gives no sense. Boot CPU. */
uint64_t rtc_read(uint8_t century_register);
