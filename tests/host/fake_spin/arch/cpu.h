/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake for host tests of spin loops: the test decides what a turn of the loop does, which there is where an interrupt may come. */
#pragma once

#include <stdint.h>

void fake_relax(void);
void fake_yield(void);

static inline void arch_cpu_relax(void)
{
	fake_relax();
}

static inline void arch_cpu_yield(void)
{
	fake_yield();
}
