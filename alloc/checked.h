/* SPDX-License-Identifier: BSD-3-Clause */
/* In a build with CHECK=memory, an allocator with margins and quarantine in front of it; otherwise the allocator itself. */
#pragma once

#include "alloc/allocator.h"
#include "config.h"

#ifdef CONFIG_CHECK_MEMORY
/*
 * The table to call instead of `a`, the one that is being made the choice: all calls of its functions go through one or the other
 * table, never both. Boot CPU, in or after its init().
 */
const struct tutti_allocator *allocator_checked(const struct tutti_allocator *a);
#else
static inline const struct tutti_allocator *allocator_checked(const struct tutti_allocator *a)
{
	return a;
}
#endif
