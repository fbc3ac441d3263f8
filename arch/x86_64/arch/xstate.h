/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended processor state (x87, SSE, AVX, AVX-512 as the CPU has them) as one block in the standard XSAVE format
 * (Intel SDM vol. 1, ch. 13), or FXSAVE where there is no XSAVE. Kernel code is built without vector registers, so from
 * the moment application code is interrupted until the kernel switches away the state is in the registers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARCH_XSTATE_WANTED 0xe7ull /* x87, SSE, AVX, opmask, ZMM_Hi256, Hi16_ZMM */

/* Which instructions there are: read by context.S. Set before the first thread is made. */
extern bool arch_fsgsbase;
extern bool arch_has_xsave;
/* Of the components enabled in XCR0, save those that are wanted; 0: there is no XSAVE. Before the first thread is made. */
void arch_xstate_setup(uint64_t xcr0);

/* Bytes that a block needs; it must be 64-byte aligned. Constant after boot. */
uint32_t arch_xstate_size(void);
void arch_xstate_save(void *area);
void arch_xstate_restore(const void *area);
/* Registers to the state that a new thread has. */
void arch_xstate_reset(void);
