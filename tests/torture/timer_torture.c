// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4,8 timeout=7200
/* tests/guest/timer_torture.c for TUTTI_MINUTES. */
#define TORTURE_LONG
#include "../guest/timer_torture.c"
