/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of plat/vm share and nobody else sees. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "plat/plat.h"
#include "plat/vm/acpi.h"

/* control.c: is the channel there? */
void control_init(void);

/* console.c */
void console_init(bool framed);
void console_enable_irq(uint32_t dest);
void console_interrupt(void);
/* Write and wait for the device, bypassing everything: where there is no control channel. */
void console_emergency_write(const char *s, size_t len);

/* smp.c */
void smp_init(const struct acpi_info *acpi);
