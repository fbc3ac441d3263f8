// SPDX-License-Identifier: BSD-3-Clause
// test: plant=rcu_early plat=host cpus=2 replay=20 seed=1 exit=1 timeout=120
/*
 * Planted in sync/rcu.c: a grace period that does not wait for CPU 1. The torture of tests/torture/rcu_torture.c has to find a reader there that
 * sees poison.
 */
#include "../torture/rcu_torture.c"
