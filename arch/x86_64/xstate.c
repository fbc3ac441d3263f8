// SPDX-License-Identifier: BSD-3-Clause
/*
 * The extended state that a CPU can save, the thread pointer, and the frame of a new thread: what is the same in ring 0 and in a
 * process.
 *
 * What there is comes from whoever starts the platform, once, before the first thread is made ([I] from then on; all CPUs of a
 * machine are alike): arch_xstate_setup() and arch_fsgsbase. x87, SSE, AVX and AVX-512 are saved where they are enabled and
 * nothing else: larger states (AMX) would not fit a preemption frame on a 16 KiB kernel stack. No locks, no memory.
 */
#include <arch/boot_abi.h>
#include <arch/context.h>
#include <arch/fsbase.h>
#include <arch/xstate.h>
#include <stddef.h>

#include <arch/cpu.h>

#include "lib/string.h"
#include "lib/util.h"

#define XSAVE_HEADER 512
#define FXSAVE_SIZE  512
#define XSAVE_FIRST  (XSAVE_HEADER + 64)

bool arch_fsgsbase;  /* [I] read by context.S */
bool arch_has_xsave; /* [I] read by context.S; without it FXSAVE serves */

static struct {
	uint64_t components; /* [I] 0: no XSAVE */
	uint32_t size;	     /* [I] */
} xstate = { .size = FXSAVE_SIZE };

void arch_thread_start(void);
void arch_load_control_words_old(uint32_t mxcsr, uint32_t fcw);

__cold void arch_xstate_setup(uint64_t xcr0)
{
	xstate.components = xcr0 & ARCH_XSTATE_WANTED;
	arch_has_xsave = xstate.components != 0;
	xstate.size = FXSAVE_SIZE;
	if (arch_has_xsave)
		xstate.size = XSAVE_FIRST;
	/* offset and size of each component beyond x87 and SSE (Intel SDM vol. 1, 13.2) */
	for (unsigned i = 2; i < 64; i++) {
		uint32_t r[4];

		if (!(xstate.components >> i & 1))
			continue;
		arch_cpuid(0xd, i, r);
		xstate.size = MAX(xstate.size, r[0] + r[1]);
	}
}

uint32_t arch_xstate_size(void)
{
	return xstate.size;
}

void arch_xstate_save(void *area)
{
	if (!xstate.components) {
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
		return;
	}
	memset((char *)area + XSAVE_HEADER, 0, 64); /* XSAVE leaves parts of its header alone, XRSTOR wants them zero */
	__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)xstate.components),
			 "d"((uint32_t)(xstate.components >> 32))
			 : "memory");
}

void arch_xstate_restore(const void *area)
{
	if (!xstate.components)
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
	else
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)xstate.components),
				 "d"((uint32_t)(xstate.components >> 32))
				 : "memory");
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
		return arch_fs_base_slow();
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

void arch_set_tp(uintptr_t tp)
{
	if (arch_fsgsbase)
		__asm__ volatile("wrfsbase %0" ::"r"(tp) : "memory");
	else
		arch_set_fs_base_slow(tp);
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
