// SPDX-License-Identifier: BSD-3-Clause
/*
 * Usable memory ranges from the loader's map. The map may be unsorted, overlap itself, hold empty entries (microvm's ends
 * with one) and ranges that wrap around; a page counts as usable only if all of it is, and reserved ranges are widened to
 * whole pages. Runs once at boot on caller's arrays: no memory, no locks. When the output is full the smallest range gives
 * way, so a fragmented map costs the least memory.
 */
#include "plat/vm/memmap.h"

#include "lib/util.h"

struct list_state {
	struct plat_mem *r;
	unsigned n, max;
};

static __cold void insert(struct list_state *s, uint64_t base, uint64_t end)
{
	unsigned i, smallest = 0;

	if (end <= base)
		return;
	if (s->n == s->max) {
		for (i = 1; i < s->n; i++)
			if (s->r[i].len < s->r[smallest].len)
				smallest = i;
		if (s->r[smallest].len >= end - base)
			return;
		for (i = smallest; i + 1 < s->n; i++)
			s->r[i] = s->r[i + 1];
		s->n--;
	}
	for (i = s->n; i > 0 && s->r[i - 1].base > base; i--)
		s->r[i] = s->r[i - 1];
	s->r[i] = (struct plat_mem){ base, end - base };
	s->n++;
}

static __cold void erase(struct list_state *s, unsigned i)
{
	for (s->n--; i < s->n; i++)
		s->r[i] = s->r[i + 1];
}

static __cold void merge(struct list_state *s)
{
	for (unsigned i = 0; i + 1 < s->n;) {
		uint64_t end = s->r[i].base + s->r[i].len, next_end = s->r[i + 1].base + s->r[i + 1].len;

		if (end < s->r[i + 1].base) {
			i++;
			continue;
		}
		s->r[i].len = MAX(end, next_end) - s->r[i].base;
		erase(s, i + 1);
	}
}

static __cold void subtract(struct list_state *s, uint64_t base, uint64_t end)
{
	if (end <= base)
		return;
	for (unsigned i = 0; i < s->n;) {
		uint64_t rb = s->r[i].base, re = rb + s->r[i].len;

		if (re <= base || rb >= end) {
			i++;
			continue;
		}
		erase(s, i);
		insert(s, rb, MIN(re, base));
		insert(s, MAX(rb, end), re);
		i = 0;
	}
}

__cold unsigned memmap_build(const struct memmap_entry *map, unsigned n, const struct plat_mem *reserved,
			     unsigned reserved_n, struct plat_mem *out, unsigned max, uint64_t *top)
{
	struct list_state s = { out, 0, max };

	*top = 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t base = map[i].addr, end;

		if (map[i].type != 1 || !map[i].size || __builtin_add_overflow(base, map[i].size, &end))
			continue;
		if (base > UINT64_MAX - PAGE_SIZE)
			continue;
		base = ALIGN_UP(base, PAGE_SIZE);
		end = ALIGN_DOWN(end, PAGE_SIZE);
		if (end > base && end > *top)
			*top = end;
		insert(&s, base, end);
		merge(&s);
	}
	/* what the map itself calls unusable wins over an overlapping usable entry */
	for (unsigned i = 0; i < n; i++) {
		uint64_t end;

		if (map[i].type == 1 || !map[i].size || __builtin_add_overflow(map[i].addr, map[i].size, &end))
			continue;
		subtract(&s, ALIGN_DOWN(map[i].addr, PAGE_SIZE),
			 end > UINT64_MAX - PAGE_SIZE ? end : ALIGN_UP(end, PAGE_SIZE));
	}
	for (unsigned i = 0; i < reserved_n; i++)
		if (reserved[i].len)
			subtract(&s, ALIGN_DOWN(reserved[i].base, PAGE_SIZE),
				 ALIGN_UP(reserved[i].base + reserved[i].len, PAGE_SIZE));
	return s.n;
}
