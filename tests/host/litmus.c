// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/seqlock.c cflags=-O2,-Itests/host/fake,-DLITMUS_TURNS=50000,-DLITMUS_WEAK=20000000 timeout=120
/* tests/guest/litmus.c on the computer itself, where the weak variant has to be seen: two cores are wanted. */
#include "../guest/litmus.c"
