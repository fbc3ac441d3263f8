// SPDX-License-Identifier: BSD-3-Clause
/*
 * Interrupts of the host platform: one dispatch takes all that is pending on this CPU, and what arrives meanwhile, because its bit
 * is set with interrupts off and nobody would come for it. The bits are taken before they are served, so one that is set again
 * while it is served is served again.
 *
 * Interrupt context, interrupts off; no locks, no memory.
 */
#include <arch/boot_abi.h>
#include <arch/cpu.h>
#include <arch/soft.h>
#include <arch/trap.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

void plat_interrupt(unsigned vector)
{
	uint32_t *pending = &percpu_areas[cpu_id()].irq_pending, bits;

	(void)vector;
	/* acquire: what the sender wrote before it set its bit */
	while ((bits = __atomic_exchange_n(pending, 0, __ATOMIC_SEQ_CST))) {
		if (bits & SOFT_IRQ_SHOOTDOWN)
			tutti_upcalls.shootdown();
		if (bits & SOFT_IRQ_TIMER)
			host_timer_interrupt();
		if (bits & SOFT_IRQ_RESCHEDULE)
			tutti_upcalls.reschedule();
		if (bits & SOFT_IRQ_CONSOLE)
			tutti_upcalls.console_event();
		if (bits & SOFT_IRQ_STOP)
			host_stop_by_signal();
	}
}

void soft_report(struct trap_frame *f)
{
	if (!crash_stop_here(f))
		plat_crash(f, "a report was asked for (SIGQUIT)");
	arch_halt_forever();
}

void soft_bus_error(const struct trap_frame *f, uintptr_t addr)
{
	struct trap_frame copy = *f;

	plat_crash(&copy, "the host has no memory left for the page at 0x%lx", addr);
}
