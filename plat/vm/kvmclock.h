/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock page that KVM keeps for each virtual CPU. Internal to plat/vm. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Format: Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW. */
struct kvmclock_page {
	volatile uint32_t version; /* odd while it changes */
	uint32_t pad;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad2[2];
} __attribute__((aligned(64)));

#define KVMCLOCK_TSC_STABLE 1

/* Tell the hypervisor where the calling CPU's page is (physical address). */
void kvmclock_register(uint64_t page_phys);
/* Nanoseconds by a page of the calling CPU; *stable: comparable between CPUs as it is. */
uint64_t kvmclock_read(const struct kvmclock_page *p, bool *stable);
/* 32.32 multiplier from the page's mul and shift. */
uint64_t kvmclock_mult(const struct kvmclock_page *p);
