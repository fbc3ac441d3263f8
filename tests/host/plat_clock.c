/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=plat/vm/calibrate.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * Clock arithmetic and calibration on a simulated machine: references of 1 GHz and of 3.579545 MHz with 24 bits, reads that take a
 * while and are at times interrupted for milliseconds. The rate is right within what the gaps allow, at once and better
 * with time, over windows that are closed and opened again and over a reference that wraps; dates convert to seconds.
 */
#include "plat/vm/calibrate.h"

#include <time.h>

#include "expect.h"
#include "plat/vm/clock_math.h"

#define TSC_HZ 2596000000ull

static uint64_t now_ns, seed = 7, ref_hz = 1000000000ull, ref_mask = 0xffffffff;
static int noisy;

static uint64_t tsc(void)
{
	now_ns += 20;
	return (uint64_t)((unsigned __int128)now_ns * TSC_HZ / 1000000000ull);
}

static uint64_t ref(void)
{
	uint64_t v;

	now_ns += 40 + next_random(&seed) % 60;
	if (noisy && next_random(&seed) % 12 == 0)
		now_ns += next_random(&seed) % 5000000; /* the host took the CPU away */
	v = (uint64_t)((unsigned __int128)now_ns * ref_hz / 1000000000ull) & ref_mask;
	now_ns += 40 + next_random(&seed) % 60;
	return v;
}

static double error(uint64_t mult)
{
	double hz = 1e9 * 4294967296.0 / (double)mult;

	return hz > TSC_HZ ? hz / TSC_HZ - 1 : 1 - hz / TSC_HZ;
}

static void test_calibration(uint64_t hz, uint64_t mask, double resolution)
{
	struct calibration c = { .ref_mult = clock_ratio(1000000000ull, hz), .ref_mask = mask };
	struct cal_sample s;

	ref_hz = hz;
	ref_mask = mask;
	EXPECT_EQ(cal_mult(&c, NULL), 0);
	s = cal_sample(tsc, ref);
	cal_open(&c, &s);
	for (uint64_t step = 200000; step < 1000000000; step *= 3) {
		now_ns += step;
		s = cal_sample(tsc, ref);
		EXPECT(error(cal_mult(&c, &s)) < (300e-9 + resolution) / ((double)step / 1e9) + 1e-7);
	}
	/* close, let time pass uncounted, open again */
	cal_close(&c, &s);
	EXPECT(!c.open);
	now_ns += 123456789;
	s = cal_sample(tsc, ref);
	cal_open(&c, &s);
	now_ns += 900000000;
	s = cal_sample(tsc, ref);
	EXPECT(error(cal_mult(&c, &s)) < 2e-6);
	EXPECT(cal_length(&c, &s) > 900000000 && cal_length(&c, &s) < 2000000000);
	cal_close(&c, &s);
	EXPECT(error(cal_mult(&c, NULL)) < 2e-6);
}

static void test_math(void)
{
	uint64_t mult = clock_mult(1000000000ull, TSC_HZ);

	EXPECT_EQ(clock_ratio(1, 1), 1ull << 32);
	EXPECT_EQ(clock_ratio(5, 0), UINT64_MAX);
	EXPECT_EQ(clock_ratio(UINT64_MAX, 3), UINT64_MAX);
	EXPECT_EQ(clock_scale(1ull << 63, 1ull << 32), 1ull << 63);
	for (uint64_t ns = 1; ns < 1ull << 40; ns = ns * 7 / 2 + 1) {
		uint64_t t = clock_ticks(ns, mult);

		EXPECT(clock_scale(t, mult) >= ns); /* a timer is never early by rounding */
		EXPECT(clock_scale(t, mult) <= ns + 1);
	}
	/* a year at this rate is off by less than 20 ms */
	uint64_t year = 365ull * 86400 * TSC_HZ, ns = clock_scale(year, mult);

	EXPECT(ns <= 365ull * 86400 * 1000000000 && ns > 365ull * 86400 * 1000000000 - 20000000);
}

static void test_dates(void)
{
	for (time_t t = 0; t < 4102444800; t += 86400 * 3 + 3723) {
		struct tm d;

		gmtime_r(&t, &d);
		EXPECT_EQ(clock_unix_seconds((unsigned)d.tm_year + 1900, (unsigned)d.tm_mon + 1, (unsigned)d.tm_mday,
					     (unsigned)d.tm_hour, (unsigned)d.tm_min, (unsigned)d.tm_sec),
			  t);
	}
}

int main(void)
{
	test_math();
	test_dates();
	for (noisy = 0; noisy < 2; noisy++)
		for (int i = 0; i < 50; i++) {
			test_calibration(1000000000ull, 0xffffffff, 0);
			test_calibration(3579545, 0xffffff, 280e-9);
		}
	return 0;
}
