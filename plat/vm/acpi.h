/* SPDX-License-Identifier: BSD-3-Clause */
/* The few static ACPI tables tutti reads: RSDP, RSDT or XSDT, MADT, FADT. No AML. Internal to plat/vm. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define ACPI_IOAPIC_MAX 4

struct acpi_info {
	unsigned cpus;			   /* usable processors listed */
	unsigned cpus_left_out;		   /* beyond CONFIG_MAX_CPUS */
	uint32_t apic_id[CONFIG_MAX_CPUS]; /* in the table's order */
	uint64_t lapic_phys;		   /* 0: not told */
	unsigned ioapics;
	struct {
		uint32_t phys, gsi_base;
	} ioapic[ACPI_IOAPIC_MAX];
	struct {
		uint32_t gsi;
		uint16_t flags; /* polarity bits 0-1, trigger bits 2-3 */
	} isa[16];		/* where each ISA line arrives */
	uint16_t pm_timer_port; /* 0: there is none */
	bool pm_timer_32bit;
	uint8_t century; /* RTC register of the century, 0: none */
};

/* Readable view of physical memory, NULL if impossible. */
typedef const void *acpi_map_fn(uint64_t pa, size_t len);

/*
 * Follow the tables from the RSDP at `rsdp` (0: look for one in the BIOS area). 0, or -ENOENT if there are none or they do
 * not check out; *out holds usable defaults either way (no processors, ISA lines where they are by convention).
 */
int acpi_parse(uint64_t rsdp, acpi_map_fn *map, struct acpi_info *out);
