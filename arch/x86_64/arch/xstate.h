/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended processor state (x87, SSE, AVX, AVX-512 as the CPU has them) as one block in the standard XSAVE format
 * (Intel SDM vol. 1, ch. 13), or FXSAVE where there is no XSAVE. Kernel code is built without vector registers, so from
 * the moment application code is interrupted until the kernel switches away the state is in the registers.
 */
#pragma once

#include <stdint.h>

/* Bytes that a block needs; it must be 64-byte aligned. Constant after boot. */
uint32_t arch_xstate_size(void);
void arch_xstate_save(void *area);
void arch_xstate_restore(const void *area);
/* Registers to the state that a new thread has. */
void arch_xstate_reset(void);
