// SPDX-License-Identifier: BSD-3-Clause
/*
 * Per-CPU areas and the cold half of the preemption count.
 *
 * percpu_areas[i] is reached by CPU i through GS from before its first C instruction (boot.S fills element 0, the start of
 * another CPU fills its own). Fields are owned by their CPU; see the header for the rule of the single instruction. Other
 * CPUs read only `online`, `hw_id`, `current` and the stack bounds, the last three for crash reports.
 *
 * preempt_resched_slow() is reached by chance: between the decrement and the look at need_resched the thread may have been
 * preempted and be on another CPU by now. That is harmless: it looks at the CPU it is on, with interrupts off, and
 * switches only if that one wants it. It is a voluntary switch (a function call in kernel code), so the vector registers
 * need no saving: fault handlers, which interrupt application code in mid-computation, run with preempt_count raised and
 * leave the switch to the common exit (plat/common/trap.c), which saves them.
 */
#include "sync/percpu.h"

#include <arch/irqflags.h>

#include "config.h"
#include "sync/upcall.h"

struct percpu percpu_areas[CONFIG_MAX_CPUS];

__noinline void preempt_resched_slow(void)
{
	unsigned long flags;

	if (arch_irqs_disabled() || percpu_read(preempt_count))
		return;
	flags = arch_irq_save();
	if (!percpu_read(preempt_count) && !percpu_read(in_irq) && percpu_read(need_resched))
		tutti_upcalls.preempt();
	arch_irq_restore(flags);
}

bool context_may_sleep(void)
{
	return !arch_irqs_disabled() && !percpu_read(preempt_count) && !percpu_read(in_irq);
}
