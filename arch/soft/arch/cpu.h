/* SPDX-License-Identifier: BSD-3-Clause */
/* What takes the place of ring 0's instructions in a process. */
#pragma once

#include <arch/hostcall.h>
#include <arch/insn.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#ifdef CONFIG_REPLAY
/* One turn of a loop that waits for another CPU: somebody else has to run. Implemented by plat/host/replay.c. */
void arch_cpu_relax(void);
#else
static inline void arch_cpu_relax(void)
{
	__builtin_ia32_pause();
}
#endif

/* A wait has become long: whoever it is for may have no core of the host. Any context, also where arch_cpu_relax() may be called. */
static inline void arch_cpu_yield(void)
{
#ifdef CONFIG_REPLAY
	arch_cpu_relax();
#else
	hostcall(HOST_sched_yield, 0, 0, 0, 0, 0, 0);
#endif
}

/* No more of this thread: until the process ends. */
void arch_halt_forever(void) __attribute__((noreturn));

/* What the processor and the host's kernel offer; by the boot CPU, before it makes a thread. */
void arch_cpu_init(void);
/* From now on use only what every x86-64 CPU has. Boot CPU, before the first thread is made. */
void arch_cpu_base_only(void);
