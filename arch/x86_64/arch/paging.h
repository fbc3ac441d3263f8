/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Format of the 4-level page table (Intel SDM vol. 3, ch. 4). No policy: mm/ owns all tables after early boot.
 * An entry is read and written as one aligned 64-bit atomic.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t paddr_t;

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ul
#define ARCH_PT_LEVELS	4
#define ARCH_PT_ENTRIES 512

#define ARCH_PTE_P    (1ull << 0)
#define ARCH_PTE_W    (1ull << 1)
#define ARCH_PTE_PWT  (1ull << 3)
#define ARCH_PTE_PCD  (1ull << 4)
#define ARCH_PTE_A    (1ull << 5)
#define ARCH_PTE_D    (1ull << 6)
#define ARCH_PTE_PS   (1ull << 7)
#define ARCH_PTE_G    (1ull << 8)
#define ARCH_PTE_NX   (1ull << 63)
#define ARCH_PTE_ADDR 0x000ffffffffff000ull

/* Index into the table of `level` (4 = root .. 1 = last). */
static inline unsigned arch_pt_index(uintptr_t va, unsigned level)
{
	return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) & 511u;
}

/* Bytes that one entry of `level` spans. */
static inline uintptr_t arch_pt_span(unsigned level)
{
	return 1ul << (PAGE_SHIFT + 9 * (level - 1));
}

/* Physical address of the root in use. */
static inline paddr_t arch_pt_root(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	return cr3 & ARCH_PTE_ADDR;
}

/* Use another root. Everything but global entries leaves this CPU's TLB. */
static inline void arch_pt_set_root(paddr_t root)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(root) : "memory");
}

static inline void arch_tlb_flush_page(uintptr_t va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Everything but global entries. */
static inline void arch_tlb_flush_all(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3)::"memory");
}

/* 1 GiB pages available? */
bool arch_has_1g_pages(void);

/*
 * Address map (docs/architecture.md).
 */
#define ARCH_APP_MIN	0x10000ul	     /* nothing is ever mapped below */
#define ARCH_APP_MAX	0x00007ffffffff000ul /* end of application mappings */
#define ARCH_IMAGE_BASE 0x0000555555400000ul /* default load address of the image (2 MiB aligned) */
#define ARCH_DIRECT_MAP 0xffff800000000000ul /* all physical memory, no execute */
#define ARCH_KVA_BASE	0xffffc00000000000ul /* kernel stacks, device memory */
#define ARCH_KVA_END	0xffffc08000000000ul

static inline void *arch_phys_to_virt(paddr_t pa)
{
	return (void *)(ARCH_DIRECT_MAP + pa);
}

/* Only for addresses inside the direct map. */
static inline paddr_t arch_virt_to_phys(const void *p)
{
	return (uintptr_t)p - ARCH_DIRECT_MAP;
}
