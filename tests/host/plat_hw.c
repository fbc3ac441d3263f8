/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=plat/vm/hw.c,plat/vm/lapic.c,plat/vm/kvmclock.c cflags=-Itests/host/fake_plat,-DTUTTI_HOST_TEST sanitize=address,undefined
/*
 * What never or seldom runs on the machines at hand, against a fake processor: CPUID answers of TCG, KVM, others and none, and a
 * leaf above the maximum is never believed; x2APIC commands, identity and timer through MSRs, xAPIC through memory; kvmclock's
 * registration, arithmetic (both shifts) and its repeat when the page changes meanwhile.
 */
#include "plat/vm/hw.h"

#include <string.h>

#include "expect.h"
#include "plat/vm/kvmclock.h"
#include "plat/vm/lapic.h"

struct answer {
	uint32_t leaf, r[4];
};

static struct answer cpuid_table[16];
static unsigned cpuid_n;
static uint32_t max_leaf, max_hv;

static struct {
	uint32_t msr;
	uint64_t value;
} written[64];
static unsigned written_n;
static uint64_t msr_apic_base, msr_id = 0x1234, tsc;
static struct kvmclock_page *changing;

/* As a processor does: a leaf above the maximum gets the data of the highest one. */
static void fake_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	(void)sub;
	if (leaf < 0x40000000 && leaf > max_leaf)
		leaf = max_leaf;
	if (leaf >= 0x40000000 && leaf > max_hv)
		leaf = max_leaf;
	memset(r, 0, 16);
	for (unsigned i = 0; i < cpuid_n; i++)
		if (cpuid_table[i].leaf == leaf)
			memcpy(r, cpuid_table[i].r, 16);
}

static uint64_t fake_rdmsr(uint32_t msr)
{
	return msr == 0x1b ? msr_apic_base : msr == 0x802 ? msr_id : 0;
}

static void fake_wrmsr(uint32_t msr, uint64_t v)
{
	if (msr == 0x1b)
		msr_apic_base = v;
	written[written_n % 64].msr = msr;
	written[written_n++ % 64].value = v;
}

static uint64_t fake_rdtsc(void)
{
	if (changing) { /* the hypervisor updates the page while it is read */
		changing->version += 2;
		changing->system_time += 1000;
		changing->tsc_timestamp = tsc;
		changing = NULL;
	}
	return tsc;
}

const struct hw_ops hw = { fake_cpuid, fake_rdmsr, fake_wrmsr, fake_rdtsc };

static void leaf(uint32_t n, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	cpuid_table[cpuid_n++] = (struct answer){ n, { a, b, c, d } };
}

static void cpu(uint32_t max, uint32_t ecx)
{
	cpuid_n = 0;
	max_leaf = max;
	max_hv = 0;
	leaf(0, max, 0, 0, 0);
	leaf(1, 0, 0, ecx, 0);
}

static void test_discovery(void)
{
	struct hw_features f;

	/* TCG: maximum leaf 0xd, whose data would pass for a frequency in 0x15 */
	cpu(0xd, 1u << 31 | 1u << 30);
	leaf(0xd, 576, 543, 2696, 0);
	max_hv = 0x40000001;
	leaf(0x40000000, 0x40000001, 0x54474354, 0x43544743, 0x47435447);
	hw_discover(&f);
	EXPECT(f.hypervisor == HV_TCG && !f.tsc_hz && !f.kvmclock && f.rdrand && !f.rdseed && !f.x2apic &&
	       !f.tsc_deadline);

	/* KVM with everything */
	cpu(7, 1u << 31 | 1u << 21 | 1u << 24);
	leaf(7, 0, 1u << 18, 0, 0);
	max_hv = 0x40000001;
	leaf(0x40000000, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	leaf(0x40000001, 1u << 3, 0, 0, 0);
	hw_discover(&f);
	EXPECT(f.hypervisor == HV_KVM && f.kvmclock && f.x2apic && f.tsc_deadline && f.rdseed && !f.tsc_hz);
	cpuid_table[cpuid_n - 1].r[0] = 1; /* only the old clock: not used */
	hw_discover(&f);
	EXPECT(!f.kvmclock);
	/* with the frequency leaf */
	max_hv = 0x40000010;
	cpuid_table[3].r[0] = 0x40000010;
	leaf(0x40000010, 2596000, 0, 0, 0);
	hw_discover(&f);
	EXPECT_EQ(f.tsc_hz, 2596000000ull);
	EXPECT(f.tsc_hz_exact);

	/* an unknown hypervisor; no hypervisor with the crystal leaf, without the crystal, with the model leaf only */
	cpu(7, 1u << 31);
	leaf(0x40000000, 0x40000000, 1, 2, 3);
	max_hv = 0x40000000;
	hw_discover(&f);
	EXPECT(f.hypervisor == HV_OTHER);
	cpu(0x16, 0);
	leaf(0x15, 2, 216, 24000000, 0);
	leaf(0x16, 2600, 0, 0, 0);
	hw_discover(&f);
	EXPECT(f.hypervisor == HV_NONE && f.tsc_hz_exact);
	EXPECT_EQ(f.tsc_hz, 2592000000ull);
	cpuid_table[2].r[2] = 0;
	hw_discover(&f);
	EXPECT_EQ(f.tsc_hz, 2600000000ull);
	EXPECT(!f.tsc_hz_exact);
	max_leaf = cpuid_table[0].r[0] = 0x15;
	hw_discover(&f);
	EXPECT_EQ(f.tsc_hz, 0);
}

static uint64_t last_write(uint32_t msr)
{
	for (unsigned i = written_n; i-- > 0;)
		if (written[i % 64].msr == msr)
			return written[i % 64].value;
	return ~0ull;
}

static void test_lapic(void)
{
	static uint32_t regs[1024];

	lapic_setup(true, NULL);
	msr_apic_base = 0xfee00000;
	lapic_init_cpu();
	EXPECT_EQ(msr_apic_base, 0xfee00000 | 1u << 11 | 1u << 10);
	EXPECT_EQ(last_write(0x80f), 0x13f); /* enabled, spurious vector */
	EXPECT_EQ(last_write(0x832) & 1u << 16, 1u << 16);
	EXPECT_EQ(last_write(0x83e), 0xb);
	EXPECT_EQ(lapic_id(), 0x1234); /* all 32 bits */
	lapic_send(0x12345678, ICR_STARTUP | 8);
	EXPECT_EQ(last_write(0x830), 0x1234567800004608ull);
	lapic_send(3, ICR_NMI);
	EXPECT_EQ(last_write(0x830), 0x300004400ull);
	lapic_eoi();
	EXPECT_EQ(last_write(0x80b), 0);
	lapic_timer_mode(true);
	EXPECT_EQ(last_write(0x832), 0x40030);
	lapic_timer_deadline(0x123456789abcull);
	EXPECT_EQ(last_write(0x6e0), 0x123456789abcull);

	lapic_setup(false, regs);
	msr_apic_base = 0xfee00000;
	regs[LAPIC_ID / 4] = 5u << 24;
	lapic_init_cpu();
	EXPECT_EQ(msr_apic_base, 0xfee00000 | 1u << 11);
	EXPECT_EQ(regs[LAPIC_SVR / 4], 0x13f);
	EXPECT_EQ(lapic_id(), 5);
	lapic_send(7, ICR_INIT);
	EXPECT_EQ(regs[LAPIC_ICR_HIGH / 4], 7u << 24);
	EXPECT_EQ(regs[LAPIC_ICR / 4], ICR_INIT);
	lapic_timer_mode(false);
	EXPECT_EQ(regs[LAPIC_LVT_TIMER / 4], 0x30);
	lapic_timer_count(77);
	EXPECT_EQ(regs[LAPIC_TIMER_INITIAL / 4], 77);
}

static void test_kvmclock(void)
{
	static struct kvmclock_page p;
	bool stable;

	kvmclock_register(0x123000);
	EXPECT_EQ(last_write(0x4b564d01), 0x123001);
	/* 2 GHz: half a ns per cycle */
	p = (struct kvmclock_page){
		.version = 2, .tsc_timestamp = 1000, .system_time = 5000, .mul = 0x80000000, .shift = 0, .flags = 1
	};
	tsc = 3000;
	EXPECT_EQ(kvmclock_read(&p, &stable), 6000);
	EXPECT(stable);
	EXPECT_EQ(kvmclock_mult(&p), 0x80000000);
	p.shift = 1; /* 1 GHz */
	p.flags = 0;
	EXPECT_EQ(kvmclock_read(&p, &stable), 7000);
	EXPECT(!stable);
	EXPECT_EQ(kvmclock_mult(&p), 0x100000000ull);
	p.shift = -1;
	EXPECT_EQ(kvmclock_read(&p, &stable), 5500);
	/* a counter slightly behind the page, and days ahead of it */
	tsc = 900;
	EXPECT_EQ(kvmclock_read(&p, &stable), 5000);
	p.shift = 0;
	tsc = 1000 + (1ull << 52);
	EXPECT_EQ(kvmclock_read(&p, &stable), 5000 + (1ull << 51));
	/* changed while it was read: only the second look counts */
	tsc = 3000;
	changing = &p;
	EXPECT_EQ(kvmclock_read(&p, &stable), 6000);
}

int main(void)
{
	test_discovery();
	test_lapic();
	test_kvmclock();
	return 0;
}
