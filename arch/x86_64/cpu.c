// SPDX-License-Identifier: BSD-3-Clause
/*
 * One CPU's control registers, the extended state it can save, the thread pointer, and the frame of a new thread.
 *
 * What the CPU offers is read once by the boot CPU ([I] from then on; all CPUs of a machine are alike) and applied by every
 * CPU in arch_cpu_init() before it takes interrupts. XCR0 enables x87, SSE, AVX and AVX-512 where they are and nothing
 * else: larger states (AMX) would not fit a preemption frame on a 16 KiB kernel stack. No locks, no memory.
 */
#include <arch/boot_abi.h>
#include <arch/context.h>
#include <arch/paging.h>
#include <arch/xstate.h>
#include <stddef.h>

#include <arch/cpu.h>

#include "lib/string.h"
#include "lib/util.h"

#define XCR0_WANTED  0xe7ull /* x87, SSE, AVX, opmask, ZMM_Hi256, Hi16_ZMM */
#define XSAVE_HEADER 512
#define FXSAVE_SIZE  512

bool arch_fsgsbase;  /* [I] read by context.S */
bool arch_has_xsave; /* [I] read by context.S; without it FXSAVE serves */

static struct {
	uint64_t xcr0;	/* [I] 0: no XSAVE */
	uint32_t xsize; /* [I] */
	bool pages_1g;	/* [I] */
	bool known;	/* [I] */
} cpu = { .xsize = FXSAVE_SIZE };

void arch_thread_start(void);
void arch_load_control_words_old(uint32_t mxcsr, uint32_t fcw);

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
		cpu.xcr0 = (r[0] | (uint64_t)r[3] << 32) & XCR0_WANTED;
		arch_has_xsave = cpu.xcr0 != 0;
	}
	arch_cpuid(0x80000001, 0, r);
	cpu.pages_1g = r[3] & (1u << 26);
}

__cold void arch_cpu_init(void)
{
	uint64_t cr4 = read_cr4() | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	uint32_t r[4];
	bool first = !cpu.known;

	if (first) {
		cpu.known = true;
		discover();
	}
	if (arch_fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (cpu.xcr0)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	if (cpu.xcr0) {
		write_xcr0(cpu.xcr0);
		if (first) {
			arch_cpuid(0xd, 0, r);
			cpu.xsize = r[1]; /* for what XCR0 enables now */
		}
	}
}

__cold void arch_cpu_base_only(void)
{
	arch_has_xsave = false;
	arch_fsgsbase = false;
	cpu.xcr0 = 0;
	cpu.xsize = FXSAVE_SIZE;
}

bool arch_has_1g_pages(void)
{
	return cpu.pages_1g;
}

uint32_t arch_xstate_size(void)
{
	return cpu.xsize;
}

void arch_xstate_save(void *area)
{
	if (!cpu.xcr0) {
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
		return;
	}
	memset((char *)area + XSAVE_HEADER, 0, 64); /* XSAVE leaves parts of its header alone, XRSTOR wants them zero */
	__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
}

void arch_xstate_restore(const void *area)
{
	if (!cpu.xcr0)
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
	else
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
}

void arch_xstate_reset(void)
{
	const uint32_t mxcsr = 0x1f80;

	__asm__ volatile("fninit");
	if (arch_has_xsave)
		__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	else
		arch_load_control_words_old(mxcsr, 0x37f);
}

uintptr_t arch_get_tp(void)
{
	uintptr_t v;

	if (!arch_fsgsbase)
		return arch_rdmsr(MSR_FS_BASE);
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

void arch_set_tp(uintptr_t tp)
{
	if (arch_fsgsbase)
		__asm__ volatile("wrfsbase %0" ::"r"(tp) : "memory");
	else
		arch_wrmsr(MSR_FS_BASE, tp);
}

/* What arch_switch() pops. */
struct switch_frame {
	uint32_t mxcsr, fcw;
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

void arch_context_init(struct arch_context *ctx, uintptr_t kstack_top,
		       void (*entry)(void *switched_from, void *arg) __attribute__((noreturn)), void *arg)
{
	struct switch_frame *f = (struct switch_frame *)ALIGN_DOWN(kstack_top, 16) - 1;

	*f = (struct switch_frame){ .mxcsr = 0x1f80,
				    .fcw = 0x37f,
				    .r12 = (uintptr_t)entry,
				    .r13 = (uintptr_t)arg,
				    .rip = (uintptr_t)arch_thread_start };
	ctx->rsp = (uintptr_t)f;
}
