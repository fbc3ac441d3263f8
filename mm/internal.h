/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of mm/ share: the address space, its page tables and the shootdown. Not for other modules.
 *
 * Lock order: mm_as.lock, kva lock, slab cache, frame cache, frame buddy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/paging.h>

#include "lib/rbtree.h"
#include "lib/util.h"
#include "mm/slab.h"
#include "sync/percpu.h"
#include "sync/rwspin.h"

#define PROT_R 1u
#define PROT_W 2u
#define PROT_X 4u

/* ---- mappings ---- */
enum {
	VMA_HEAP = 1u << 0, /* charged while writable */
	VMA_STACK = 1u << 1,
	VMA_FIXED = 1u << 2, /* image: not the application's to change; its pages are not ours to free */
};

struct vma {
	struct rb_node node; /* [as] in mm_as.vmas, by start */
	uintptr_t start;     /* [as] page aligned, start < end; VMAs do not overlap */
	uintptr_t end;	     /* [as] */
	uint32_t prot;	     /* [as] PROT_* */
	uint32_t attr;	     /* [I] VMA_* */
	struct vma *next;    /* [as] while on a list of removed ones */
};

struct address_space {
	struct rwspin lock;	/* shared: faults; exclusive: everything that changes VMAs, protection or tables */
	struct rb_tree vmas;	/* [lock] */
	uintptr_t mmap_top;	/* [I] mappings without a hint are placed below, as high as possible */
	uint64_t faults;	/* [a] */
	uint64_t heap_resident; /* [a] pages */
	uint64_t heap_peak;	/* [a] pages */
	uint64_t app_resident;	/* [a] pages */
} __cacheline;

extern struct address_space mm_as;
extern struct slab_cache mm_vma_cache;

static inline bool vma_charged(const struct vma *v)
{
	return (v->attr & VMA_HEAP) && (v->prot & PROT_W);
}

/* The VMA with the lowest address that ends above `addr`, or NULL. mm_as.lock held, shared will do. */
struct vma *vma_above(uintptr_t addr) REQUIRES_SHARED(mm_as.lock);
/* The one that contains `addr`, or NULL. */
struct vma *vma_at(uintptr_t addr) REQUIRES_SHARED(mm_as.lock);
struct vma *vma_next(const struct vma *v) REQUIRES_SHARED(mm_as.lock);
struct vma *vma_prev(const struct vma *v) REQUIRES_SHARED(mm_as.lock);
/* Boot, nobody else runs: a range that is mapped already. 0 or -ENOMEM. */
int vma_add_fixed(uintptr_t start, uintptr_t end, unsigned prot);

/*
 * mm_as.lock. Waiting serves shootdowns and, after a while, halts (see shootdown.c). The fault's unlocks must not
 * switch threads on their way out: preempt_enable_no_resched() there.
 */
void as_read_lock(void) ACQUIRES_SHARED(mm_as.lock);
void as_write_lock(void) ACQUIRES(mm_as.lock);
/* Preemption stays off. */
void as_read_unlock_keep(void) RELEASES_SHARED(mm_as.lock);
void as_write_unlock_keep(void) RELEASES(mm_as.lock);

static inline void as_write_unlock(void) RELEASES(mm_as.lock);
static inline void as_write_unlock(void)
{
	as_write_unlock_keep();
	preempt_enable();
}

/* Install pages of [start, end) as touching them would; stops at the first that has no memory. Takes mm_as.lock. */
void fault_populate(uintptr_t start, uintptr_t end) EXCLUDES(mm_as.lock);

/* ---- page tables ---- */
#define PT_FLUSH_PAGES 32u

/* What a change of tables wants flushed from TLBs. */
struct pt_flush {
	unsigned count; /* > PT_FLUSH_PAGES: everything */
	uintptr_t page[PT_FLUSH_PAGES];
};

static inline void pt_flush_add(struct pt_flush *f, uintptr_t va)
{
	if (f->count < PT_FLUSH_PAGES)
		f->page[f->count] = va;
	if (f->count <= PT_FLUSH_PAGES)
		f->count++;
}

/* The root of the only tree of tables; set by mm_init(). */
extern uint64_t *mm_pt_root;

/* Entry bits of a resident application page with this protection. */
uint64_t pt_app_bits(unsigned prot);
/*
 * Address of the entry of `level` for `va`; missing tables are made if `create`. NULL: missing and not wanted or no
 * memory. mm_as.lock held (shared will do) or the kva lock for its range: one or the other, which no contract can say.
 */
uint64_t *pt_entry(uintptr_t va, unsigned level, bool create);
/* All last-level tables of the range: 0 or -ENOMEM (those made stay). */
int pt_build(uintptr_t start, uintptr_t end);
/* Map contiguous memory with the largest pages up to `max_level` that alignment allows. Boot and kva. 0 or -ENOMEM. */
int pt_map(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits, unsigned max_level);

/* The following: mm_as.lock held exclusively (to count: shared will do), application range, page aligned. */
uint64_t pt_count(uintptr_t start, uintptr_t end) REQUIRES_SHARED(mm_as.lock);
/* These two give the number of resident pages. */
uint64_t pt_protect(uintptr_t start, uintptr_t end, unsigned prot, struct pt_flush *f) REQUIRES(mm_as.lock);
/* Removing pages takes four steps: zap, detach tables, shootdown, then reap and release. See pagetable.c. */
uint64_t pt_zap(uintptr_t start, uintptr_t end, struct pt_flush *f) REQUIRES(mm_as.lock);
void pt_detach(uintptr_t start, uintptr_t end, uintptr_t hole_start, uintptr_t hole_end, struct pt_flush *f)
	REQUIRES(mm_as.lock);
void pt_reap(uintptr_t start, uintptr_t end, bool recommit) REQUIRES(mm_as.lock);
void pt_release(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);

/* ---- shootdown ---- */
/* Flush on all CPUs that may hold what is named; returns when they have. mm_as.lock held exclusively. */
void shootdown(const struct pt_flush *f) REQUIRES(mm_as.lock);
void shootdown_init(void);
uint64_t shootdown_ipi_count(void);
