// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2 timeout=7200
/* tests/guest/litmus.c for as long as TUTTI_MINUTES says: about a minute each on two quiet cores. */
#define CHECK_TORTURE 1000
#include "../guest/litmus.c"
