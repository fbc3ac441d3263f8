/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of page tables: look-up, building, walks over ranges of application pages.
 *
 * An entry of an application page is either 0 (never touched) or holds a frame's address; the present bit says
 * whether the mapping's protection allows any access. So an entry without the present bit still owns its frame. All
 * pages of a mapping have the bits that its protection gives, always: whoever finds a resident page while holding
 * mm_as.lock may conclude that a permitted access works.
 *
 * Concurrency: with mm_as.lock shared, entries only change from 0 to something, by compare-and-swap; the loser of a
 * race for a table gives its page back and goes on with the winner's. Tables disappear only with mm_as.lock held
 * exclusively. The hardware sets accessed and dirty bits in present entries behind our back; entries are made with
 * both set, and nobody reads them.
 *
 * Removing: (1) pt_zap() takes the present bits away, the address stays in the entry, so that no list of the frames
 * is needed; pt_detach() does the same to the entries that point to tables with no mapping in reach of them. (2) One
 * shootdown makes every CPU forget both the pages and the tables (flushing any page drops all cached upper-level
 * entries: Intel SDM vol. 3, 4.10.4.1). (3) pt_reap() frees the frames, pt_release() the tables. Walks follow a
 * pointer to a table whether or not it is present. Nobody else can see the state between, because all of it happens
 * under the exclusive lock.
 *
 * An MMU that does not walk tables is told: arch_mmu_fill() after entries were made (mm/fault.c), arch_mmu_changed()
 * between (1) and (2) (mm/vma.c), arch_mmu_frame_freed() in (3).
 *
 * A table stays as long as any mapping touches the range that it spans, because the tables of charged pages are built
 * when they are charged: a fault on them needs no memory but the page itself.
 */
#include "lib/errno.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"

#define TABLE_BITS (ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_A)

uint64_t *mm_pt_root;

enum pt_op { OP_COUNT, OP_PROTECT, OP_ZAP, OP_REAP, OP_DETACH, OP_RELEASE };

struct pt_walk {
	enum pt_op op;
	bool recommit;		/* OP_REAP */
	uint64_t bits;		/* OP_PROTECT */
	struct pt_flush *flush; /* OP_PROTECT, OP_ZAP, OP_DETACH */
	uintptr_t hole_start;	/* OP_DETACH */
	uintptr_t hole_end;
	uint64_t count; /* resident pages seen */
};

uint64_t pt_app_bits(unsigned prot)
{
	uint64_t bits = ARCH_PTE_A | ARCH_PTE_D;

	if (prot)
		bits |= ARCH_PTE_P;
	if (prot & PROT_W)
		bits |= ARCH_PTE_W;
	if (!(prot & PROT_X))
		bits |= ARCH_PTE_NX;
	return bits;
}

static inline uint64_t *table_of(uint64_t entry)
{
	return arch_phys_to_virt(entry & ARCH_PTE_ADDR);
}

uint64_t *pt_entry(uintptr_t va, unsigned level, bool create)
{
	uint64_t *table = mm_pt_root;

	for (unsigned l = ARCH_PT_LEVELS; l > level; l--) {
		uint64_t *e = &table[arch_pt_index(va, l)];
		uint64_t v = __atomic_load_n(e, __ATOMIC_ACQUIRE); /* pairs with the release below */

		if (!v) {
			paddr_t pa;

			if (!create)
				return NULL;
			pa = frame_alloc(0, FRAME_ZERO | FRAME_PT);
			if (pa == FRAME_NONE)
				return NULL;
			if (__atomic_compare_exchange_n(e, &v, pa | TABLE_BITS, false, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE))
				v = pa | TABLE_BITS;
			else
				frame_free(pa, 0);
		}
		table = table_of(v);
	}
	return &table[arch_pt_index(va, level)];
}

int pt_build(uintptr_t start, uintptr_t end)
{
	for (uintptr_t va = start; va < end; va = ALIGN_DOWN(va, arch_pt_span(2)) + arch_pt_span(2))
		if (!pt_entry(va, 1, true))
			return -ENOMEM;
	return 0;
}

int pt_map(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits, unsigned max_level)
{
	while (len) {
		unsigned level = max_level;
		uintptr_t span;
		uint64_t *e;

		while (level > 1 && (((va | pa) & (arch_pt_span(level) - 1)) || len < arch_pt_span(level)))
			level--;
		span = arch_pt_span(level);
		e = pt_entry(va, level, true);
		if (!e)
			return -ENOMEM;
		/* as far as this table and this size go, or until a larger size fits */
		do {
			__atomic_store_n(e++, pa | bits | ARCH_PTE_A | ARCH_PTE_D | (level > 1 ? ARCH_PTE_PS : 0),
					 __ATOMIC_RELEASE);
			va += span;
			pa += span;
			len -= span;
		} while (len >= span && arch_pt_index(va, level));
	}
	return 0;
}

static inline void walk_page(uint64_t *e, uint64_t v, uintptr_t va, struct pt_walk *w)
{
	uint64_t new;

	w->count++;
	switch (w->op) {
	case OP_PROTECT:
		new = (v & ARCH_PTE_ADDR) | w->bits;
		__atomic_store_n(e, new, __ATOMIC_RELAXED);
		if ((v & ARCH_PTE_P) && ((v & ~new &(ARCH_PTE_P | ARCH_PTE_W)) || (new & ~v &ARCH_PTE_NX)))
			pt_flush_add(w->flush, va);
		break;
	case OP_ZAP:
		if (v & ARCH_PTE_P) {
			__atomic_store_n(e, v & ~ARCH_PTE_P, __ATOMIC_RELAXED);
			pt_flush_add(w->flush, va);
		}
		break;
	case OP_REAP:
		__atomic_store_n(e, 0, __ATOMIC_RELAXED);
		arch_mmu_frame_freed(v & ARCH_PTE_ADDR, PAGE_SIZE);
		if (w->recommit)
			frame_free_charged(v & ARCH_PTE_ADDR);
		else
			frame_free(v & ARCH_PTE_ADDR, 0);
		break;
	default:
		break;
	}
}

static inline void walk_table_entry(uint64_t *e, uint64_t v, uintptr_t va, unsigned level, struct pt_walk *w)
{
	uintptr_t start = ALIGN_DOWN(va, arch_pt_span(level));

	if (w->op == OP_DETACH && start >= w->hole_start && start + arch_pt_span(level) <= w->hole_end) {
		__atomic_store_n(e, v & ~ARCH_PTE_P, __ATOMIC_RELAXED);
		/* any page will do: see above */
		pt_flush_add(w->flush, va);
	} else if (w->op == OP_RELEASE && !(v & ARCH_PTE_P)) {
		__atomic_store_n(e, 0, __ATOMIC_RELAXED);
		frame_free(v & ARCH_PTE_ADDR, 0);
	}
}

static void walk(uint64_t *table, unsigned level, uintptr_t start, uintptr_t end, struct pt_walk *w)
{
	const unsigned lowest = w->op == OP_DETACH || w->op == OP_RELEASE ? 2 : 1;
	uintptr_t next;

	for (uintptr_t va = start; va < end; va = next) {
		uint64_t *e = &table[arch_pt_index(va, level)];
		uint64_t v = __atomic_load_n(e, __ATOMIC_RELAXED);

		next = MIN(end, ALIGN_DOWN(va, arch_pt_span(level)) + arch_pt_span(level));
		if (!v)
			continue;
		if (level == 1) {
			walk_page(e, v, va, w);
			continue;
		}
		if (level > lowest)
			walk(table_of(v), level - 1, va, next, w);
		walk_table_entry(e, v, va, level, w);
	}
}

static inline uint64_t walk_range(uintptr_t start, uintptr_t end, struct pt_walk w)
{
	walk(mm_pt_root, ARCH_PT_LEVELS, start, end, &w);
	return w.count;
}

uint64_t pt_count(uintptr_t start, uintptr_t end)
{
	return walk_range(start, end, (struct pt_walk){ .op = OP_COUNT });
}

uint64_t pt_protect(uintptr_t start, uintptr_t end, unsigned prot, struct pt_flush *f)
{
	return walk_range(start, end, (struct pt_walk){ .op = OP_PROTECT, .bits = pt_app_bits(prot), .flush = f });
}

uint64_t pt_zap(uintptr_t start, uintptr_t end, struct pt_flush *f)
{
	return walk_range(start, end, (struct pt_walk){ .op = OP_ZAP, .flush = f });
}

void pt_detach(uintptr_t start, uintptr_t end, uintptr_t hole_start, uintptr_t hole_end, struct pt_flush *f)
{
	walk_range(start, end,
		   (struct pt_walk){ .op = OP_DETACH, .hole_start = hole_start, .hole_end = hole_end, .flush = f });
}

void pt_reap(uintptr_t start, uintptr_t end, bool recommit)
{
	walk_range(start, end, (struct pt_walk){ .op = OP_REAP, .recommit = recommit });
}

void pt_release(uintptr_t start, uintptr_t end)
{
	walk_range(start, end, (struct pt_walk){ .op = OP_RELEASE });
}
