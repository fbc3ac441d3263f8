/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clock arithmetic: pure, tested in tests/host/plat_clock.c. Rates are 32.32 fixed point: ns = ticks * mult >> 32. Products
 * are 128 bits wide, quotients must fit into 64 (they do for clocks of 1 MHz to 100 GHz over less than a year).
 */
#pragma once

#include <stdint.h>

static inline uint64_t clock_scale(uint64_t ticks, uint64_t mult)
{
	return (uint64_t)((unsigned __int128)ticks * mult >> 32);
}

/* (a << 32) / b, saturating; without libgcc's 128-bit division. */
static inline uint64_t clock_ratio(uint64_t a, uint64_t b)
{
	uint64_t q, r;

	if (a >> 32 >= b)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(q), "=d"(r) : "a"(a << 32), "d"(a >> 32), "r"(b) : "cc");
	return q;
}

/* Multiplier of a clock that makes `ticks` in `ns`. */
static inline uint64_t clock_mult(uint64_t ns, uint64_t ticks)
{
	return clock_ratio(ns, ticks);
}

/* Ticks until `ns` have passed, rounded up. */
static inline uint64_t clock_ticks(uint64_t ns, uint64_t mult)
{
	uint64_t t = clock_ratio(ns, mult);

	return t == UINT64_MAX ? t : t + 1;
}

/* Seconds since 1970 of a date in the Gregorian calendar (days from civil, by era of 400 years). */
static inline uint64_t clock_unix_seconds(unsigned year, unsigned month, unsigned day, unsigned h, unsigned m,
					  unsigned s)
{
	uint64_t y = year - (month <= 2), era = y / 400, yoe = y % 400;
	uint64_t doy = (153u * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
	uint64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (era * 146097 + doe - 719468) * 86400 + h * 3600ull + m * 60ull + s;
}
