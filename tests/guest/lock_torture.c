// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4,8 sched=preempt,coop
/* tests/torture/lock_torture.c in its short form. */
#define TORTURE_SHORT
#include "../torture/lock_torture.c"
