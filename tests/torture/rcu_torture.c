// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4,8 sched=preempt,coop timeout=7200
/* tests/guest/rcu_torture.c for as long as TUTTI_MINUTES says. */
#define TORTURE_LONG
#include "../guest/rcu_torture.c"
