// SPDX-License-Identifier: BSD-3-Clause
/*
 * Interrupts of the virtual machine, and the exceptions that stay on their own stacks. The common path is plat/common/trap.c. No
 * locks, no memory; interrupt context.
 */
#include <arch/boot_abi.h>
#include <arch/trap.h>

#include "plat/common/common.h"
#include "plat/plat.h"
#include "plat/vm/clock.h"
#include "plat/vm/lapic.h"
#include "plat/vm/vm.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

void plat_interrupt(unsigned vector)
{
	if (vector != VECTOR_SPURIOUS)
		lapic_eoi();
	switch (vector) {
	case VECTOR_TIMER:
		clock_timer_interrupt();
		break;
	case VECTOR_RESCHEDULE:
		tutti_upcalls.reschedule();
		break;
	case VECTOR_SHOOTDOWN:
		tutti_upcalls.shootdown();
		break;
	case VECTOR_IRQ + 3:
	case VECTOR_IRQ + 4:
		console_interrupt();
		break;
	default:
		break;
	}
}

void arch_trap_dispatch_in_place(struct trap_frame *f)
{
	if (f->vector == 2) {
		if (!crash_stop_here(f))
			plat_log('W', "NMI of unknown origin on CPU %u at 0x%lx", cpu_id(), f->rip);
		return;
	}
	crash_trap(f, f->rsp);
}
