/* SPDX-License-Identifier: BSD-3-Clause */
/* The FS base where the processor has no instruction for it. */
#pragma once

#include <arch/boot_abi.h>
#include <arch/cpu.h>
#include <stdint.h>

static inline uintptr_t arch_fs_base_slow(void)
{
	return arch_rdmsr(MSR_FS_BASE);
}

static inline void arch_set_fs_base_slow(uintptr_t base)
{
	arch_wrmsr(MSR_FS_BASE, base);
}
