/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processor as seen by the code that finds out what it offers: CPUID, MSRs, the cycle counter. One constant table, so
 * that kvmclock, x2APIC, the TSC deadline and the frequency leaves can be tested on Linux against a fake
 * (tests/host/plat_*.c), where most of them never run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hw_ops {
	void (*cpuid)(uint32_t leaf, uint32_t sub, uint32_t r[4]);
	uint64_t (*rdmsr)(uint32_t msr);
	void (*wrmsr)(uint32_t msr, uint64_t value);
	uint64_t (*rdtsc)(void);
};

extern const struct hw_ops hw;

enum hw_hypervisor { HV_NONE, HV_TCG, HV_KVM, HV_OTHER };

/* What CPUID says; filled once by hw_discover(), constant afterwards. */
struct hw_features {
	enum hw_hypervisor hypervisor;
	uint32_t hv_max_leaf; /* 0 if there is no hypervisor */
	bool x2apic;
	bool tsc_deadline;
	bool rdrand;
	bool rdseed;
	bool kvmclock;
	uint64_t tsc_hz;   /* told by CPUID, 0 if not */
	bool tsc_hz_exact; /* by the hypervisor or the crystal, not by the name of the model */
};

void hw_discover(struct hw_features *f);
extern struct hw_features hw_features;
