/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt enable flag of this CPU. Any context. */
#pragma once

#include <stdbool.h>

#define ARCH_RFLAGS_IF (1ul << 9)

static inline unsigned long arch_irq_flags(void)
{
	unsigned long f;

	__asm__ volatile("pushfq; popq %0" : "=r"(f)::"memory");
	return f;
}

static inline bool arch_irqs_disabled(void)
{
	return !(arch_irq_flags() & ARCH_RFLAGS_IF);
}

static inline void arch_irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void arch_irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
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
