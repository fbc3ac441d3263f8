// SPDX-License-Identifier: BSD-3-Clause
/*
 * Local APIC (Intel SDM vol. 3, ch. 11): registers, interrupts to other CPUs, the timer.
 *
 * Every CPU reaches only its own APIC, so there is nothing to lock; the two writes that make one xAPIC interrupt command
 * are kept together by turning interrupts off. In x2APIC mode a command is one MSR write, which does not order earlier
 * stores: the fence before it makes what the receiver will look for visible first. LINT0 is masked (the 8259 is, too). LINT1 is
 * the NMI pin of every CPU: nothing of the machine drives it but whoever operates it and wants a report (plat/vm/trap.c).
 *
 * lapic_setup() runs once on the boot CPU before any other starts; immutable afterwards. x2APIC and TSC deadline are
 * exercised with a fake in tests/host/plat_lapic.c.
 */
#include "lib/util.h"
#include "plat/vm/lapic.h"

#include <arch/boot_abi.h>
#include <stddef.h>
#ifndef TUTTI_HOST_TEST
#include <arch/irqflags.h>
#endif

#include "plat/vm/hw.h"

#define MSR_APIC_BASE	 0x1b
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2	 (1u << 10)
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC	 0x800
#define LVT_MASKED	 (1u << 16)
#define LVT_NMI		 (4u << 8)
#define LVT_TSC_DEADLINE (2u << 17)
#define SVR_ENABLE	 (1u << 8)
#define DIVIDE_BY_1	 0xb
#define ICR_PENDING	 (1u << 12)

static struct {
	volatile uint32_t *mmio; /* [I] */
	bool x2;		 /* [I] */
	bool ready;		 /* [I] */
} lapic;

__cold void lapic_setup(bool x2apic, volatile uint32_t *mmio)
{
	lapic.x2 = x2apic;
	lapic.mmio = mmio;
	lapic.ready = true;
}

bool lapic_ready(void)
{
	return lapic.ready;
}

uint32_t lapic_read(unsigned reg)
{
	return lapic.x2 ? (uint32_t)hw.rdmsr(MSR_X2APIC + (reg >> 4)) : lapic.mmio[reg / 4];
}

void lapic_write(unsigned reg, uint32_t v)
{
	if (lapic.x2)
		hw.wrmsr(MSR_X2APIC + (reg >> 4), v);
	else
		lapic.mmio[reg / 4] = v;
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

uint32_t lapic_id(void)
{
	uint32_t id = lapic_read(LAPIC_ID);

	return lapic.x2 ? id : id >> 24;
}

__cold void lapic_init_cpu(void)
{
	hw.wrmsr(MSR_APIC_BASE, hw.rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (lapic.x2 ? APIC_BASE_X2 : 0));
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_LVT_PERF, LVT_MASKED);
	lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	lapic_write(LAPIC_ESR, 0);
}

void lapic_send(uint32_t dest, uint32_t icr)
{
	if (lapic.x2) {
		__asm__ volatile("mfence; lfence" ::: "memory");
		hw.wrmsr(MSR_X2APIC + (LAPIC_ICR >> 4), (uint64_t)dest << 32 | icr);
		return;
	}
#ifndef TUTTI_HOST_TEST
	unsigned long flags = arch_irq_save();
#endif
	while (lapic_read(LAPIC_ICR) & ICR_PENDING)
		__builtin_ia32_pause();
	lapic_write(LAPIC_ICR_HIGH, dest << 24);
	lapic_write(LAPIC_ICR, icr);
#ifndef TUTTI_HOST_TEST
	arch_irq_restore(flags);
#endif
}

void lapic_timer_mode(bool tsc_deadline)
{
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
	if (tsc_deadline)
		__asm__ volatile("mfence" ::: "memory"); /* the mode must be set before the first deadline */
}

void lapic_timer_count(uint32_t count)
{
	lapic_write(LAPIC_TIMER_INITIAL, count);
}

void lapic_timer_deadline(uint64_t tsc)
{
	hw.wrmsr(MSR_TSC_DEADLINE, tsc);
}
