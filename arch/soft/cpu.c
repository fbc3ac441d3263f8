// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the processor and the host's kernel offer to a process: XSAVE as far as the kernel enabled it, and the instructions for the
 * FS and GS bases, which the kernel announces in the auxiliary vector. Read once by the boot CPU, [I] from then on. No locks.
 */
#include <arch/cpu.h>
#include <arch/hostcall.h>
#include <arch/soft.h>
#include <arch/xstate.h>

#include "lib/util.h"

#define CPUID_OSXSAVE (1u << 27)

void arch_cpu_init(void)
{
	uint32_t r[4];

	arch_cpuid(1, 0, r);
	arch_xstate_setup(r[2] & CPUID_OSXSAVE ? arch_xgetbv() : 0);
}

void arch_cpu_base_only(void)
{
	/* vector state stays: the host lets programs use it whatever we say */
	arch_fsgsbase = false;
}

void arch_halt_forever(void)
{
	for (;;)
		hostcall(HOST_poll, 0, 0, -1, 0, 0, 0);
}

void soft_set_percpu(void *area)
{
	if (arch_fsgsbase)
		__asm__ volatile("wrgsbase %0" ::"r"(area) : "memory");
	else
		hostcall_set_gs((uintptr_t)area);
}
