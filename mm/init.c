/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address space at boot: image, direct map, and what becomes read-only when boot is over.
 *
 * Where the hardware walks tables (arch_mmu_walks), the boot assembly's map the image and the first GiB of the direct
 * map. mm_init() builds the final ones from frames of that GiB: the direct map of all memory with the largest pages
 * there are, never executable; the image by section, text read-execute, constants read-only, the rest read-write and
 * not executable. Nothing else: no identity map, no null page. The 2 MiB of the direct map around the image are
 * mapped by 4 KiB pages, because there the same permissions have to hold in the end: mm_seal() takes write permission
 * from the aliases of text and constants, and from the relocated constants in the image itself. Until then
 * arch_text_write() writes text by way of its alias.
 *
 * Where it does not, the image is a program that the host has loaded, section by section and outside of physical
 * memory, and the direct map and the kernel's addresses are the host's mappings too, among the application's: they
 * get VMAs that nobody can change, and no entries. The root starts empty.
 *
 * mm_init() runs on the boot CPU before there is any other. The others may run during the rest: changes are made
 * under mm_as.lock and shot down. No memory here means the machine is too small for the image: one line, exit 2.
 */
#include <arch/image.h>

#include "lib/errno.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"

#define RW (ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_G)
#define RO (ARCH_PTE_P | ARCH_PTE_NX | ARCH_PTE_G)
#define RX (ARCH_PTE_P | ARCH_PTE_G)

static inline uintptr_t page_down(const void *p)
{
	return ALIGN_DOWN((uintptr_t)p, PAGE_SIZE);
}

static inline uintptr_t page_up(const void *p)
{
	return ALIGN_UP((uintptr_t)p, PAGE_SIZE);
}

static inline paddr_t image_phys(uintptr_t va)
{
	return va - (uintptr_t)__image_start + plat_bootinfo()->image_phys;
}

static void add_or_die(uintptr_t start, uintptr_t end, unsigned prot)
{
	if (vma_add_fixed(start, end, prot))
		plat_boot_error("not enough memory for the address space");
}

static void map_or_die(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits, unsigned max_level)
{
	if (len && pt_map(va, pa, len, bits, max_level))
		plat_boot_error("not enough memory for the page tables");
}

static void map_section(uintptr_t start, uintptr_t end, uint64_t bits, unsigned prot)
{
	if (start == end)
		return;
	if (arch_mmu_walks)
		map_or_die(start, image_phys(start), end - start, bits, 1);
	add_or_die(start, end, prot);
}

static void unmap_pages(uintptr_t start, uintptr_t end)
{
	for (; start < end; start += PAGE_SIZE)
		__atomic_store_n(pt_entry(start, 1, false), 0, __ATOMIC_RELAXED);
}

static void map_image(void)
{
	uintptr_t text = page_down(__text_start), text_end = page_up(__text_end), rw = page_down(__relro_start);

	map_section(page_down(__image_start), text, RO, PROT_R);
	map_section(text, text_end, RX, PROT_R | PROT_X);
	map_section(text_end, rw, RO, PROT_R);
	map_section(rw, page_up(__image_end), RW, PROT_R | PROT_W);
	/* the rest of boot runs on the stack above the guard */
	if (arch_mmu_walks)
		unmap_pages((uintptr_t)boot_stack_guard, (uintptr_t)boot_stack);
	else if (arch_image_protect((uintptr_t)boot_stack_guard, (uintptr_t)boot_stack, false))
		plat_boot_error("the host refuses a guard page");
}

static void map_direct(void)
{
	const unsigned largest = arch_has_1g_pages() ? 3 : 2;
	const paddr_t image = ALIGN_DOWN(image_phys(page_down(__image_start)), arch_pt_span(2));
	const paddr_t image_end = ALIGN_UP(image_phys(page_up(__image_end)), arch_pt_span(2));
	const paddr_t top = MAX(ALIGN_UP(plat_bootinfo()->phys_top, arch_pt_span(2)), image_end);

	map_or_die(ARCH_DIRECT_MAP, 0, image, RW, largest);
	map_or_die(ARCH_DIRECT_MAP + image, image, image_end - image, RW, 1);
	map_or_die(ARCH_DIRECT_MAP + image_end, image_end, top - image_end, RW, largest);
}

void mm_init(void)
{
	const struct arch_range early = arch_image_early_tables();
	paddr_t root;

	frame_init();
	root = frame_alloc(0, FRAME_ZERO);
	if (root == FRAME_NONE)
		plat_boot_error("not enough memory for the page tables");
	mm_pt_root = arch_phys_to_virt(root);
	if (arch_mmu_walks)
		map_direct();
	else
		add_or_die(ARCH_DIRECT_MAP, ARCH_KVA_END, 0);
	map_image();
	mm_as.mmap_top = arch_mmap_top();
	shootdown_init();
	if (early.start < early.end)
		unmap_pages(early.start, early.end);
	arch_pt_set_root(root);
	if (early.start < early.end)
		frame_donate(image_phys(early.start), (early.end - early.start) >> PAGE_SHIFT);
}

/* Change permission bits of mapped 4 KiB pages and flush them everywhere. mm_as.lock held exclusively. */
static void remap_locked(uintptr_t start, uintptr_t end, uint64_t bits) REQUIRES(mm_as.lock);
static void remap_locked(uintptr_t start, uintptr_t end, uint64_t bits)
{
	rwspin_assert_write_held(&mm_as.lock);
	while (start < end) {
		struct pt_flush flush = { 0 };

		for (; start < end && flush.count < PT_FLUSH_PAGES; start += PAGE_SIZE) {
			uint64_t *e = pt_entry(start, 1, false);

			__atomic_store_n(e, (*e & ARCH_PTE_ADDR) | bits | ARCH_PTE_A, __ATOMIC_RELAXED);
			pt_flush_add(&flush, start);
		}
		/* page by page, never the whole TLB: these entries are global */
		shootdown(&flush);
	}
}

static void seal_alias_locked(uintptr_t start, uintptr_t end) REQUIRES(mm_as.lock);
static void seal_alias_locked(uintptr_t start, uintptr_t end)
{
	rwspin_assert_write_held(&mm_as.lock);
	remap_locked(ARCH_DIRECT_MAP + image_phys(start), ARCH_DIRECT_MAP + image_phys(end), RO);
}

void mm_seal(void)
{
	/* relocated constants may end within a page that holds data: that page stays writable */
	const uintptr_t relro = page_down(__relro_start), relro_end = page_down(__relro_end);

	if (!arch_mmu_walks) {
		if (relro < relro_end && arch_image_protect(relro, relro_end, true))
			plat_boot_error("the host refuses to make constants read-only");
		return;
	}
	as_write_lock();
	remap_locked(relro, relro_end, RO);
	seal_alias_locked(page_down(__image_start), relro_end);
	as_write_unlock();
}
