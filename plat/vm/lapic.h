/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calling CPU's local APIC, behind one interface for xAPIC (memory) and x2APIC (MSRs). Internal to plat/vm. Calls are
 * made with interrupts off unless they say otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Offsets of xAPIC registers (Intel SDM vol. 3, 11.4). */
enum {
	LAPIC_ID = 0x20,
	LAPIC_TPR = 0x80,
	LAPIC_EOI = 0xb0,
	LAPIC_SVR = 0xf0,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define ICR_FIXED   0x4000u /* assert */
#define ICR_NMI	    0x4400u
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u

/* `mmio`: mapped registers (unused with x2APIC). Then lapic_init_cpu() on each CPU. */
void lapic_setup(bool x2apic, volatile uint32_t *mmio);
/* Enable: spurious vector, everything masked, timer divide by 1. */
void lapic_init_cpu(void);
uint32_t lapic_id(void);
uint32_t lapic_read(unsigned reg);
void lapic_write(unsigned reg, uint32_t v);
void lapic_eoi(void);
/* Any context (interrupts are turned off around it). `dest` is a hardware id. */
void lapic_send(uint32_t dest, uint32_t icr);
bool lapic_ready(void);

/* Timer: TSC deadline mode if asked for, else one-shot count. */
void lapic_timer_mode(bool tsc_deadline);
void lapic_timer_count(uint32_t count);
void lapic_timer_deadline(uint64_t tsc);
