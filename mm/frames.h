/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page frames: physical memory in naturally aligned blocks of 2^order pages.
 *
 * Any context (the locks inside are taken with interrupts off). Never sleeps. Frames are reachable through
 * arch_phys_to_virt(). A block is freed whole, with the order it was allocated with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <arch/paging.h>

#define FRAME_NONE	((paddr_t)-1)
#define FRAME_MAX_ORDER 18 /* 1 GiB */

enum {
	FRAME_ZERO = 1u << 0,	 /* filled with zeroes */
	FRAME_CHARGED = 1u << 1, /* backs a page that was charged: may use what is set aside for commitments */
	FRAME_PT = 1u << 2,	 /* page table page: may use the small reserve of last resort */
	FRAME_TRY = 1u << 3,	 /* a block that is at hand, or none: other CPUs' caches are left alone */
};

/*
 * Physical address or FRAME_NONE. A FRAME_CHARGED allocation of one page succeeds whenever a commitment is left; none
 * is left only if more such allocations are under way than were committed.
 */
paddr_t frame_alloc(unsigned order, unsigned flags);
void frame_free(paddr_t pa, unsigned order);
/* From now on the pages of an allocated block are allocated one by one. */
void frame_split(paddr_t pa, unsigned order);
/* Free one page and take the commitment for it back in the same step: cannot fail. */
void frame_free_charged(paddr_t pa);

struct frame_stats {
	uint64_t total;	    /* frames managed */
	uint64_t free;	    /* of them free now (section not yet initialised counts as free) */
	uint64_t committed; /* charged and not yet backed: set aside */
	uint64_t heap;	    /* most that frame_commit() would grant at once */
};
void frame_stats(struct frame_stats *s);

/*
 * Commitment for heaps: reserve `pages` future frames so that faults on them cannot fail. 0 or -ENOMEM. Released page
 * by page as FRAME_CHARGED allocations consume it, or by frame_uncommit().
 */
int frame_commit(uint64_t pages);
void frame_uncommit(uint64_t pages);

/* Boot: take over bootinfo memory. The cost does not depend on how much there is: it is prepared when it is needed. */
void frame_init(void);
/* Boot: memory that was in no range of bootinfo and is free now. The caller is the only CPU. */
void frame_donate(paddr_t pa, uint64_t pages);
