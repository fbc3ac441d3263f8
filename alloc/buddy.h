/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the binary buddy, for the boot choice `buddy` (ports/) which lets it grow. */
#pragma once

#include <uk/alloc.h>

#include "uk/spinlock.h"

#define BUDDY_ORDERS 33
#define BUDDY_NONE   0xffffffffu
#define BUDDY_META   9 /* bytes of metadata per unit */

/*
 * Free blocks of 2^order units in one stretch of at most 2^32 - 1 units. A unit's number is its address in units (so
 * blocks are aligned absolutely); its index is number - first.
 */
struct buddy_set {
	__uptr first;		     /* [I] number of the first unit */
	uint32_t units;		     /* [I] */
	uint32_t head[BUDDY_ORDERS]; /* [lock] index of the first free block */
	uint64_t orders;	     /* [lock] bit o: head[o] is not BUDDY_NONE */
	unsigned long free;	     /* [lock] units */
	struct buddy_link {
		uint32_t next, prev;
	} * link;     /* [lock] per unit; valid for heads of free blocks */
	uint8_t *tag; /* [lock] per unit; BUDDY_FREE or _USED | order for the first unit of a block, else 0 */
};
#define BUDDY_FREE 0x80
#define BUDDY_USED 0x40

/* Nothing is free in the new set. `meta`: units * BUDDY_META bytes, 8-byte aligned; `zeroed`: it is zero. */
void buddy_set_init(struct buddy_set *s, __uptr first, uint32_t units, void *meta, bool zeroed);
/* Index of a block of 2^order units or BUDDY_NONE. Caller serializes. */
uint32_t buddy_set_get(struct buddy_set *s, unsigned order);
/* Give back a block in use; merges. Caller serializes. */
void buddy_set_put(struct buddy_set *s, uint32_t idx, unsigned order);
/* Make [idx, idx + n), so far in no block, free. Caller serializes. */
void buddy_set_add(struct buddy_set *s, uint32_t idx, uint32_t n);
/* Order of the largest free block, -1: none. */
int buddy_set_largest(const struct buddy_set *s);

/* Smallest order with 2^order >= n; n > 0. */
static inline unsigned buddy_order(unsigned long n)
{
	return n <= 1 ? 0 : 64u - (unsigned)__builtin_clzl(n - 1);
}

struct buddy_range {
	struct buddy_range *next; /* [lock] */
	struct buddy_set set;	  /* units: pages */
};

struct buddy {
	struct uk_spinlock lock;
	struct buddy_range *ranges; /* [lock] */
	/*
	 * Put a block of at least 2^order pages into a range (0) or -ENOMEM. No lock held, may sleep, several at once.
	 * NULL: does not grow.
	 */
	int (*grow)(struct uk_alloc *a, unsigned order);
	/* Pages that growing could still give in all, and in one block (both 0: none). */
	unsigned long (*growable)(unsigned long *block);
};

static inline struct buddy *buddy_of(struct uk_alloc *a)
{
	return (struct buddy *)a->priv;
}

/* Fill table and state of `a` (with room for a struct buddy in priv); no memory yet, not registered. */
void buddy_setup(struct uk_alloc *a);
