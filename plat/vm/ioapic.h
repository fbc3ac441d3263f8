/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O APICs. Internal to plat/vm; boot CPU. */
#pragma once

#include <stdint.h>

#include "plat/vm/acpi.h"

/* Map them and mask every line. */
void ioapic_init(const struct acpi_info *acpi);
/* Deliver ISA line `irq` as `vector` to the CPU with hardware id `dest`, enabled. */
void ioapic_route_isa(unsigned irq, unsigned vector, uint32_t dest);
