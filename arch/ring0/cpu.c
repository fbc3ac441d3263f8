// SPDX-License-Identifier: BSD-3-Clause
/*
 * One CPU's control registers.
 *
 * What the CPU offers is read once by the boot CPU ([I] from then on; all CPUs of a machine are alike) and applied by every
 * CPU in arch_cpu_init() before it takes interrupts. XCR0 enables what arch/xstate.h saves and nothing else. No locks, no
 * memory.
 */
#include <arch/boot_abi.h>
#include <arch/paging.h>
#include <arch/xstate.h>
#include <stddef.h>

#include <arch/cpu.h>

#include "lib/util.h"

static struct {
	uint64_t xcr0; /* [I] 0: no XSAVE */
	bool pages_1g; /* [I] */
	bool known;    /* [I] */
} cpu;

static void write_xcr0(uint64_t v)
{
	__asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static uint64_t read_cr4(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static void write_cr4(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

static __cold void discover(void)
{
	uint32_t r[4], max;

	arch_cpuid(0, 0, r);
	max = r[0];
	if (max >= 7) {
		arch_cpuid(7, 0, r);
		arch_fsgsbase = r[1] & 1;
	}
	arch_cpuid(1, 0, r);
	if (max >= 0xd && (r[2] & (1u << 26))) {
		arch_cpuid(0xd, 0, r);
		cpu.xcr0 = (r[0] | (uint64_t)r[3] << 32) & ARCH_XSTATE_WANTED;
	}
	arch_xstate_setup(cpu.xcr0);
	arch_cpuid(0x80000001, 0, r);
	cpu.pages_1g = r[3] & (1u << 26);
}

__cold void arch_cpu_init(void)
{
	uint64_t cr4 = read_cr4() | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (!cpu.known) {
		cpu.known = true;
		discover();
	}
	if (arch_fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (cpu.xcr0)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	if (cpu.xcr0)
		write_xcr0(cpu.xcr0);
}

__cold void arch_cpu_base_only(void)
{
	arch_fsgsbase = false;
	cpu.xcr0 = 0;
	arch_xstate_setup(0);
}

bool arch_has_1g_pages(void)
{
	return cpu.pages_1g;
}
