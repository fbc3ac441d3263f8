// SPDX-License-Identifier: BSD-3-Clause
/*
 * Static ACPI tables (ACPI 6.4, 5.2). Lengths and checksums are verified before a table is used and every sub-table is
 * bounds-checked, since firmware and loaders hand in what they like. A table that does not check out is skipped as if
 * it were not there.
 *
 * Runs once on the boot CPU. No memory of its own: tables are read through the caller's map function, which is also how
 * tests/host/plat_acpi.c feeds it invented machines.
 */
#include "plat/vm/acpi.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from revision 2 on */
	uint64_t xsdt;
	uint8_t ext_checksum, reserved[3];
} __attribute__((packed));
#define RSDP_V1_SIZE 20

struct sdt {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[28 - 2];
} __attribute__((packed));
_Static_assert(sizeof(struct sdt) == 36, "format");

#define SDT_MAX (1u << 20)

static __cold uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static __cold uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static __cold bool sums_to_zero(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *b++);
	return sum == 0;
}

static __cold const struct rsdp *check_rsdp(const struct rsdp *r)
{
	return r && !memcmp(r->signature, "RSD PTR ", 8) && sums_to_zero(r, RSDP_V1_SIZE) ? r : NULL;
}

static __cold const struct rsdp *find_rsdp(uint64_t pa, acpi_map_fn *map)
{
	const uint8_t *area;

	if (pa)
		return check_rsdp(map(pa, sizeof(struct rsdp)));
	area = map(0xe0000, 0x20000);
	for (size_t i = 0; area && i < 0x20000; i += 16)
		if (area[i] == 'R' && check_rsdp((const void *)(area + i)))
			return (const void *)(area + i);
	return NULL;
}

static __cold const struct sdt *get_table(uint64_t pa, acpi_map_fn *map)
{
	const struct sdt *t = pa ? map(pa, sizeof(*t)) : NULL;
	uint32_t len;

	if (!t || t->length < sizeof(*t) || t->length > SDT_MAX)
		return NULL;
	len = t->length;
	t = map(pa, len);
	return t && sums_to_zero(t, len) ? t : NULL;
}

static __cold void add_cpu(struct acpi_info *out, uint32_t apic_id)
{
	for (unsigned i = 0; i < out->cpus; i++)
		if (out->apic_id[i] == apic_id)
			return;
	if (out->cpus < CONFIG_MAX_CPUS)
		out->apic_id[out->cpus++] = apic_id;
	else
		out->cpus_left_out++;
}

static __cold void parse_madt(const struct sdt *t, struct acpi_info *out)
{
	const uint8_t *p = (const uint8_t *)t + 44, *end = (const uint8_t *)t + t->length;

	if (t->length < 44)
		return;
	out->lapic_phys = get32((const uint8_t *)t + 36);
	for (; end - p >= 2 && p[1] >= 2 && p[1] <= end - p; p += p[1]) {
		unsigned type = p[0], len = p[1];

		if (type == 0 && len >= 8) { /* local APIC: enabled, or can be */
			if (get32(p + 4) & 3)
				add_cpu(out, p[3]);
		} else if (type == 9 && len >= 16) { /* local x2APIC */
			if (get32(p + 8) & 3)
				add_cpu(out, get32(p + 4));
		} else if (type == 1 && len >= 12 && out->ioapics < ACPI_IOAPIC_MAX) {
			out->ioapic[out->ioapics].phys = get32(p + 4);
			out->ioapic[out->ioapics++].gsi_base = get32(p + 8);
		} else if (type == 2 && len >= 10 && p[3] < 16) { /* interrupt source override */
			out->isa[p[3]].gsi = get32(p + 4);
			out->isa[p[3]].flags = (uint16_t)(p[8] | p[9] << 8);
		} else if (type == 5 && len >= 12) { /* local APIC address override */
			out->lapic_phys = get64(p + 4);
		}
	}
}

static __cold void parse_fadt(const struct sdt *t, struct acpi_info *out)
{
	const uint8_t *p = (const uint8_t *)t;
	uint32_t port, flags;

	if (t->length < 116)
		return;
	port = get32(p + 76);
	flags = get32(p + 112);
	if (t->length >= 220 && p[208] == 1 && get64(p + 212)) /* X_PM_TMR_BLK in I/O space */
		port = (uint32_t)get64(p + 212);
	if (flags & (1u << 20)) /* hardware-reduced: there is none */
		port = 0;
	out->pm_timer_port = port < 0xffff ? (uint16_t)port : 0;
	out->pm_timer_32bit = flags & (1u << 8);
	out->century = p[108];
}

__cold int acpi_parse(uint64_t rsdp, acpi_map_fn *map, struct acpi_info *out)
{
	const struct rsdp *r;
	const struct sdt *root = NULL;
	size_t width = 4;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < 16; i++)
		out->isa[i].gsi = i;
	r = find_rsdp(rsdp, map);
	if (!r)
		return -ENOENT;
	if (r->revision >= 2 && r->xsdt) {
		root = get_table(r->xsdt, map);
		width = 8;
	}
	if (!root) {
		root = get_table(r->rsdt, map);
		width = 4;
	}
	if (!root)
		return -ENOENT;
	for (size_t off = sizeof(*root); off + width <= root->length; off += width) {
		const uint8_t *e = (const uint8_t *)root + off;
		const struct sdt *t = get_table(width == 8 ? get64(e) : get32(e), map);

		if (!t)
			continue;
		if (!memcmp(t->signature, "APIC", 4))
			parse_madt(t, out);
		else if (!memcmp(t->signature, "FACP", 4))
			parse_fadt(t, out);
	}
	return 0;
}
