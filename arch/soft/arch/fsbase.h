/* SPDX-License-Identifier: BSD-3-Clause */
/* The FS base where the processor, or the host's kernel, has no instruction for it. */
#pragma once

#include <arch/hostcall.h>
#include <stdint.h>

static inline uintptr_t arch_fs_base_slow(void)
{
	return hostcall_get_fs();
}

static inline void arch_set_fs_base_slow(uintptr_t base)
{
	hostcall_set_fs(base);
}
