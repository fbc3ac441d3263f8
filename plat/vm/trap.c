// SPDX-License-Identifier: BSD-3-Clause
/*
 * Interrupts of the virtual machine, and the exceptions that stay on their own stacks. The common path is plat/common/trap.c. No
 * locks, no memory; interrupt context. An NMI that no crash has sent is the runner's question at its time-out (tools/tuttilib/qemu.py): it
 * comes with interrupts off, too, and the answer is a crash report with every CPU's backtrace.
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
		/*
		 * From a CPU that reports a crash; or from outside, to all CPUs at once: the operator wants to know what they do. The
		 * first that comes reports, the others find that it does, here or in plat_crash().
		 */
		if (!crash_stop_here(f))
			plat_crash(f, "a report was asked for (NMI)");
		return;
	}
	crash_trap(f, f->rsp);
}
