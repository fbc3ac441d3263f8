/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of the application: mmap, munmap, mprotect, madvise.
 *
 * A VMA is a range with one protection and one set of attributes. VMAs do not overlap; neighbours that agree in both
 * are one VMA, except fixed ones (the image). They stand in one red-black tree by address; a free place is sought
 * downwards from `mmap_top`, in time proportional to the number of VMAs above it.
 *
 * Concurrency: everything here holds mm_as.lock exclusively; faults hold it shared. Each call that changes something
 * first reserves what it needs (VMA objects for splits, commitment, page tables), then changes with steps that cannot
 * fail.
 *
 * Commitment, for VMA_HEAP. The counter of frames.c holds one for every page of a writable heap VMA that is not
 * resident: +1 when the page becomes writable unless it is resident, -1 when a fault makes it resident, and back when
 * it is dropped by MADV_DONTNEED; the rest is released when the VMA goes or becomes read-only. The last-level page
 * tables of a charged range are built with the charge and stay while any VMA touches their span, so a fault needs the
 * one frame and nothing else.
 *
 * An MMU that does not walk tables: the addresses of every VMA are reserved while it exists (arch_mmu_reserve(); a
 * host may have something there of which we know nothing), and what pages lose is told VMA by VMA, never across the
 * holes between them.
 *
 * Contexts: thread context, interrupts on, no spin lock held. Out of memory: -ENOMEM and nothing changed (except that
 * MAP_POPULATE stops early, as in Linux).
 *
 * Differences from Linux: mprotect() over a hole changes nothing (Linux changes what stands before it); WRITE with
 * EXEC is -EACCES; the image can not be unmapped or protected (-EINVAL); MAP_SHARED is private to the one address
 * space there is.
 */
#include "check/check.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"

/* Linux x86-64 ABI. */
#define MAP_TYPE	    0x0f
#define MAP_SHARED	    0x01
#define MAP_PRIVATE	    0x02
#define MAP_FIXED	    0x10
#define MAP_ANONYMOUS	    0x20
#define MAP_GROWSDOWN	    0x100
#define MAP_POPULATE	    0x8000
#define MAP_STACK	    0x20000
#define MAP_HUGETLB	    0x40000
#define MAP_FIXED_NOREPLACE 0x100000

enum {
	MADV_DONTNEED_ = 4,
	MADV_FREE_ = 8,
	MADV_DONTNEED_LOCKED_ = 24,
};
/* Advice that may be ignored: NORMAL, RANDOM, SEQUENTIAL, WILLNEED, (DONT|DO)FORK, (NO)HUGEPAGE, (DONT|DO)DUMP, COLD. */
#define MADV_IGNORED                                                                                               \
	(1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 10 | 1u << 11 | 1u << 14 | 1u << 15 | 1u << 16 | 1u << 17 | \
	 1u << 20)

/* Tables may span past the last application address. */
#define LOWER_HALF_END 0x0000800000000000ul

LOCK_CLASS(mm_as_class, "address space", 40, 0, "VMAs, protection, tables; page faults hold it shared");
struct address_space mm_as = { .lock = RWSPIN_INIT(&mm_as_class) };
struct slab_cache mm_vma_cache = SLAB_CACHE("vma", struct vma);

/* ---- tree ---- */

static inline struct vma *vma_of(const struct rb_node *n)
{
	return n ? container_of((char *)n, struct vma, node) : NULL;
}

struct vma *vma_next(const struct vma *v)
{
	return vma_of(rb_next(&v->node));
}

struct vma *vma_prev(const struct vma *v)
{
	return vma_of(rb_prev(&v->node));
}

struct vma *vma_above(uintptr_t addr)
{
	struct rb_node *n = mm_as.vmas.root;
	struct vma *best = NULL;

	while (n) {
		struct vma *v = vma_of(n);

		if (v->end > addr) {
			best = v;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct vma *vma_at(uintptr_t addr)
{
	struct vma *v = vma_above(addr);

	return v && v->start <= addr ? v : NULL;
}

/* The VMA with the highest address that starts below `addr`, or NULL. */
static struct vma *vma_below(uintptr_t addr) REQUIRES_SHARED(mm_as.lock);
static struct vma *vma_below(uintptr_t addr)
{
	struct rb_node *n = mm_as.vmas.root;
	struct vma *best = NULL;

	while (n) {
		struct vma *v = vma_of(n);

		if (v->start < addr) {
			best = v;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}

static void tree_insert(struct vma *new) REQUIRES(mm_as.lock);
static void tree_insert(struct vma *new)
{
	struct rb_node **link = &mm_as.vmas.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = new->start < vma_of(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert(&mm_as.vmas, &new->node, parent, link);
}

static struct vma *vma_new(uintptr_t start, uintptr_t end, unsigned prot, unsigned attr)
{
	struct vma *v = slab_alloc(&mm_vma_cache);

	if (v)
		*v = (struct vma){ .start = start, .end = end, .prot = prot, .attr = attr };
	return v;
}

static inline uint64_t pages_of(uintptr_t start, uintptr_t end)
{
	return (end - start) >> PAGE_SHIFT;
}

/* Objects for the VMAs that cutting at `start` and at `end` will add. */
struct split {
	struct vma *spare[2];
};

static void split_abandon(struct split *s)
{
	for (unsigned i = 0; i < 2; i++)
		if (s->spare[i])
			slab_free(&mm_vma_cache, s->spare[i]);
}

static int split_prepare(struct split *s, uintptr_t start, uintptr_t end) REQUIRES_SHARED(mm_as.lock);
static int split_prepare(struct split *s, uintptr_t start, uintptr_t end)
{
	const uintptr_t at[2] = { start, end };

	*s = (struct split){ 0 };
	for (unsigned i = 0; i < 2; i++) {
		struct vma *v = vma_at(at[i]);

		if (v && v->start < at[i]) {
			s->spare[i] = slab_alloc(&mm_vma_cache);
			if (!s->spare[i]) {
				split_abandon(s);
				return -ENOMEM;
			}
		}
	}
	return 0;
}

static void split_commit(struct split *s, uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static void split_commit(struct split *s, uintptr_t start, uintptr_t end)
{
	const uintptr_t at[2] = { start, end };

	for (unsigned i = 0; i < 2; i++) {
		struct vma *upper = s->spare[i], *v;

		if (!upper)
			continue;
		v = vma_at(at[i]);
		*upper = (struct vma){ .start = at[i], .end = v->end, .prot = v->prot, .attr = v->attr };
		v->end = at[i];
		tree_insert(upper);
	}
}

/* Make one of neighbours that agree, from the VMA that ends at `start` to the one that starts at `end`. */
static void merge(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static void merge(uintptr_t start, uintptr_t end)
{
	struct vma *v = vma_above(start ? start - 1 : 0);

	while (v && v->start <= end) {
		struct vma *n = vma_next(v);

		if (n && n->start == v->end && n->prot == v->prot && n->attr == v->attr && !(v->attr & VMA_FIXED)) {
			rb_erase(&mm_as.vmas, &n->node);
			v->end = n->end;
			slab_free(&mm_vma_cache, n);
		} else {
			v = n;
		}
	}
}

static bool range_has_fixed(uintptr_t start, uintptr_t end) REQUIRES_SHARED(mm_as.lock);
static bool range_has_fixed(uintptr_t start, uintptr_t end)
{
	for (struct vma *v = vma_above(start); v && v->start < end; v = vma_next(v))
		if (v->attr & VMA_FIXED)
			return true;
	return false;
}

/* Unchecked: before there is anybody else to lock out. */
LOCKS_UNCHECKED int vma_add_fixed(uintptr_t start, uintptr_t end, unsigned prot)
{
	struct vma *v;

	UK_CHECK(start < end);
	v = vma_new(start, end, prot, VMA_FIXED);
	if (!v)
		return -ENOMEM;
	tree_insert(v);
	return 0;
}

/* ---- places ---- */

/* Highest free range of `len` in [bottom, top), or 0. */
static uintptr_t gap_find(uintptr_t bottom, uintptr_t top, size_t len) REQUIRES_SHARED(mm_as.lock);
static uintptr_t gap_find(uintptr_t bottom, uintptr_t top, size_t len)
{
	struct vma *v = vma_below(top);

	for (;;) {
		uintptr_t floor = v ? MAX(v->end, bottom) : bottom;

		if (floor < top && top - floor >= len)
			return top - len;
		if (!v || v->start <= bottom)
			return 0;
		top = MIN(top, v->start);
		v = vma_prev(v);
	}
}

static bool range_is_free(uintptr_t start, uintptr_t end) REQUIRES_SHARED(mm_as.lock);
static bool range_is_free(uintptr_t start, uintptr_t end)
{
	struct vma *v = vma_above(start);

	return !v || v->start >= end;
}

/* Is [addr, addr + len) inside the application's part of the address space? */
static bool range_is_valid(uintptr_t addr, size_t len)
{
	return addr >= ARCH_APP_MIN && addr <= ARCH_APP_MAX && len <= ARCH_APP_MAX - addr;
}

/*
 * Reserve the addresses between start and end that no VMA has; those of VMAs are reserved. 0 or -EEXIST, -ENOMEM with
 * what stands before *done reserved: holes_unreserve() gives it back.
 */
static int holes_reserve(uintptr_t start, uintptr_t end, uintptr_t *done) REQUIRES(mm_as.lock);
static int holes_reserve(uintptr_t start, uintptr_t end, uintptr_t *done)
{
	struct vma *v;

	if (arch_mmu_walks)
		return 0;
	v = vma_above(start);
	for (uintptr_t at = *done = start; at < end; at = *done) {
		const uintptr_t hole_end = v && v->start < end ? v->start : end;
		int err = at < hole_end ? arch_mmu_reserve(at, hole_end) : 0;

		if (err)
			return err;
		*done = hole_end < end ? MIN(v->end, end) : end;
		if (v)
			v = vma_next(v);
	}
	return 0;
}

static void holes_unreserve(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static void holes_unreserve(uintptr_t start, uintptr_t end)
{
	struct vma *v;

	if (arch_mmu_walks)
		return;
	v = vma_above(start);
	for (uintptr_t at = start; at < end;) {
		const uintptr_t hole_end = v && v->start < end ? v->start : end;

		if (at < hole_end)
			arch_mmu_unreserve(at, hole_end);
		at = hole_end < end ? v->end : end;
		if (v)
			v = vma_next(v);
	}
}

/* ---- removing pages ---- */

static inline void resident_sub(const struct vma *v, uint64_t pages)
{
	__atomic_fetch_sub(v->attr & VMA_HEAP ? &mm_as.heap_resident : &mm_as.app_resident, pages, __ATOMIC_RELAXED);
}

/* Take the tables off that no VMA needs once nothing is mapped between start and end. */
static void detach_tables(uintptr_t start, uintptr_t end, struct pt_flush *flush) REQUIRES(mm_as.lock);
static void detach_tables(uintptr_t start, uintptr_t end, struct pt_flush *flush)
{
	struct vma *below = vma_below(start), *above = vma_above(start);

	pt_detach(start, end, below ? below->end : 0, above ? above->start : LOWER_HALF_END, flush);
}

/* Remove all VMAs between start and end, which are VMA boundaries. `keep_tables`: something new goes there at once. */
static void unmap_locked(uintptr_t start, uintptr_t end, bool keep_tables) REQUIRES(mm_as.lock);
static void unmap_locked(uintptr_t start, uintptr_t end, bool keep_tables)
{
	struct pt_flush flush = { 0 };
	struct vma *removed = NULL, **tail = &removed, *v, *next;

	rwspin_assert_write_held(&mm_as.lock);
	for (v = vma_above(start); v && v->start < end; v = next) {
		uint64_t resident = pt_zap(v->start, v->end, &flush);

		next = vma_next(v);
		rb_erase(&mm_as.vmas, &v->node);
		if (vma_charged(v))
			frame_uncommit(pages_of(v->start, v->end) - resident);
		resident_sub(v, resident);
		if (resident)
			arch_mmu_changed(v->start, v->end);
		check_memory_forget(v->start, v->end - v->start);
		*tail = v;
		tail = &v->next;
		v->next = NULL;
	}
	if (!removed && keep_tables)
		return;
	if (!keep_tables)
		detach_tables(start, end, &flush);
	shootdown(&flush);
	for (v = removed; v; v = next) {
		next = v->next;
		pt_reap(v->start, v->end, false);
		if (!keep_tables)
			arch_mmu_unreserve(v->start, v->end);
		slab_free(&mm_vma_cache, v);
	}
	if (!keep_tables)
		pt_release(start, end);
}

/* ---- calls ---- */

static int check_prot(int prot)
{
	if (prot & ~(int)(PROT_R | PROT_W | PROT_X))
		return -EINVAL;
	if ((prot & (int)PROT_W) && (prot & (int)PROT_X))
		return -EACCES;
	return 0;
}

static int check_map_flags(uintptr_t addr, size_t len, int flags)
{
	if ((flags & MAP_TYPE) != MAP_SHARED && (flags & MAP_TYPE) != MAP_PRIVATE)
		return -EINVAL;
	if (flags & (MAP_GROWSDOWN | MAP_HUGETLB))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS))
		return -ENODEV;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (!IS_ALIGNED(addr, PAGE_SIZE))
			return -EINVAL;
		if (addr < ARCH_APP_MIN)
			return -EPERM;
		if (!range_is_valid(addr, len))
			return -ENOMEM;
	}
	return 0;
}

/* Where the new mapping goes, or 0 (no place), or negative errno. */
static long place_locked(uintptr_t addr, size_t len, int flags) REQUIRES(mm_as.lock);
static long place_locked(uintptr_t addr, size_t len, int flags)
{
	uintptr_t found;

	rwspin_assert_write_held(&mm_as.lock);
	if (flags & MAP_FIXED_NOREPLACE)
		return range_is_free(addr, addr + len) ? (long)addr : -EEXIST;
	if (flags & MAP_FIXED)
		return range_has_fixed(addr, addr + len) ? -EINVAL : (long)addr;
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (addr && range_is_valid(addr, len) && range_is_free(addr, addr + len))
		return (long)addr;
	found = gap_find(ARCH_APP_MIN, mm_as.mmap_top, len);
	if (!found)
		found = gap_find(mm_as.mmap_top, ARCH_APP_MAX, len);
	return found ? (long)found : -ENOMEM;
}

static long mmap_locked(uintptr_t addr, size_t len, unsigned prot, int flags) REQUIRES(mm_as.lock);
static long mmap_locked(uintptr_t addr, size_t len, unsigned prot, int flags)
{
	const unsigned attr = (flags & MM_MAP_HEAP ? VMA_HEAP : 0u) | (flags & MAP_STACK ? VMA_STACK : 0u);
	const bool charged = (attr & VMA_HEAP) && (prot & PROT_W);
	struct split split = { 0 };
	struct vma *new;
	uintptr_t end, reserved;
	long start;
	int err;

	rwspin_assert_write_held(&mm_as.lock);
	start = place_locked(addr, len, flags);
	if (start < 0)
		return start;
	err = holes_reserve((uintptr_t)start, (uintptr_t)start + len, &reserved);
	if (err) {
		holes_unreserve((uintptr_t)start, reserved);
		if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
			return flags & MAP_FIXED_NOREPLACE ? err : -ENOMEM;
		/* a hint where the host has something; a place of our own choosing is free, or there is none */
		return addr ? mmap_locked(0, len, prot, flags) : -ENOMEM;
	}
	addr = (uintptr_t)start;
	end = addr + len;
	err = -ENOMEM;
	new = vma_new(addr, end, prot, attr);
	if (!new)
		goto unreserve;
	err = split_prepare(&split, addr, end);
	if (err)
		goto free_vma;
	if (charged) {
		err = frame_commit(pages_of(addr, end));
		if (err)
			goto free_split;
		err = pt_build(addr, end);
		if (err)
			goto uncommit;
	}
	if (flags & MAP_FIXED) {
		split_commit(&split, addr, end);
		unmap_locked(addr, end, true);
	}
	tree_insert(new);
	merge(addr, end);
	return (long)addr;

uncommit:
	frame_uncommit(pages_of(addr, end));
	/* tables made in vain, where no VMA would take them along */
	if (range_is_free(addr, end))
		unmap_locked(addr, end, false);
free_split:
	split_abandon(&split);
free_vma:
	slab_free(&mm_vma_cache, new);
unreserve:
	holes_unreserve(addr, end);
	return err;
}

long mm_mmap(uintptr_t addr, size_t len, int prot, int flags)
{
	long r;
	int err;

	if (!len)
		return -EINVAL;
	if (len > ARCH_APP_MAX)
		return -ENOMEM;
	len = ALIGN_UP(len, PAGE_SIZE);
	err = check_prot(prot);
	if (!err)
		err = check_map_flags(addr, len, flags);
	if (err)
		return err;
	as_write_lock();
	r = mmap_locked(addr, len, (unsigned)prot, flags);
	as_write_unlock();
	if (r > 0 && (flags & MAP_POPULATE))
		fault_populate((uintptr_t)r, (uintptr_t)r + len);
	return r;
}

int mm_munmap(uintptr_t addr, size_t len)
{
	struct split split;
	uintptr_t end;
	int err = 0;

	if (!IS_ALIGNED(addr, PAGE_SIZE) || !len || len > ARCH_APP_MAX || addr > ARCH_APP_MAX - len)
		return -EINVAL;
	end = addr + ALIGN_UP(len, PAGE_SIZE);
	as_write_lock();
	if (range_has_fixed(addr, end)) {
		err = -EINVAL;
	} else if (!range_is_free(addr, end)) {
		err = split_prepare(&split, addr, end);
		if (!err) {
			split_commit(&split, addr, end);
			unmap_locked(addr, end, false);
		}
	}
	as_write_unlock();
	return err;
}

/* May the whole range get this protection? Sets *commit to the pages that become charged. */
static int protect_check(uintptr_t start, uintptr_t end, unsigned prot, uint64_t *commit) REQUIRES_SHARED(mm_as.lock);
static int protect_check(uintptr_t start, uintptr_t end, unsigned prot, uint64_t *commit)
{
	uintptr_t at = start;

	*commit = 0;
	for (struct vma *v = vma_above(start); v && v->start < end; v = vma_next(v)) {
		if (v->attr & VMA_FIXED)
			return -EINVAL;
		if (v->start > at)
			return -ENOMEM;
		if ((v->attr & VMA_HEAP) && (prot & PROT_W) && !(v->prot & PROT_W)) {
			uintptr_t s = MAX(v->start, start), e = MIN(v->end, end);

			*commit += pages_of(s, e) - pt_count(s, e);
		}
		at = v->end;
	}
	return at < end ? -ENOMEM : 0;
}

/* Tables for what is about to become charged. */
static int protect_build(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static int protect_build(uintptr_t start, uintptr_t end)
{
	for (struct vma *v = vma_above(start); v && v->start < end; v = vma_next(v))
		if ((v->attr & VMA_HEAP) && !(v->prot & PROT_W) && pt_build(MAX(v->start, start), MIN(v->end, end)))
			return -ENOMEM;
	return 0;
}

static int mprotect_locked(uintptr_t start, uintptr_t end, unsigned prot) REQUIRES(mm_as.lock);
static int mprotect_locked(uintptr_t start, uintptr_t end, unsigned prot)
{
	struct pt_flush flush = { 0 };
	struct split split;
	uint64_t commit;
	int err;

	rwspin_assert_write_held(&mm_as.lock);
	err = protect_check(start, end, prot, &commit);
	if (err)
		return err;
	err = split_prepare(&split, start, end);
	if (err)
		return err;
	if (commit) {
		err = frame_commit(commit);
		if (err)
			goto free_split;
		err = protect_build(start, end);
		if (err)
			goto uncommit;
	}
	split_commit(&split, start, end);
	for (struct vma *v = vma_above(start); v && v->start < end; v = vma_next(v)) {
		uint64_t resident;

		if (v->prot == prot)
			continue;
		if (vma_charged(v) && !(prot & PROT_W))
			frame_uncommit(pages_of(v->start, v->end) - pt_count(v->start, v->end));
		resident = pt_protect(v->start, v->end, prot, &flush);
		if (resident && (v->prot & ~prot))
			arch_mmu_changed(v->start, v->end);
		v->prot = prot;
	}
	shootdown(&flush);
	merge(start, end);
	return 0;

uncommit:
	frame_uncommit(commit);
free_split:
	split_abandon(&split);
	return err;
}

/* Is all of the range in one uncharged VMA without access? */
static bool is_closed(uintptr_t start, uintptr_t end) REQUIRES_SHARED(mm_as.lock);
static bool is_closed(uintptr_t start, uintptr_t end)
{
	const struct vma *v = vma_at(start);

	return v && !v->prot && !v->attr && v->end >= end;
}

/* *opened: a closed range became writable. */
static int protect_range(uintptr_t addr, size_t len, int prot, bool *opened)
{
	uintptr_t end;
	int err;

	*opened = false;
	if (!IS_ALIGNED(addr, PAGE_SIZE))
		return -EINVAL;
	err = check_prot(prot);
	if (err || !len)
		return err;
	if (len > ARCH_APP_MAX || addr > ARCH_APP_MAX - len)
		return -ENOMEM;
	end = addr + ALIGN_UP(len, PAGE_SIZE);
	as_write_lock();
	*opened = ((unsigned)prot & PROT_W) && is_closed(addr, end);
	err = mprotect_locked(addr, end, (unsigned)prot);
	as_write_unlock();
	return err;
}

int mm_mprotect(uintptr_t addr, size_t len, int prot)
{
	bool opened;

	return protect_range(addr, len, prot, &opened);
}

int mm_mprotect_top(uintptr_t addr, size_t len, int prot)
{
	bool opened;
	const int err = protect_range(addr, len, prot, &opened);

	if (!err && opened) {
		const uintptr_t end = addr + ALIGN_UP(len, PAGE_SIZE);

		fault_populate(end - PAGE_SIZE, end);
	}
	return err;
}

/* Drop the pages of the range; -ENOMEM if it has holes (the rest is done). */
static int drop_locked(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static int drop_locked(uintptr_t start, uintptr_t end)
{
	struct pt_flush flush = { 0 };
	uintptr_t at = start;
	bool hole = false;
	struct vma *v;

	rwspin_assert_write_held(&mm_as.lock);
	if (range_has_fixed(start, end))
		return -EINVAL;
	for (v = vma_above(start); v && v->start < end; v = vma_next(v)) {
		const uintptr_t s = MAX(v->start, start), e = MIN(v->end, end);
		const uint64_t resident = pt_zap(s, e, &flush);

		hole |= v->start > at;
		at = v->end;
		resident_sub(v, resident);
		if (resident)
			arch_mmu_changed(s, e);
	}
	shootdown(&flush);
	for (v = vma_above(start); v && v->start < end; v = vma_next(v))
		pt_reap(MAX(v->start, start), MIN(v->end, end), vma_charged(v));
	return hole || at < end ? -ENOMEM : 0;
}

int mm_madvise(uintptr_t addr, size_t len, int advice)
{
	int err;

	if (!IS_ALIGNED(addr, PAGE_SIZE) || len > ARCH_APP_MAX || addr > ARCH_APP_MAX - len)
		return -EINVAL;
	if (advice != MADV_DONTNEED_ && advice != MADV_FREE_ && advice != MADV_DONTNEED_LOCKED_)
		return advice >= 0 && advice < 32 && (MADV_IGNORED >> advice & 1u) ? 0 : -EINVAL;
	if (!len)
		return 0;
	as_write_lock();
	err = drop_locked(addr, addr + ALIGN_UP(len, PAGE_SIZE));
	as_write_unlock();
	return err;
}
