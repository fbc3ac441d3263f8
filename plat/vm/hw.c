// SPDX-License-Identifier: BSD-3-Clause
/*
 * What this processor and hypervisor offer, from CPUID alone. No leaf is read above the maximum that its range declares:
 * a CPU answers such a leaf with the data of its highest one, which passes for a plausible frequency.
 *
 * Runs once on the boot CPU; the result is immutable. No memory, no locks. Tested with a fake in tests/host/plat_hw.c.
 */
#include "lib/util.h"
#include "plat/vm/hw.h"

#define KVM_FEATURE_CLOCKSOURCE2 (1u << 3)
#define KVM_LEAF_FEATURES	 1
#define HV_BASE			 0x40000000u
#define HV_LEAF_FREQUENCIES	 0x10

struct hw_features hw_features;

static __cold bool signature_is(const uint32_t r[4], uint32_t b, uint32_t c, uint32_t d)
{
	return r[1] == b && r[2] == c && r[3] == d;
}

static __cold uint64_t tsc_frequency(uint32_t max_leaf, uint32_t hv_max, bool *exact)
{
	uint32_t r[4];

	*exact = true;
	if (hv_max >= HV_BASE + HV_LEAF_FREQUENCIES) {
		hw.cpuid(HV_BASE + HV_LEAF_FREQUENCIES, 0, r);
		if (r[0])
			return (uint64_t)r[0] * 1000;
	}
	if (max_leaf >= 0x15) {
		hw.cpuid(0x15, 0, r); /* crystal * b / a */
		if (r[0] && r[1] && r[2])
			return (uint64_t)r[2] * r[1] / r[0];
	}
	*exact = false;
	if (max_leaf >= 0x16) {
		hw.cpuid(0x16, 0, r);
		if (r[0] & 0xffff)
			return (uint64_t)(r[0] & 0xffff) * 1000000;
	}
	return 0;
}

__cold void hw_discover(struct hw_features *f)
{
	uint32_t r[4], max_leaf;
	bool hypervisor;

	*f = (struct hw_features){ 0 };
	hw.cpuid(0, 0, r);
	max_leaf = r[0];
	hw.cpuid(1, 0, r);
	f->x2apic = r[2] & (1u << 21);
	f->tsc_deadline = r[2] & (1u << 24);
	f->rdrand = r[2] & (1u << 30);
	hypervisor = r[2] & (1u << 31);
	if (max_leaf >= 7) {
		hw.cpuid(7, 0, r);
		f->rdseed = r[1] & (1u << 18);
	}
	if (hypervisor) {
		hw.cpuid(HV_BASE, 0, r);
		f->hv_max_leaf = r[0] >= HV_BASE ? r[0] : HV_BASE; /* early KVM says 0 */
		if (signature_is(r, 0x54474354, 0x43544743, 0x47435447)) {
			f->hypervisor = HV_TCG; /* "TCGTCGTCGTCG" */
		} else if (signature_is(r, 0x4b4d564b, 0x564b4d56, 0x0000004d)) {
			f->hypervisor = HV_KVM; /* "KVMKVMKVM" */
			if (r[0] >= HV_BASE + KVM_LEAF_FEATURES || !r[0]) {
				hw.cpuid(HV_BASE + KVM_LEAF_FEATURES, 0, r);
				f->kvmclock = r[0] & KVM_FEATURE_CLOCKSOURCE2;
			}
		} else {
			f->hypervisor = HV_OTHER;
		}
	}
	f->tsc_hz = tsc_frequency(max_leaf, hypervisor ? f->hv_max_leaf : 0, &f->tsc_hz_exact);
}
