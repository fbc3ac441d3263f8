/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate of the cycle counter against a reference that counts at a known rate, from windows of any length. Pure arithmetic
 * on samples; tested in tests/host/plat_clock.c. The caller serializes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One look at both: the reference was `ref` at some moment in [tsc, tsc + gap]. */
struct cal_sample {
	uint64_t tsc;
	uint64_t gap;
	uint64_t ref;
};

struct calibration {
	uint64_t ref_mult;	  /* [I] reference ticks to ns, 32.32 */
	uint64_t ref_mask;	  /* [I] counter width, e.g. 0xffffff */
	uint64_t sum_tsc, sum_ns; /* of closed windows */
	bool open;
	struct cal_sample start;
};

/* Take the best (shortest) of several tries; `read` returns the reference counting up. */
struct cal_sample cal_sample(uint64_t (*tsc)(void), uint64_t (*read)(void));
void cal_open(struct calibration *c, const struct cal_sample *s);
/* Add what has passed since the start of the open window; the window is closed. */
void cal_close(struct calibration *c, const struct cal_sample *s);
/* Multiplier (ticks to ns) by closed windows and the open one up to `s` (NULL: closed ones only); 0 if there is nothing to go by. */
uint64_t cal_mult(const struct calibration *c, const struct cal_sample *s);
/* Length of all windows, ns. */
uint64_t cal_length(const struct calibration *c, const struct cal_sample *s);
