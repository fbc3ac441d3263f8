/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binary buddy (Knowlton, CACM 8(10), 1965) over pages: the baseline of every comparison.
 *
 * A range of memory is a buddy_set plus its pages. All knowledge about a page is in the set's two arrays, never in the
 * page itself: free pages are not touched, so demand-paged memory that was never used stays unbacked, and an overrun
 * cannot damage the free lists. Invariants: the first unit of a free block of order o has tag FREE|o and is on
 * head[o]; the first unit of a block in use has tag USED|o; all other units have tag 0; no two free buddies of one
 * order exist. A block is named by (index, order), the tag must agree when it comes back: this catches double frees,
 * wild pointers and wrong counts.
 *
 * Concurrency: buddy.lock (leaf rank, preemption off) covers all sets, the list of ranges and the statistics; O(log n)
 * steps per range, no page of the heap touched. Growing (boot choice only, ports/) happens outside the lock: it
 * reserves and commits by itself, then adds under the lock.
 *
 * Contexts: as uk/alloc.h says; without `grow` it never sleeps. Out of memory: NULL and ENOMEM, nothing changed.
 * Limits: 2^32 - 1 pages per range (16 TiB); a block does not span ranges.
 */
#include "alloc/buddy.h"

#include <uk/alloc_impl.h>
#include <uk/allocbbuddy.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"

/* ---- the set ---- */

void buddy_set_init(struct buddy_set *s, __uptr first, uint32_t units, void *meta, bool zeroed)
{
	s->first = first;
	s->units = units;
	s->orders = 0;
	s->free = 0;
	s->link = meta;
	s->tag = (uint8_t *)(s->link + units);
	for (unsigned o = 0; o < BUDDY_ORDERS; o++)
		s->head[o] = BUDDY_NONE;
	if (!zeroed)
		memset(s->tag, 0, units);
}

static void list_push(struct buddy_set *s, uint32_t idx, unsigned order)
{
	uint32_t next = s->head[order];

	s->tag[idx] = (uint8_t)(BUDDY_FREE | order);
	s->link[idx].next = next;
	s->link[idx].prev = BUDDY_NONE;
	if (next != BUDDY_NONE)
		s->link[next].prev = idx;
	s->head[order] = idx;
	s->orders |= 1ull << order;
}

static void list_remove(struct buddy_set *s, uint32_t idx, unsigned order)
{
	uint32_t next = s->link[idx].next, prev = s->link[idx].prev;

	s->tag[idx] = 0;
	if (next != BUDDY_NONE)
		s->link[next].prev = prev;
	if (prev != BUDDY_NONE) {
		s->link[prev].next = next;
	} else {
		s->head[order] = next;
		if (next == BUDDY_NONE)
			s->orders &= ~(1ull << order);
	}
}

uint32_t buddy_set_get(struct buddy_set *s, unsigned order)
{
	uint64_t fit = order < BUDDY_ORDERS ? s->orders >> order : 0;
	unsigned o;
	uint32_t idx;

	if (!fit)
		return BUDDY_NONE;
	o = order + (unsigned)__builtin_ctzll(fit);
	idx = s->head[o];
	list_remove(s, idx, o);
	while (o > order) {
		o--;
		list_push(s, idx + (1u << o), o);
	}
	s->tag[idx] = (uint8_t)(BUDDY_USED | order);
	s->free -= 1ul << order;
	return idx;
}

/* Make a block free, merging it with its buddies as far as these are free blocks of the same order. */
static void merge_in(struct buddy_set *s, uint32_t idx, unsigned order)
{
	s->free += 1ul << order;
	for (; order + 1 < BUDDY_ORDERS; order++) {
		__uptr number = s->first + idx;
		__uptr buddy = number ^ (1ul << order);

		if (buddy < s->first || buddy - s->first >= s->units)
			break;

		uint32_t b = (uint32_t)(buddy - s->first);

		if (s->tag[b] != (BUDDY_FREE | order))
			break;
		list_remove(s, b, order);
		idx = MIN(idx, b);
	}
	list_push(s, idx, order);
}

void buddy_set_put(struct buddy_set *s, uint32_t idx, unsigned order)
{
	UK_CHECK(idx < s->units && s->tag[idx] == (BUDDY_USED | order));
	s->tag[idx] = 0;
	merge_in(s, idx, order);
}

void buddy_set_add(struct buddy_set *s, uint32_t idx, uint32_t n)
{
	while (n) {
		__uptr number = s->first + idx;
		unsigned order = 31u - (unsigned)__builtin_clz(n);

		if (number && (unsigned)__builtin_ctzl(number) < order)
			order = (unsigned)__builtin_ctzl(number);
		merge_in(s, idx, order);
		idx += 1u << order;
		n -= 1u << order;
	}
}

int buddy_set_largest(const struct buddy_set *s)
{
	return s->orders ? 63 - __builtin_clzll(s->orders) : -1;
}

/* ---- the page allocator ---- */

static void *buddy_palloc(struct uk_alloc *a, unsigned long num_pages)
{
	struct buddy *b = buddy_of(a);
	unsigned order;

	if (!num_pages) {
		errno = EINVAL;
		return NULL;
	}
	order = buddy_order(num_pages);
	do {
		__uptr obj = 0;

		uk_spin_lock(&b->lock);
		for (struct buddy_range *r = b->ranges; r; r = r->next) {
			uint32_t idx = buddy_set_get(&r->set, order);

			if (idx != BUDDY_NONE) {
				obj = (r->set.first + idx) << __PAGE_SHIFT;
				uk_alloc_stats_alloc_locked(&a->_stats, num_pages << __PAGE_SHIFT);
				break;
			}
		}
		uk_spin_unlock(&b->lock);
		if (obj)
			return (void *)obj;
		/* another thread may take what we grow: try again until growing is refused */
	} while (order < BUDDY_ORDERS && b->grow && !b->grow(a, order));
	uk_alloc_stats_count_penomem(a, num_pages);
	errno = ENOMEM;
	return NULL;
}

static void buddy_pfree(struct uk_alloc *a, void *ptr, unsigned long num_pages)
{
	struct buddy *b = buddy_of(a);
	__uptr number = (__uptr)ptr >> __PAGE_SHIFT;
	struct buddy_range *r;

	UK_CHECK(IS_ALIGNED((__uptr)ptr, __PAGE_SIZE) && num_pages);
	uk_spin_lock(&b->lock);
	for (r = b->ranges; r; r = r->next) {
		if (number - r->set.first < r->set.units) {
			buddy_set_put(&r->set, (uint32_t)(number - r->set.first), buddy_order(num_pages));
			break;
		}
	}
	UK_CHECK(r);
	uk_alloc_stats_free_locked(&a->_stats, num_pages << __PAGE_SHIFT);
	uk_spin_unlock(&b->lock);
}

static long buddy_pmaxalloc(struct uk_alloc *a)
{
	struct buddy *b = buddy_of(a);
	unsigned long block = 0;
	int order = -1;

	uk_spin_lock(&b->lock);
	for (struct buddy_range *r = b->ranges; r; r = r->next)
		order = MAX(order, buddy_set_largest(&r->set));
	uk_spin_unlock(&b->lock);
	if (b->growable)
		b->growable(&block);
	return (long)MAX(block, order < 0 ? 0 : 1ul << order);
}

static long buddy_pavailmem(struct uk_alloc *a)
{
	struct buddy *b = buddy_of(a);
	unsigned long n = 0, block;

	uk_spin_lock(&b->lock);
	for (struct buddy_range *r = b->ranges; r; r = r->next)
		n += r->set.free;
	uk_spin_unlock(&b->lock);
	if (b->growable)
		n += b->growable(&block);
	return (long)n;
}

static int buddy_addmem(struct uk_alloc *a, void *base, __sz size)
{
	struct buddy *b = buddy_of(a);
	struct buddy_range *r;
	__uptr start, end;
	unsigned long pages, head;

	if (!base || __builtin_add_overflow((__uptr)base, __PAGE_SIZE - 1, &start) ||
	    __builtin_add_overflow((__uptr)base, size, &end))
		return -EINVAL;
	start = ALIGN_DOWN(start, __PAGE_SIZE);
	end = ALIGN_DOWN(end, __PAGE_SIZE);
	if (end <= start)
		return -EINVAL;
	pages = (end - start) >> __PAGE_SHIFT;
	head = (sizeof(*r) + pages * BUDDY_META + __PAGE_SIZE - 1) >> __PAGE_SHIFT;
	if (head >= pages || pages - head >= BUDDY_NONE)
		return -EINVAL;
	r = (struct buddy_range *)start;
	buddy_set_init(&r->set, (start >> __PAGE_SHIFT) + head, (uint32_t)(pages - head), r + 1, false);
	buddy_set_add(&r->set, 0, (uint32_t)(pages - head));
	uk_spin_lock(&b->lock);
	r->next = b->ranges;
	b->ranges = r;
	uk_spin_unlock(&b->lock);
	return 0;
}

LOCK_CLASS(buddy_class, "buddy", 20, 0, "free lists of a buddy; its memory may fault while held");

void buddy_setup(struct uk_alloc *a)
{
	struct buddy *b = buddy_of(a);

	memset(b, 0, sizeof(*b));
	spin_init_class(&b->lock, &buddy_class);
	uk_alloc_fill_palloc(a, buddy_palloc, buddy_pfree, buddy_pmaxalloc, buddy_pavailmem, buddy_addmem);
}

struct uk_alloc *uk_allocbbuddy_init(void *base, size_t len)
{
	struct uk_alloc *a;
	__uptr start, end;
	__sz head = ALIGN_UP(sizeof(struct uk_alloc) + sizeof(struct buddy), 16ul);

	if (!base || __builtin_add_overflow((__uptr)base, __PAGE_SIZE - 1, &start) ||
	    __builtin_add_overflow((__uptr)base, len, &end))
		return NULL;
	start = ALIGN_DOWN(start, __PAGE_SIZE);
	end = ALIGN_DOWN(end, __PAGE_SIZE);
	/* two pages for the states, one to give out */
	if (end < start || end - start < 3 * __PAGE_SIZE)
		return NULL;
	a = (struct uk_alloc *)start;
	memset(a, 0, head);
	buddy_setup(a);
	if (buddy_addmem(a, (void *)(start + __PAGE_SIZE), end - start - __PAGE_SIZE))
		return NULL;
	uk_alloc_register(a);
	return a;
}
