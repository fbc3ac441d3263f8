// SPDX-License-Identifier: BSD-3-Clause
/*
 * I/O APICs (Intel 82093AA). Each line is one 64-bit redirection entry behind an index and a window register. Only the
 * boot CPU touches them, during plat_init(), so there is no lock. Without ACPI the one at the customary address is assumed.
 * At most ACPI_IOAPIC_MAX of them; a line that none of them has is left alone (its device then works by polling).
 */
#include "lib/util.h"
#include "plat/vm/ioapic.h"

#include <stddef.h>

#include "sync/upcall.h"

#define REG_VERSION  1
#define REG_ENTRY    0x10
#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL  (1u << 15)
#define ENTRY_LOW    (1u << 13)
#define DEFAULT_PHYS 0xfec00000u

static struct {
	unsigned n; /* [I] */
	struct {
		volatile uint32_t *mmio;  /* [I] */
		uint32_t gsi_base, lines; /* [I] */
	} io[ACPI_IOAPIC_MAX];
	const struct acpi_info *acpi; /* [I] */
} ioapics;

static uint32_t read_reg(volatile uint32_t *mmio, unsigned reg)
{
	mmio[0] = reg;
	return mmio[4];
}

static void write_reg(volatile uint32_t *mmio, unsigned reg, uint32_t v)
{
	mmio[0] = reg;
	mmio[4] = v;
}

static __cold void add(uint32_t phys, uint32_t gsi_base)
{
	volatile uint32_t *mmio = tutti_upcalls.map_device(phys, 4096);
	uint32_t lines;

	if (!mmio)
		return;
	lines = (read_reg(mmio, REG_VERSION) >> 16 & 0xff) + 1;
	ioapics.io[ioapics.n].mmio = mmio;
	ioapics.io[ioapics.n].gsi_base = gsi_base;
	ioapics.io[ioapics.n++].lines = lines;
}

__cold void ioapic_init(const struct acpi_info *acpi)
{
	ioapics.acpi = acpi;
	for (unsigned i = 0; i < acpi->ioapics; i++)
		add(acpi->ioapic[i].phys, acpi->ioapic[i].gsi_base);
	if (!acpi->ioapics)
		add(DEFAULT_PHYS, 0);
}

__cold void ioapic_route_isa(unsigned irq, unsigned vector, uint32_t dest)
{
	uint32_t gsi = ioapics.acpi->isa[irq].gsi, flags = ioapics.acpi->isa[irq].flags, low = vector;

	if ((flags & 3) == 3)
		low |= ENTRY_LOW;
	if ((flags >> 2 & 3) == 3)
		low |= ENTRY_LEVEL;
	for (unsigned i = 0; i < ioapics.n; i++) {
		uint32_t line = gsi - ioapics.io[i].gsi_base;

		if (line >= ioapics.io[i].lines)
			continue;
		write_reg(ioapics.io[i].mmio, REG_ENTRY + 2 * line, ENTRY_MASKED);
		write_reg(ioapics.io[i].mmio, REG_ENTRY + 2 * line + 1, dest << 24);
		write_reg(ioapics.io[i].mmio, REG_ENTRY + 2 * line, low);
		return;
	}
}
