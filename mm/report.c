/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What mm/ says about itself: statistics, words for an address, and the memory part of the crash report.
 *
 * The report runs when everything else has been stopped at an arbitrary place, perhaps inside a change of the tree,
 * so it takes no lock and bounds its steps. VMA objects and page tables it may meet half-way are still mapped memory:
 * slab frames are never given back, and tables are reached only from entries that are present.
 */
#include <arch/image.h>

#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"

#define REPORT_LARGEST 8u
#define REPORT_STEPS   100000u

void mm_stats(struct mm_stats *s)
{
	s->heap_resident = __atomic_load_n(&mm_as.heap_resident, __ATOMIC_RELAXED) << PAGE_SHIFT;
	s->heap_resident_peak = __atomic_load_n(&mm_as.heap_peak, __ATOMIC_RELAXED) << PAGE_SHIFT;
	s->app_resident = __atomic_load_n(&mm_as.app_resident, __ATOMIC_RELAXED) << PAGE_SHIFT;
	s->faults = __atomic_load_n(&mm_as.faults, __ATOMIC_RELAXED);
	s->shootdown_ipis = shootdown_ipi_count();
}

void mm_heap_peak_reset(void)
{
	__atomic_store_n(&mm_as.heap_peak, __atomic_load_n(&mm_as.heap_resident, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* vma_above() for a tree that may be in pieces. */
static const struct vma *lookup_bounded(uintptr_t addr)
{
	const struct rb_node *n = mm_as.vmas.root;
	const struct vma *best = NULL;

	for (unsigned steps = 0; n && steps < 128; steps++) {
		const struct vma *v = container_of(n, const struct vma, node);

		if (v->end > addr) {
			best = v;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

static const char *kind_of(const struct vma *v)
{
	/* the other fixed one keeps the application away from the kernel's addresses */
	if (v->attr & VMA_FIXED)
		return v->prot ? "image" : "not mapped";
	if (v->attr & VMA_HEAP)
		return v->prot ? "heap" : "heap, reserved only";
	if (v->attr & VMA_STACK)
		return v->prot ? "stack" : "guard page of a stack";
	return v->prot ? "mapping" : "mapping without access (guard page?)";
}

const char *mm_describe(uintptr_t addr)
{
	const struct vma *v;

	if (addr < ARCH_APP_MIN)
		return "null page";
	if (addr >= (uintptr_t)__image_start && addr < (uintptr_t)__image_end) {
		if (addr >= (uintptr_t)__relro_start)
			return "data of the image";
		return addr >= (uintptr_t)__text_start && addr < (uintptr_t)__text_end ? "text"
										       : "constants of the image";
	}
	if (addr >= ARCH_KVA_BASE && addr < ARCH_KVA_END) {
		const uint64_t *e = pt_entry(addr, 1, false);

		return e && *e ? "kernel stack or device" : "guard page of a kernel stack, or not mapped";
	}
	if (addr - ARCH_DIRECT_MAP < plat_bootinfo()->phys_top)
		return "direct map";
	v = lookup_bounded(addr);
	return v && v->start <= addr ? kind_of(v) : "not mapped";
}

/* Present pages of the range. Like pt_count(), but follows present entries only. */
static uint64_t count_present(uintptr_t start, uintptr_t end)
{
	uint64_t n = 0;

	while (start < end) {
		const uint64_t *table = mm_pt_root, *e = NULL;
		unsigned level = ARCH_PT_LEVELS;

		for (;; level--) {
			e = &table[arch_pt_index(start, level)];
			if (level == 1 || !(*e & ARCH_PTE_P))
				break;
			table = arch_phys_to_virt(*e & ARCH_PTE_ADDR);
		}
		n += (*e & ARCH_PTE_P) != 0;
		start = ALIGN_DOWN(start, arch_pt_span(level)) + arch_pt_span(level);
	}
	return n;
}

void mm_report(void)
{
	const struct vma *largest[REPORT_LARGEST] = { NULL };
	uint64_t resident[REPORT_LARGEST] = { 0 };
	struct frame_stats fs;
	uintptr_t at = 0;
	const struct vma *v;

	if (!mm_pt_root)
		return;
	frame_stats(&fs);
	plat_log('C',
		 "memory: %lu KiB, free %lu KiB (%lu KiB set aside for heaps); resident: heaps %lu KiB, others %lu KiB",
		 (unsigned long)fs.total * 4, (unsigned long)fs.free * 4, (unsigned long)fs.committed * 4,
		 (unsigned long)mm_as.heap_resident * 4, (unsigned long)mm_as.app_resident * 4);
	for (unsigned steps = 0; steps < REPORT_STEPS && (v = lookup_bounded(at)) != NULL && v->end > at; steps++) {
		uint64_t r = v->attr & VMA_FIXED ? 0 : count_present(v->start, v->end);
		unsigned place = REPORT_LARGEST;

		at = v->end;
		while (place > 0 && r > resident[place - 1])
			place--;
		if (place == REPORT_LARGEST)
			continue;
		for (unsigned i = REPORT_LARGEST - 1; i > place; i--) {
			largest[i] = largest[i - 1];
			resident[i] = resident[i - 1];
		}
		largest[place] = v;
		resident[place] = r;
	}
	for (unsigned i = 0; i < REPORT_LARGEST && largest[i]; i++) {
		v = largest[i];
		plat_log('C', "mapping 0x%lx..0x%lx %c%c%c %s: resident %lu KiB of %lu KiB", (unsigned long)v->start,
			 (unsigned long)v->end, v->prot & PROT_R ? 'r' : '-', v->prot & PROT_W ? 'w' : '-',
			 v->prot & PROT_X ? 'x' : '-', kind_of(v), (unsigned long)resident[i] * 4,
			 (unsigned long)((v->end - v->start) >> 10));
	}
}
