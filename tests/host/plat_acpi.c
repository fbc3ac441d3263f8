/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=plat/vm/acpi.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * ACPI tables of invented machines: RSDT and XSDT, local APICs and x2APICs, disabled and doubled processors, more than fit,
 * overrides, PM timer and its absence; then the same tables damaged at every byte and cut at every length: never a crash,
 * never a read outside, never more processors than there is room for.
 */
#include "plat/vm/acpi.h"

#include <string.h>

#include "expect.h"
#include "lib/errno.h"

#define BASE 0x10000u
#define SIZE 4096u

static unsigned char mem[SIZE];
static unsigned char *bios;

/* Exact-size copies, so that the address sanitizer sees a read beyond what was asked for. */
static void *views[4096];
static unsigned views_n;

static const void *map(uint64_t pa, size_t len)
{
	void *v;

	if (pa == 0xe0000 && len == 0x20000)
		return bios;
	if (pa < BASE || pa - BASE > SIZE || len > SIZE - (pa - BASE) || views_n == 4096)
		return NULL;
	v = malloc(len ? len : 1);
	memcpy(v, mem + (pa - BASE), len);
	views[views_n++] = v;
	return v;
}

static int parse(uint64_t rsdp, struct acpi_info *out)
{
	int r = acpi_parse(rsdp, map, out);

	while (views_n)
		free(views[--views_n]);
	return r;
}

static void put(unsigned at, const void *p, size_t n)
{
	memcpy(mem + at, p, n);
}

static void put32(unsigned at, uint32_t v)
{
	put(at, &v, 4);
}

static void put64(unsigned at, uint64_t v)
{
	put(at, &v, 8);
}

static void seal(unsigned at, unsigned len, unsigned checksum)
{
	unsigned char sum = 0;

	mem[at + checksum] = 0;
	for (unsigned i = 0; i < len; i++)
		sum += mem[at + i];
	mem[at + checksum] = (unsigned char)-sum;
}

static void table(unsigned at, const char *sig, unsigned len)
{
	put(at, sig, 4);
	put32(at + 4, len);
	seal(at, len, 9);
}

#define MADT 0x400
#define FADT 0x200
#define XSDT 0x100
#define RSDT 0x180

static unsigned build(bool xsdt)
{
	static const unsigned char entries[] = {
		0, 8,  0,   3, 1,    0,	   0,	 0,				  /* APIC 3, enabled */
		0, 8,  1,   0, 1,    0,	   0,	 0,				  /* APIC 0 */
		0, 8,  2,   9, 0,    0,	   0,	 0,				  /* disabled */
		0, 8,  3,   3, 1,    0,	   0,	 0,				  /* again */
		9, 16, 0,   0, 0x2c, 1,	   0,	 0,    1,    0, 0, 0, 0, 0, 0, 0, /* x2APIC 300 */
		1, 12, 0,   0, 0,    0,	   0xc0, 0xfe, 0,    0, 0, 0,		  /* I/O APIC */
		1, 12, 1,   0, 0,    0x10, 0xc1, 0xfe, 24,   0, 0, 0,		  /* second */
		2, 10, 0,   0, 2,    0,	   0,	 0,    0,    0,			  /* IRQ 0 on line 2 */
		2, 10, 0,   5, 5,    0,	   0,	 0,    0x0d, 0,			  /* IRQ 5 high, level */
		4, 6,  255, 0, 0,    1,						  /* NMI: not ours */
	};
	unsigned len = 44 + sizeof(entries);

	memset(mem, 0, sizeof(mem));
	put(0, "RSD PTR ", 8);
	mem[15] = xsdt ? 2 : 0;
	put32(16, BASE + RSDT);
	put32(20, 36);
	put64(24, BASE + XSDT);
	seal(0, 20, 8);
	put64(XSDT + 36, BASE + FADT);
	put64(XSDT + 44, BASE + MADT);
	table(XSDT, "XSDT", 52);
	put32(RSDT + 36, BASE + FADT);
	put32(RSDT + 40, BASE + MADT);
	table(RSDT, "RSDT", 44);
	put32(FADT + 76, 0x608);
	mem[FADT + 108] = 0x32;
	put32(FADT + 112, 1u << 8);
	table(FADT, "FACP", 244);
	put32(MADT + 36, 0xfee00000);
	put(MADT + 44, entries, sizeof(entries));
	table(MADT, "APIC", len);
	return len;
}

static void check_good(const struct acpi_info *a)
{
	EXPECT_EQ(a->cpus, 3);
	EXPECT_EQ(a->apic_id[0], 3);
	EXPECT_EQ(a->apic_id[1], 0);
	EXPECT_EQ(a->apic_id[2], 300);
	EXPECT_EQ(a->lapic_phys, 0xfee00000);
	EXPECT_EQ(a->ioapics, 2);
	EXPECT_EQ(a->ioapic[1].gsi_base, 24);
	EXPECT_EQ(a->isa[0].gsi, 2);
	EXPECT_EQ(a->isa[5].flags, 0x0d);
	EXPECT_EQ(a->isa[4].gsi, 4);
	EXPECT_EQ(a->pm_timer_port, 0x608);
	EXPECT(a->pm_timer_32bit);
	EXPECT_EQ(a->century, 0x32);
}

int main(void)
{
	struct acpi_info a;
	unsigned len;

	for (int xsdt = 0; xsdt < 2; xsdt++) {
		build(xsdt);
		EXPECT_EQ(parse(BASE, &a), 0);
		check_good(&a);
	}
	/* found by its signature in the BIOS area */
	bios = calloc(1, 0x20000);
	EXPECT_EQ(parse(0, &a), -ENOENT);
	EXPECT_EQ(a.cpus, 0);
	EXPECT_EQ(a.isa[15].gsi, 15);
	memcpy(bios + 0x134d0, mem, 36);
	EXPECT_EQ(parse(0, &a), 0);
	check_good(&a);

	/* no PM timer on hardware-reduced machines; the 64-bit field wins */
	put32(FADT + 112, 1u << 20);
	seal(FADT, 244, 9);
	EXPECT_EQ(parse(BASE, &a), 0);
	EXPECT_EQ(a.pm_timer_port, 0);
	put32(FADT + 112, 0);
	mem[FADT + 208] = 1;
	put64(FADT + 212, 0xb008);
	seal(FADT, 244, 9);
	parse(BASE, &a);
	EXPECT_EQ(a.pm_timer_port, 0xb008);
	EXPECT(!a.pm_timer_32bit);

	/* more processors than the kernel is built for */
	build(true);
	for (unsigned i = 0; i < 20; i++) {
		unsigned char e[] = { 0, 8, (unsigned char)i, (unsigned char)(100 + i), 1, 0, 0, 0 };

		put(MADT + 44 + 8 * i, e, 8);
	}
	table(MADT, "APIC", 44 + 160);
	EXPECT_EQ(parse(BASE, &a), 0);
	EXPECT_EQ(a.cpus, CONFIG_MAX_CPUS);
	EXPECT_EQ(a.cpus_left_out, 20 - CONFIG_MAX_CPUS);

	/* every length of the MADT, every byte damaged (with a checksum that fits) */
	len = build(true);
	for (unsigned n = 0; n <= len; n++) {
		build(true);
		put32(MADT + 4, n);
		seal(MADT, n < 36 ? 36 : n, 9);
		parse(BASE, &a);
		EXPECT(a.cpus <= 3);
	}
	for (unsigned i = 0; i < len; i++)
		for (unsigned v = 0; v < 256; v += 5) {
			build(true);
			mem[MADT + i] = (unsigned char)v;
			seal(MADT, len, 9);
			parse(BASE, &a);
			EXPECT(a.cpus <= CONFIG_MAX_CPUS && a.ioapics <= ACPI_IOAPIC_MAX);
		}
	for (unsigned i = 0; i < 64; i++) {
		build(true);
		mem[XSDT + i % 52] ^= (unsigned char)(i * 37 + 1);
		seal(XSDT, 52, 9);
		parse(BASE, &a);
	}
	build(true);
	mem[MADT + 50] ^= 1; /* a checksum that does not fit: as if it were not there */
	EXPECT_EQ(parse(BASE, &a), 0);
	EXPECT_EQ(a.cpus, 0);
	free(bios);
	return 0;
}
