/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a spin loop does between two looks.
 *
 * `pause` is meant for this, but under QEMU's emulator each one leaves the generated code and takes the machine's
 * global lock, which the CPU that is being waited for needs to take its interrupt: with a `pause` per look an
 * interrupt between CPUs took milliseconds. One in many looks keeps what it is good for on hardware (a hint to the
 * other hyper-thread, and to a hypervisor that this CPU waits) at a price that does not show. Any context.
 */
#pragma once

#include <arch/cpu.h>

#include "config.h"

#ifndef SPIN_LOOKS_PER_PAUSE
/* In a replayed run nobody else goes on until this CPU says that it waits. */
#define SPIN_LOOKS_PER_PAUSE (config_replay ? 1u : 1024u)
#endif

/* `looks` counts the rounds of the loop, from 0. */
static inline void spin_wait(unsigned *looks)
{
	if (++*looks % SPIN_LOOKS_PER_PAUSE == 0)
		arch_cpu_relax();
	else
		__asm__ volatile("" ::: "memory");
}
