// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2,4 timeout=7200
/* tests/guest/futex_wait_wake.c for its part of the time of a long run. */
#define CHECK_TORTURE 1500
#include "../guest/futex_wait_wake.c"
