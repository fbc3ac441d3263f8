/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `buddy` as a boot choice: the binary buddy of alloc/buddy.c over a heap that grows with use.
 *
 * A stretch of address space twice the machine's memory (a power of two, aligned to its size) is reserved at boot. A
 * second buddy set, `space`, over chunks of 16 pages, knows which of it is not committed yet; committing a block of
 * chunks takes it out of `space` and adds its pages to the page set, where they stay: freed memory is kept, as
 * Unikraft's buddy keeps it. Both sets' tables (9 bytes per page of reserve and per chunk) are charged at boot and
 * backed when touched.
 *
 * Concurrency: space_lock for `space`, the allocator's own lock for the page set, never both. Committing (mprotect)
 * happens between the two without a lock: the chunks belong to the thread that took them. When commit is refused they
 * go back.
 *
 * Out of memory: a commit of 1 MiB is tried first, then exactly what the request needs, then ENOMEM.
 */
#include "alloc/buddy.h"

#include <uk/alloc_impl.h>

#include "alloc/allocator.h"
#include "lib/util.h"
#include "ports/heap.h"
#include "ports/uk.h"

#define CHUNK_ORDER 4 /* in pages */
#define CHUNK_SIZE  (__PAGE_SIZE << CHUNK_ORDER)
#define GROW_ORDER  4 /* in chunks: 1 MiB */

LOCK_CLASS(buddy_space_class, "buddy space", 20, 0, "growth of the buddy heap");

static struct {
	struct uk_alloc a;
	struct buddy b;
	struct buddy_range pages; /* [b.lock] */
	struct uk_spinlock space_lock;
	struct buddy_set space; /* [space_lock] */
} heap = { .space_lock = SPINLOCK_INIT(&buddy_space_class) };

_Static_assert(offsetof(__typeof__(heap), b) == offsetof(struct uk_alloc, priv), "buddy_of()");

#define HEAP (&heap.a)

PORT_C_OVER_UK(buddy_heap, HEAP)

static uint32_t space_get(unsigned order)
{
	uint32_t idx;

	uk_spin_lock(&heap.space_lock);
	idx = buddy_set_get(&heap.space, order);
	uk_spin_unlock(&heap.space_lock);
	return idx;
}

/* Commit one block of 2^order chunks. */
static int commit(unsigned order)
{
	uint32_t idx = space_get(order);

	if (idx == BUDDY_NONE)
		return -ENOMEM;
	if (tutti_heap_mprotect((void *)((heap.space.first + idx) * CHUNK_SIZE), CHUNK_SIZE << order, 3)) {
		uk_spin_lock(&heap.space_lock);
		buddy_set_put(&heap.space, idx, order);
		uk_spin_unlock(&heap.space_lock);
		return -ENOMEM;
	}
	uk_spin_lock(&heap.b.lock);
	buddy_set_add(&heap.pages.set, idx << CHUNK_ORDER, 1u << (order + CHUNK_ORDER));
	uk_spin_unlock(&heap.b.lock);
	return 0;
}

static int heap_grow(struct uk_alloc *a, unsigned order)
{
	unsigned chunks = order > CHUNK_ORDER ? order - CHUNK_ORDER : 0;

	(void)a;
	if (chunks < GROW_ORDER && !commit(GROW_ORDER))
		return 0;
	return commit(chunks);
}

static unsigned long heap_growable(unsigned long *block)
{
	unsigned long n = heap_free_pages(), space;
	int largest;

	uk_spin_lock(&heap.space_lock);
	largest = buddy_set_largest(&heap.space);
	space = heap.space.free << CHUNK_ORDER;
	uk_spin_unlock(&heap.space_lock);
	n = ALIGN_DOWN(MIN(n, space), 1ul << CHUNK_ORDER);
	*block = n && largest >= 0 ? MIN(1ul << (63 - __builtin_clzl(n)), 1ul << (largest + CHUNK_ORDER)) : 0;
	return n;
}

static int buddy_heap_init(void)
{
	unsigned long pages = 2ul << buddy_order(heap_total_pages());
	unsigned long chunks = pages >> CHUNK_ORDER;
	char *base = heap_reserve(pages << __PAGE_SHIFT, pages << __PAGE_SHIFT);
	void *page_tables = heap_tables(pages * BUDDY_META);
	void *chunk_tables = heap_tables(chunks * BUDDY_META);

	if (!base || !page_tables || !chunk_tables || pages >= BUDDY_NONE)
		return -ENOMEM;
	buddy_set_init(&heap.space, (uintptr_t)base / CHUNK_SIZE, (uint32_t)chunks, chunk_tables, true);
	buddy_set_add(&heap.space, 0, (uint32_t)chunks);
	buddy_setup(&heap.a);
	buddy_set_init(&heap.pages.set, (uintptr_t)base >> __PAGE_SHIFT, (uint32_t)pages, page_tables, true);
	heap.b.ranges = &heap.pages;
	heap.b.grow = heap_grow;
	heap.b.growable = heap_growable;
	return 0;
}

static struct uk_alloc *buddy_heap_uk(void)
{
	return &heap.a;
}

static size_t buddy_heap_usable_size(void *p)
{
	return uk_usable_size_ifpages(p);
}

static const struct tutti_allocator buddy_allocator = {
	.name = "buddy",
	.description = "binary buddy over whole pages, one lock: the baseline",
	.init = buddy_heap_init,
	.uk = buddy_heap_uk,
	.malloc = buddy_heap_malloc,
	.calloc = buddy_heap_calloc,
	.realloc = buddy_heap_realloc,
	.free = buddy_heap_free,
	.posix_memalign = buddy_heap_posix_memalign,
	.aligned_alloc = buddy_heap_aligned_alloc,
	.memalign = buddy_heap_aligned_alloc,
	.usable_size = buddy_heap_usable_size,
};
TUTTI_ALLOCATOR(buddy_allocator);
