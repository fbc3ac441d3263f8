// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4,8 timeout=7200
/* tests/guest/spin_torture.c for as long as TUTTI_MINUTES says. */
#define TORTURE_LONG
#include "../guest/spin_torture.c"
