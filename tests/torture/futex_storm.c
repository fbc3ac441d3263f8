// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2,4 timeout=7200
/* tests/guest/futex_storm.c for as long as TUTTI_MINUTES says: about a minute each on two quiet cores. */
#define CHECK_TORTURE 800
#include "../guest/futex_storm.c"
