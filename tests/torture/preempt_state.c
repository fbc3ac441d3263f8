// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2,4 timeout=7200
/* tests/guest/preempt_state.c for its part of the time of a long run. */
#define CHECK_TORTURE 150
#include "../guest/preempt_state.c"
