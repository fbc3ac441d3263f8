// SPDX-License-Identifier: BSD-3-Clause
/*
 * The image as the loader of a virtual machine left it: in physical memory, mapped by boot.S, so that text can be
 * written by way of the direct map. Early boot, one CPU; no locks, no memory.
 */
#include <arch/image.h>

#include "lib/string.h"
#include "lib/util.h"

/*
 * Early tables (boot.S), in bss, below 4 GiB: in use until mm_init() loads its own root. They map the image by
 * section (4 KiB entries; 2 MiB ones where a whole 2 MiB has one permission), the first GiB of physical memory at
 * ARCH_DIRECT_MAP (2 MiB entries, read-write, no execute) and the first page of text at its physical address. CPUs
 * that start later use a small transition root of plat/'s own (low memory), then the root of the boot CPU, so mm/'s
 * root may lie anywhere.
 */
#define BOOT_PT_PAGES 13
extern uint64_t boot_page_tables[BOOT_PT_PAGES][ARCH_PT_ENTRIES]; /* [0] is the root */

struct arch_range arch_image_early_tables(void)
{
	return (struct arch_range){ (uintptr_t)boot_page_tables, (uintptr_t)boot_page_tables[BOOT_PT_PAGES] };
}

int arch_image_protect(uintptr_t start, uintptr_t end, bool readable)
{
	/* the tables map the image: they are mm/'s */
	(void)start, (void)end, (void)readable;
	return 0;
}

int arch_text_write(void *text, const void *bytes, size_t len)
{
	memcpy(arch_phys_to_virt(arch_image_phys(text)), bytes, len);
	return 0;
}

/* Close below the image, so that the first mappings share its upper tables. */
uintptr_t arch_mmap_top(void)
{
	return ALIGN_DOWN((uintptr_t)__image_start, arch_pt_span(2)) - arch_pt_span(2);
}
