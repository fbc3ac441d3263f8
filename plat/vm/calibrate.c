// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calibration by bracketed samples. Reading a reference (a device register, under a hypervisor a trip out of the guest)
 * takes a while and may be interrupted by the host for milliseconds; a sample is therefore the shortest of a few tries,
 * with the cycle counter read before and after, and its time is the middle. The error of a window is at most half of both
 * gaps, so it shrinks as the window grows, and no wait is needed: whoever wants a better rate later looks again.
 *
 * Windows may be interrupted (the reference is also a timer that gets programmed): closed ones are summed, what lies
 * between is counted on neither side. Short windows weigh little by themselves; a window in which the reference may have
 * wrapped or stopped is the caller's to drop. No state, no locks.
 */
#include "plat/vm/calibrate.h"

#include "plat/vm/clock_math.h"

#define TRIES 6

struct cal_sample cal_sample(uint64_t (*tsc)(void), uint64_t (*read)(void))
{
	struct cal_sample best = { 0, UINT64_MAX, 0 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t a = tsc(), ref = read(), gap = tsc() - a;

		if (gap < best.gap)
			best = (struct cal_sample){ a, gap, ref };
	}
	return best;
}

static uint64_t middle(const struct cal_sample *s)
{
	return s->tsc + s->gap / 2;
}

static uint64_t window_tsc(const struct calibration *c, const struct cal_sample *s)
{
	return middle(s) - middle(&c->start);
}

static uint64_t window_ns(const struct calibration *c, const struct cal_sample *s)
{
	return clock_scale((s->ref - c->start.ref) & c->ref_mask, c->ref_mult);
}

void cal_open(struct calibration *c, const struct cal_sample *s)
{
	c->start = *s;
	c->open = true;
}

void cal_close(struct calibration *c, const struct cal_sample *s)
{
	if (!c->open)
		return;
	c->sum_tsc += window_tsc(c, s);
	c->sum_ns += window_ns(c, s);
	c->open = false;
}

uint64_t cal_mult(const struct calibration *c, const struct cal_sample *s)
{
	uint64_t tsc = c->sum_tsc, ns = c->sum_ns;

	if (s && c->open) {
		tsc += window_tsc(c, s);
		ns += window_ns(c, s);
	}
	return tsc && ns ? clock_mult(ns, tsc) : 0;
}

uint64_t cal_length(const struct calibration *c, const struct cal_sample *s)
{
	return c->sum_ns + (s && c->open ? window_ns(c, s) : 0);
}
