// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=2
/* The same with assertions and the lock validator: none of it sleeps with a spin lock held, conditions under a spin lock neither. */
#include "uk_wait.c"
