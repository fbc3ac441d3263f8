/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Set of CPUs as an array of words: no 64-CPU limit anywhere. Plain functions are for masks that one lock or one
 * thread owns; the `_atomic` ones may be called on a shared mask from any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#define CPUMASK_WORDS ((CONFIG_MAX_CPUS + 63) / 64)

struct cpumask {
	uint64_t w[CPUMASK_WORDS];
};

static inline void cpumask_clear_all(struct cpumask *m)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		m->w[i] = 0;
}

static inline void cpumask_set(struct cpumask *m, unsigned cpu)
{
	m->w[cpu / 64] |= 1ull << (cpu % 64);
}

static inline void cpumask_clear(struct cpumask *m, unsigned cpu)
{
	m->w[cpu / 64] &= ~(1ull << (cpu % 64));
}

/* CPUs 0 .. n-1 and no others. */
static inline void cpumask_set_first(struct cpumask *m, unsigned n)
{
	cpumask_clear_all(m);
	for (unsigned i = 0; i < n; i++)
		cpumask_set(m, i);
}

/* Relaxed read: on a shared mask the answer is a hint unless the caller's own ordering makes it more. */
static inline bool cpumask_test(const struct cpumask *m, unsigned cpu)
{
	return (__atomic_load_n(&m->w[cpu / 64], __ATOMIC_RELAXED) >> (cpu % 64)) & 1;
}

static inline bool cpumask_empty(const struct cpumask *m)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		if (__atomic_load_n(&m->w[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

static inline unsigned cpumask_weight(const struct cpumask *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		n += (unsigned)__builtin_popcountll(m->w[i]);
	return n;
}

/* First CPU at or after `from`, or -1. */
static inline int cpumask_next(const struct cpumask *m, unsigned from)
{
	for (unsigned i = from / 64; i < CPUMASK_WORDS; i++) {
		uint64_t w = __atomic_load_n(&m->w[i], __ATOMIC_RELAXED);

		if (i == from / 64)
			w &= ~0ull << (from % 64);
		if (w)
			return (int)(i * 64 + (unsigned)__builtin_ctzll(w));
	}
	return -1;
}

#define cpumask_foreach(cpu, m) for (int cpu = cpumask_next(m, 0); cpu >= 0; cpu = cpumask_next(m, (unsigned)cpu + 1))

/* Sequentially consistent; return the bit's old value. */
static inline bool cpumask_test_and_set_atomic(struct cpumask *m, unsigned cpu)
{
	return (__atomic_fetch_or(&m->w[cpu / 64], 1ull << (cpu % 64), __ATOMIC_SEQ_CST) >> (cpu % 64)) & 1;
}

static inline bool cpumask_test_and_clear_atomic(struct cpumask *m, unsigned cpu)
{
	return (__atomic_fetch_and(&m->w[cpu / 64], ~(1ull << (cpu % 64)), __ATOMIC_SEQ_CST) >> (cpu % 64)) & 1;
}
