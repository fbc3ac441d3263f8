/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bump allocator ("region", Gay and Aiken, PLDI 1998): a pointer moves up, nothing is ever taken back.
 *
 * Objects are 16-byte aligned; the 16 bytes before each hold its size, which is what lets realloc copy exactly what is
 * there. Memory comes in ranges: the first from init, more from addmem; a request is served by the first range with
 * room. The boot choice has one range that grows (region.h).
 *
 * Concurrency: `lock` (leaf) covers the cur and end of all ranges and the statistics; a few instructions, in which no
 * memory of the heap is touched (it may be demand-paged): headers are written after unlock, by the owner. The list of
 * ranges is append-only. size_of() of an object is changed by its owner only. free() does nothing and needs no lock
 * but the one for counting.
 *
 * Contexts: as uk/alloc.h says; without `grow`, it never sleeps. Out of memory: NULL and ENOMEM, nothing changed.
 */
#include "alloc/region.h"

#include <uk/alloc_impl.h>
#include <uk/allocregion.h>

#include "lib/string.h"
#include "lib/util.h"

static __sz *size_of(const void *obj)
{
	return (__sz *)((__uptr)obj - REGION_HEADER);
}

/* Address for an object in `r`, or 0. On success *newcur is where the range is then used up to. */
static __uptr place(__uptr cur, __uptr limit, __sz align, __sz size, __uptr *newcur)
{
	__uptr obj;

	if (__builtin_add_overflow(cur, REGION_HEADER + align - 1, &obj))
		return 0;
	obj = ALIGN_DOWN(obj, align);
	if (__builtin_add_overflow(obj, size, newcur) || *newcur > ALIGN_DOWN((__uptr)PTRDIFF_MAX, 16))
		return 0;
	*newcur = ALIGN_UP(*newcur, 16ul);
	return *newcur <= limit ? obj : 0;
}

static void *region_get(struct uk_alloc *a, __sz align, __sz size)
{
	struct region *b = region_of(a);
	__uptr obj = 0, newcur, want;

	for (;;) {
		want = 0;
		uk_spin_lock(&b->lock);
		for (struct region_range *r = &b->first; r; r = r->next) {
			obj = place(r->cur, r->end, align, size, &newcur);
			if (obj) {
				r->cur = newcur;
				uk_alloc_stats_alloc_locked(&a->_stats, size);
				break;
			}
		}
		if (!obj) {
			if (!b->grow || !place(b->first.cur, UINTPTR_MAX, align, size, &want))
				want = 0;
			if (!want)
				uk_alloc_stats_enomem_locked(&a->_stats);
		}
		uk_spin_unlock(&b->lock);
		if (obj) {
			*size_of((void *)obj) = size;
			return (void *)obj;
		}
		/* another thread may use what we grow: look again until it fits or growing is refused */
		if (!want)
			return NULL;
		if (b->grow(a, want)) {
			uk_alloc_stats_count_enomem(a, size);
			return NULL;
		}
	}
}

static void *region_malloc(struct uk_alloc *a, __sz size)
{
	void *obj;

	if (!size)
		return NULL;
	obj = region_get(a, 16, size);
	if (!obj)
		errno = ENOMEM;
	return obj;
}

static int region_posix_memalign(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	void *obj;

	if (!align || (align & (align - 1)) || align % sizeof(void *) || !size)
		return EINVAL;
	obj = region_get(a, MAX(align, (__sz)16), size);
	if (!obj)
		return ENOMEM;
	*memptr = obj;
	return 0;
}

static void region_free(struct uk_alloc *a, void *ptr)
{
	struct region *b = region_of(a);

	if (!ptr)
		return;
	/* the operation counts, the memory stays in use */
	uk_spin_lock(&b->lock);
	uk_alloc_stats_free_locked(&a->_stats, 0);
	uk_spin_unlock(&b->lock);
}

/* Stretch the object in place if it is the youngest of its range. */
static bool region_extend(struct uk_alloc *a, void *ptr, __sz old, __sz size)
{
	struct region *b = region_of(a);
	__uptr end, newend;
	bool done = false;

	if (__builtin_add_overflow((__uptr)ptr, size, &newend) || newend > ALIGN_DOWN((__uptr)PTRDIFF_MAX, 16))
		return false;
	newend = ALIGN_UP(newend, 16ul);
	end = ALIGN_UP((__uptr)ptr + old, 16ul);
	uk_spin_lock(&b->lock);
	for (struct region_range *r = &b->first; r && !done; r = r->next) {
		if (r->cur == end && (__uptr)ptr >= r->start && newend <= r->end) {
			r->cur = newend;
			uk_alloc_stat_set_(a->_stats.cur_mem_use, a->_stats.cur_mem_use + (__ssz)(size - old));
			if (a->_stats.cur_mem_use > a->_stats.max_mem_use)
				uk_alloc_stat_set_(a->_stats.max_mem_use, a->_stats.cur_mem_use);
			done = true;
		}
	}
	uk_spin_unlock(&b->lock);
	return done;
}

static void *region_realloc(struct uk_alloc *a, void *ptr, __sz size)
{
	void *obj;
	__sz old;

	if (!ptr)
		return region_malloc(a, size);
	if (!size) {
		region_free(a, ptr);
		return NULL;
	}
	old = *size_of(ptr);
	if (size <= old)
		return ptr;
	if (region_extend(a, ptr, old, size)) {
		*size_of(ptr) = size;
		return ptr;
	}
	obj = region_malloc(a, size);
	if (!obj)
		return NULL;
	memcpy(obj, ptr, old);
	region_free(a, ptr);
	return obj;
}

__sz region_usable_size(const void *ptr)
{
	return *size_of(ptr);
}

static __ssz region_availmem(struct uk_alloc *a)
{
	struct region *b = region_of(a);
	__sz n = 0;

	uk_spin_lock(&b->lock);
	for (struct region_range *r = &b->first; r; r = r->next)
		n += r->end - r->cur;
	uk_spin_unlock(&b->lock);
	if (b->growable)
		n += b->growable();
	return (__ssz)n;
}

static __ssz region_maxalloc(struct uk_alloc *a)
{
	struct region *b = region_of(a);
	__sz n, grow = b->growable ? b->growable() : 0;

	uk_spin_lock(&b->lock);
	n = b->first.end - b->first.cur + grow;
	for (struct region_range *r = b->first.next; r; r = r->next)
		n = MAX(n, r->end - r->cur);
	uk_spin_unlock(&b->lock);
	return n <= REGION_HEADER ? 0 : (__ssz)(n - REGION_HEADER);
}

static int region_addmem(struct uk_alloc *a, void *base, __sz size)
{
	struct region *b = region_of(a);
	__uptr start = ALIGN_UP((__uptr)base, 16ul), end;
	struct region_range *r, **link;

	if (__builtin_add_overflow((__uptr)base, size, &end))
		return -EINVAL;
	end = ALIGN_DOWN(end, 16ul);
	if (!base || end < start || end - start < ALIGN_UP(sizeof(*r), 16ul) + REGION_HEADER + 16)
		return -EINVAL;
	r = (struct region_range *)start;
	r->next = NULL;
	r->start = start;
	r->cur = start + ALIGN_UP(sizeof(*r), 16ul);
	r->end = end;
	uk_spin_lock(&b->lock);
	for (link = &b->first.next; *link; link = &(*link)->next)
		;
	*link = r;
	uk_spin_unlock(&b->lock);
	return 0;
}

LOCK_CLASS(region_class, "region", 20, 0, "where a region goes on; its memory may fault while held");

void region_setup(struct uk_alloc *a, __uptr cur, __uptr end)
{
	struct region *b = region_of(a);

	memset(b, 0, sizeof(*b));
	spin_init_class(&b->lock, &region_class);
	b->first.start = b->first.cur = ALIGN_UP(cur, 16ul);
	b->first.end = ALIGN_DOWN(end, 16ul);
	uk_alloc_fill_malloc(a, region_malloc, uk_calloc_compat, region_realloc, region_free, region_posix_memalign,
			     uk_memalign_compat, region_maxalloc, region_availmem, region_addmem);
}

struct uk_alloc *uk_allocregion_init(void *base, size_t len)
{
	struct uk_alloc *a;
	__uptr start = ALIGN_UP((__uptr)base, 16ul), end;

	if (!base || len <= __PAGE_SIZE || __builtin_add_overflow((__uptr)base, len, &end))
		return NULL;
	a = (struct uk_alloc *)start;
	memset(a, 0, sizeof(*a));
	region_setup(a, start + sizeof(*a) + sizeof(struct region), end);
	uk_alloc_register(a);
	return a;
}
