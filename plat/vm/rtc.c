// SPDX-License-Identifier: BSD-3-Clause
/*
 * MC146818 real-time clock, read once at boot. An update in progress makes the registers change under the reader, so the
 * date is taken when two readings in a row agree and no update was under way. There is no wait for one to end (it can take
 * 2 ms): after a few tries the last reading that looks like a date is good enough, since it is off by a second at most.
 * Boot CPU only; no state.
 */
#include <arch/cpu.h>
#include <stdbool.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/vm/clock.h"
#include "plat/vm/clock_math.h"

#define TRIES 8

struct date {
	uint8_t s, m, h, day, month, year, century;
};

static __cold __noinline uint8_t cmos(uint8_t reg)
{
	arch_out8(0x70, reg);
	return arch_in8(0x71);
}

static __cold uint8_t from_bcd(unsigned v)
{
	return (uint8_t)((v >> 4) * 10 + (v & 15));
}

__cold uint64_t rtc_read(uint8_t century_register)
{
	struct date d = { 0 }, last = { 0 };
	uint8_t mode;
	unsigned h, year, century;
	bool pm;

	for (int i = 0; i < TRIES; i++) {
		bool updating = cmos(0x0a) & 0x80;

		d = (struct date){ cmos(0),
				   cmos(2),
				   cmos(4),
				   cmos(7),
				   cmos(8),
				   cmos(9),
				   century_register ? cmos(century_register) : 0 };
		if (!updating && !memcmp(&d, &last, sizeof(d)))
			break;
		last = d;
	}
	mode = cmos(0x0b);
	pm = d.h & 0x80;
	d.h &= 0x7f;
	if (!(mode & 4)) {
		for (size_t i = 0; i < sizeof(d); i++)
			((uint8_t *)&d)[i] = from_bcd(((const uint8_t *)&d)[i]);
	}
	h = mode & 2 ? d.h : d.h % 12u + (pm ? 12 : 0); /* 24 or 12 hours */
	century = d.century >= 19 && d.century <= 29 ? d.century : d.year < 70 ? 20 : 19;
	year = century * 100 + d.year;
	if (d.s > 60 || d.m > 59 || h > 23 || d.day < 1 || d.day > 31 || d.month < 1 || d.month > 12 || d.year > 99)
		return 0;
	return clock_unix_seconds(year, d.month, d.day, h, d.m, d.s);
}
