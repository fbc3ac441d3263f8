/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock validator, behind the hooks (sync/lock_hooks.h): what is checked is told in validator.c. Any context. `pc` and `fp`: the place
 * that called the hook.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/lock_graph.h"

#ifdef __TUTTI_LOCK_HOOKS__

#define LOCK_PARTS 24

/* What is handed up to be printed: a line, then parts, each a line and the stack that belongs to it (none if it starts with 0). */
struct lock_report {
	char what[240];
	unsigned count;
	struct {
		char line[160];
		uintptr_t stack[LOCK_STACK_LONG];
	} part[LOCK_PARTS];
};

/* `class` 0: without one, the tables are full. */
void validator_acquire(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp);
void validator_acquired(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp);
void validator_release(const void *lock, uintptr_t pc, uintptr_t fp);
bool validator_is_held(const void *lock);
void validator_may_sleep(uintptr_t pc, uintptr_t fp);
void validator_rcu_lock(uintptr_t pc, uintptr_t fp);
void validator_rcu_unlock(uintptr_t pc, uintptr_t fp);
bool validator_rcu_is_held(void);
/* `who`: "thread" or "machine". */
void validator_exit(const char *who, uintptr_t pc, uintptr_t fp);
/* No more reports. */
void validator_off(void);

#endif
