/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The running image: what the linker script (tutti.lds) and boot.S define. Section bounds are page aligned; where one
 * section ends the next begins (rodata, text, relro, data+bss). Physical and virtual address are the same modulo 2 MiB.
 */
#pragma once

#include <stdint.h>

#include <arch/paging.h>

/* rodata: headers, notes, constants (R); text (RX); relro: relocated constants (RW until mm_seal(), then R); data, bss (RW). */
extern char __image_start[], __image_end[];
extern char __rodata_start[], __rodata_end[];
extern char __text_start[], __text_end[];
extern char __relro_start[], __relro_end[];
extern char __data_start[], __data_end[], __bss_start[], __bss_end[];
extern char __ehdr_start[];
extern char __build_id_start[], __build_id_end[];
extern char __init_array_start[], __init_array_end[], __fini_array_start[], __fini_array_end[];

/* Where the loader puts the first byte. */
#define ARCH_IMAGE_PHYS 0x100000ul

/* Physical address of anything inside the image. */
static inline paddr_t arch_image_phys(const void *p)
{
	return (uintptr_t)p - (uintptr_t)__image_start + ARCH_IMAGE_PHYS;
}

/*
 * Early tables (boot.S), in bss, below 4 GiB: in use until mm_init() loads its own root. They map the image by section
 * (4 KiB entries; 2 MiB ones where a whole 2 MiB has one permission), the first GiB of physical memory at ARCH_DIRECT_MAP
 * (2 MiB entries, read-write, no execute) and the first page of text at its physical address. After the switch nothing
 * refers to them and mm/ may use any of these pages again for tables of its own. CPUs that start later use a small
 * transition root of plat/'s own (low memory), then the root of the boot CPU, so mm/'s root may lie anywhere.
 */
#define ARCH_BOOT_PT_PAGES 13
extern uint64_t boot_page_tables[ARCH_BOOT_PT_PAGES][ARCH_PT_ENTRIES]; /* [0] is the root */

/* Stack of the boot context: 16 KiB, and the page below it, which mm/ leaves unmapped. */
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];
