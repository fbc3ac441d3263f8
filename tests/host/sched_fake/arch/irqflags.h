/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual interrupt flag of a virtual CPU; turning it on takes what is pending (see sched_sim.c). */
#pragma once

#include <stdbool.h>

unsigned long arch_irq_flags(void);
bool arch_irqs_disabled(void);
void arch_irq_disable(void);
void arch_irq_enable(void);

static inline unsigned long arch_irq_save(void)
{
	unsigned long f = arch_irq_flags();

	arch_irq_disable();
	return f;
}

static inline void arch_irq_restore(unsigned long f)
{
	if (f)
		arch_irq_enable();
}
