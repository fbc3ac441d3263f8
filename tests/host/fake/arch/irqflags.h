/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake for host tests: the interrupt flag is a variable of the thread, which plays a CPU. */
#pragma once

#include <stdbool.h>

#define ARCH_RFLAGS_IF (1ul << 9)

__attribute__((weak)) __thread unsigned long fake_irqs_off;

static inline unsigned long arch_irq_flags(void)
{
	return fake_irqs_off ? 0 : ARCH_RFLAGS_IF;
}

static inline bool arch_irqs_disabled(void)
{
	return fake_irqs_off != 0;
}

static inline void arch_irq_disable(void)
{
	fake_irqs_off = 1;
}

static inline void arch_irq_enable(void)
{
	fake_irqs_off = 0;
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
