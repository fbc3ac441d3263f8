/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of mm/: as fake/, and other CPUs' areas can be looked at (the test defines them), and whoever spins
 * gives way: there are more threads than processors.
 */
#pragma once

#include_next "sync/percpu.h"

#include <sched.h>

/* instead of the values in sync/spin.h and mm/shootdown.c */
#define SPIN_LOOKS_PER_PAUSE   1u
#define HALT_LOOKS	       2u
#define __builtin_ia32_pause() ((void)sched_yield())

extern struct percpu percpu_areas[];
