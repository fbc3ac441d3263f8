// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 cpus=1,2,4 mem=256M cflags=-I{root},-I{root}/arch/x86_64,-I{build}/gen
/* uk/allocbbuddy.h in the machine: every function, by the host test's own program. */
#define TUTTI_GUEST
#include "../host/alloc_buddy.c"
