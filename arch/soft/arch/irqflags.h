/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt enable flag of this CPU, in software: a word of the per-CPU area that the signal handlers honour. What arrives while
 * interrupts are off is a bit in `irq_pending` and is taken when they go on. No system call on either way. Any context.
 *
 * Enabling is two instructions, clear the flag and look at the bits. An interrupt between them takes all bits itself, and the
 * thread may then go on on another CPU and look at that one's: either way nothing is left behind.
 */
#pragma once

#include <stdbool.h>

#include "sync/percpu.h"

#define ARCH_RFLAGS_IF (1ul << 9)

/* Take what is pending now, as an interrupt at the caller's next instruction. Preserves all registers. */
void soft_raise(void);

static inline unsigned long arch_irq_flags(void)
{
	return percpu_read(irq_off) ? 0 : ARCH_RFLAGS_IF;
}

static inline bool arch_irqs_disabled(void)
{
	return percpu_read(irq_off) != 0;
}

static inline void arch_irq_disable(void)
{
	percpu_write(irq_off, 1);
}

static inline void arch_irq_enable(void)
{
	percpu_write(irq_off, 0);
	if (unlikely(percpu_read(irq_pending)))
		soft_raise();
}

static inline unsigned long arch_irq_save(void)
{
	unsigned long f = arch_irq_flags();

	arch_irq_disable();
	return f;
}

static inline void arch_irq_restore(unsigned long f)
{
	if (f & ARCH_RFLAGS_IF)
		arch_irq_enable();
}
