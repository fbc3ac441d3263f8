// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2,4 alloc=buddy,mallocng,mimalloc timeout=7200
/* tests/guest/malloc_torture.c for its part of the time of a long run. */
#define CHECK_TORTURE 200
#include "../guest/malloc_torture.c"
