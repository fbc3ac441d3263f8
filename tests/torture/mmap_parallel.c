// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2,4 timeout=7200
/* tests/guest/mmap_parallel.c for its part of the time of a long run. */
#define CHECK_TORTURE 50
#include "../guest/mmap_parallel.c"
