/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the bump allocator, for the boot choice `region` (ports/) which lets it grow. */
#pragma once

#include <uk/alloc.h>

#include "uk/spinlock.h"

/* A stretch of memory. The head of an added one lies at its own start. */
struct region_range {
	struct region_range *next; /* [a] */
	__uptr start;		   /* [I] */
	__uptr cur;		   /* [lock] next free byte, 16-byte aligned */
	__uptr end;		   /* [lock] */
};

struct region {
	struct uk_spinlock lock;
	struct region_range first; /* head of the list; grows in place if `grow` is set */
	/*
	 * Make first.end at least `end` (0) or -ENOMEM; called with no lock held, sleeping allowed, by several threads
	 * at once. It sets first.end under `lock`. NULL: does not grow.
	 */
	int (*grow)(struct uk_alloc *a, __uptr end);
	/* Bytes that growing could still give. */
	__sz (*growable)(void);
};

#define REGION_HEADER 16

static inline struct region *region_of(struct uk_alloc *a)
{
	return (struct region *)a->priv;
}

/* Fill the table and the state of `a` (with room for a struct region in priv) over [cur, end); not registered. */
void region_setup(struct uk_alloc *a, __uptr cur, __uptr end);
/* `size` as given to malloc or realloc. ptr not NULL. */
__sz region_usable_size(const void *ptr);
