// SPDX-License-Identifier: BSD-3-Clause
/*
 * The PVH start info (Xen, "x86/HVM direct boot ABI"): command line, archive, memory map, ACPI root. Everything is copied
 * out of the loader's memory, which may be handed out as free memory afterwards. Reserved in the list of usable memory:
 * page 0, the pages that start other CPUs, the image and the archive.
 *
 * Boot CPU, before any other runs; immutable afterwards. Reads through the early direct map, which covers the first GiB;
 * a loader that puts the start info higher gets a line and status 2.
 */
#include "plat/vm/bootinfo.h"

#include <arch/boot_abi.h>
#include <arch/image.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/vm/memmap.h"

#define PVH_MAGIC     0x336ec578u
#define EARLY_MAP_END (1ull << 30)
#define CMDLINE_MAX   1024

struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	uint64_t memmap_paddr; /* from version 1 on */
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

extern uint64_t boot_tsc;
extern uint32_t boot_start_info;

static struct {
	struct plat_bootinfo info;
	paddr_t rsdp;
	char cmdline[CMDLINE_MAX];
} boot;

static __cold const void *early(uint64_t pa, uint64_t len)
{
	if (!pa || pa >= EARLY_MAP_END || len > EARLY_MAP_END - pa)
		plat_boot_error("the loader's data at 0x%lx is out of reach", pa);
	return arch_phys_to_virt(pa);
}

__cold void bootinfo_init(void)
{
	const struct pvh_start_info *si = early(boot_start_info, sizeof(*si));
	struct plat_mem reserved[4];
	unsigned n = 0;

	boot.info.cmdline = boot.cmdline;
	if (si->magic != PVH_MAGIC || si->version < 1 || !si->memmap_entries)
		plat_boot_error("not started by a PVH loader with a memory map (magic 0x%x, version %u)", si->magic,
				si->version);
	if (si->cmdline_paddr) {
		const char *src = early(si->cmdline_paddr, CMDLINE_MAX);

		if (str_nlen(src, CMDLINE_MAX) >= CMDLINE_MAX)
			plat_boot_error("the kernel command line is longer than %d bytes", CMDLINE_MAX - 1);
		str_copy(boot.cmdline, src, CMDLINE_MAX);
	}
	if (si->nr_modules) {
		const struct pvh_module *m = early(si->modlist_paddr, sizeof(*m));

		boot.info.initrd = m->size ? m->paddr : 0;
		boot.info.initrd_len = m->size;
	}
	boot.rsdp = si->rsdp_paddr;
	boot.info.image_phys = ARCH_IMAGE_PHYS;
	boot.info.tsc_entry = boot_tsc;

	reserved[n++] = (struct plat_mem){ 0, PAGE_SIZE };
	reserved[n++] = (struct plat_mem){ AP_TRAMPOLINE_PHYS, AP_LOW_END - AP_TRAMPOLINE_PHYS };
	reserved[n++] = (struct plat_mem){ ARCH_IMAGE_PHYS, (uint64_t)(__image_end - __image_start) };
	reserved[n++] = (struct plat_mem){ boot.info.initrd, boot.info.initrd_len };
	boot.info.mem_count = memmap_build(early(si->memmap_paddr, si->memmap_entries * sizeof(struct memmap_entry)),
					   si->memmap_entries, reserved, n, boot.info.mem, PLAT_MEM_MAX,
					   &boot.info.phys_top);
	if (arch_image_phys(__image_end) > boot.info.phys_top)
		plat_boot_error("too little memory: the image needs %lu KiB, the machine ends at %lu KiB",
				arch_image_phys(__image_end) / 1024, boot.info.phys_top / 1024);
}

const struct plat_bootinfo *plat_bootinfo(void)
{
	return &boot.info;
}

paddr_t bootinfo_rsdp(void)
{
	return boot.rsdp;
}

__cold bool bootinfo_cmdline_has(const char *word)
{
	return str_has_word(boot.cmdline, word);
}
