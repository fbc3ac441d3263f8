/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lock statistics, behind the hooks (sync/lock_hooks.h). Any context; `class` is a number of lock_class.h, 0: not counted. `pc` and `fp`: the
 * place that called the hook.
 */
#pragma once

#include <stdint.h>

#include "sync/lock_class.h"

#ifdef __TUTTI_LOCK_HOOKS__

/* In the order of the hooks. */
void lockstat_acquire(unsigned mode);
void lockstat_contended(const void *lock, unsigned mode);
void lockstat_acquired(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp);
/* A wait for a lock that sleeps ended without it: it counts as a wait, not as an acquisition. */
void lockstat_gave_up(unsigned class, const void *lock, uintptr_t pc, uintptr_t fp);
uint64_t lockstat_now(void);
void lockstat_waited(unsigned class, uint64_t since, uintptr_t pc, uintptr_t fp);
/* Hand all lines up (tutti_upcalls.lock_stat): "class ..." and "site ...", see lockstat.c. */
void lockstat_print(void);

#endif
