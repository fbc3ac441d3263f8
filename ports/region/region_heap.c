/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `region` as a boot choice: the bump allocator of alloc/region.c over a heap that grows.
 *
 * Address space for all of the machine's memory is reserved at boot; [base, first.end) of it is committed. Growing
 * commits from first.end upwards and then moves it. Several threads may grow at once: committing what is committed
 * already changes nothing and costs nothing, and first.end only ever rises, under the region's lock.
 *
 * Out of memory: a commit of up to 1 MiB more than needed is tried first, then what the request needs, then ENOMEM.
 */
#include "alloc/region.h"

#include <uk/alloc_impl.h>

#include "alloc/allocator.h"
#include "lib/util.h"
#include "ports/heap.h"
#include "ports/uk.h"

#define GROW_SIZE (1ul << 20)

static struct {
	struct uk_alloc a;
	struct region b;
	__uptr limit; /* [I] end of the reserve */
} heap;

_Static_assert(offsetof(__typeof__(heap), b) == offsetof(struct uk_alloc, priv), "region_of()");

#define HEAP (&heap.a)

PORT_C_OVER_UK(region_heap, HEAP)

static __uptr heap_end(void)
{
	__uptr end;

	uk_spin_lock(&heap.b.lock);
	end = heap.b.first.end;
	uk_spin_unlock(&heap.b.lock);
	return end;
}

static int heap_grow(struct uk_alloc *a, __uptr end)
{
	__uptr from = heap_end(), to;

	(void)a;
	if (end <= from)
		return 0;
	if (end > heap.limit)
		return -ENOMEM;
	to = MIN(ALIGN_UP(end, GROW_SIZE), heap.limit);
	if (tutti_heap_mprotect((void *)from, to - from, 3)) {
		to = ALIGN_UP(end, __PAGE_SIZE);
		if (tutti_heap_mprotect((void *)from, to - from, 3))
			return -ENOMEM;
	}
	uk_spin_lock(&heap.b.lock);
	heap.b.first.end = MAX(heap.b.first.end, to);
	uk_spin_unlock(&heap.b.lock);
	return 0;
}

static __sz heap_growable(void)
{
	return MIN(heap_free_pages() << __PAGE_SHIFT, heap.limit - heap_end());
}

static int region_heap_init(void)
{
	size_t size = ALIGN_UP(heap_total_pages() << __PAGE_SHIFT, GROW_SIZE);
	char *base = heap_reserve(size, GROW_SIZE);

	if (!base)
		return -ENOMEM;
	region_setup(&heap.a, (__uptr)base, (__uptr)base);
	heap.b.grow = heap_grow;
	heap.b.growable = heap_growable;
	heap.limit = (__uptr)base + size;
	return 0;
}

static struct uk_alloc *region_heap_uk(void)
{
	return &heap.a;
}

static size_t region_heap_usable_size(void *p)
{
	return p ? region_usable_size(p) : 0;
}

static const struct tutti_allocator region_allocator = {
	.name = "region",
	.description = "bump pointer, free() gives nothing back",
	.init = region_heap_init,
	.uk = region_heap_uk,
	.malloc = region_heap_malloc,
	.calloc = region_heap_calloc,
	.realloc = region_heap_realloc,
	.free = region_heap_free,
	.posix_memalign = region_heap_posix_memalign,
	.aligned_alloc = region_heap_aligned_alloc,
	.memalign = region_heap_aligned_alloc,
	.usable_size = region_heap_usable_size,
};
TUTTI_ALLOCATOR(region_allocator);
