/* SPDX-License-Identifier: BSD-3-Clause */
/* The processor's memory management unit: it walks the tables itself, each CPU has its TLB. And the address map. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/pt_format.h>

/* Does the hardware walk the tables? Then they map everything: image, direct map, kernel addresses. */
static const bool arch_mmu_walks = true;
/* Is one CPU's flush seen by all others? Here each CPU flushes its own TLB: mm/ shoots them down. */
static const bool arch_mmu_coherent = false;

/*
 * For an MMU that is told about every page (arch/soft); here an entry in a table is all it takes. The contracts are in
 * arch/soft/arch/paging.h.
 */
static inline int arch_mmu_fill(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits)
{
	(void)va, (void)pa, (void)len, (void)bits;
	return 0;
}

static inline void arch_mmu_changed(uintptr_t start, uintptr_t end)
{
	(void)start, (void)end;
}

static inline int arch_mmu_reserve(uintptr_t start, uintptr_t end)
{
	(void)start, (void)end;
	return 0;
}

static inline void arch_mmu_unreserve(uintptr_t start, uintptr_t end)
{
	(void)start, (void)end;
}

static inline void arch_mmu_frame_freed(paddr_t pa, uint64_t len)
{
	(void)pa, (void)len;
}

static inline void arch_mmu_flush_deferred(unsigned cpu)
{
	(void)cpu;
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
