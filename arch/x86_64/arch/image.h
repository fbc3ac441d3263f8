/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The running image: what the linker script (tutti.lds) and boot.S define. Section bounds are page aligned; where one
 * section ends the next begins (rodata, text, relro, data+bss). Physical and virtual address are the same modulo 2 MiB.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
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

/*
 * vm only: where the loader puts the first byte, and the physical address of anything inside the image. On the host
 * the image is a program that the host loaded; it lies outside of physical memory.
 */
#define ARCH_IMAGE_PHYS 0x100000ul

static inline paddr_t arch_image_phys(const void *p)
{
	return (uintptr_t)p - (uintptr_t)__image_start + ARCH_IMAGE_PHYS;
}

/* Stack of the boot context: 16 KiB, and the page below it, which mm/ leaves unmapped. */
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];

/* Mappings without a hint are placed below this, as high as possible. */
uintptr_t arch_mmap_top(void);

/* Whole pages of the image. */
struct arch_range {
	uintptr_t start, end;
};

/* ---- image.c of ring0 and soft ---- */
/*
 * What only the early boot uses of the image: nothing refers to it once mm_init() has loaded its own tables, and the
 * pages are memory like any other then. Empty on the host.
 */
struct arch_range arch_image_early_tables(void);
/*
 * From now on [start, end) of the image can only be read, or not even that. 0 or -errno. Only where no tables map the
 * image (arch_mmu_walks): there it is mm/'s part.
 */
int arch_image_protect(uintptr_t start, uintptr_t end, bool readable);
/*
 * Change code of the image inside [__text_patch_start, __text_patch_end): before mm_seal(), by the only CPU, which
 * executes a serializing instruction before it runs what it wrote. 0 or -errno.
 */
int arch_text_write(void *text, const void *bytes, size_t len);
