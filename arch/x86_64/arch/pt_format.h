/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Format of the 4-level page table (Intel SDM vol. 3, ch. 4), the same for both platforms: what reads it differs
 * (arch/paging.h). No policy: mm/ owns all tables after early boot. An entry is read and written as one aligned 64-bit atomic.
 */
#pragma once

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
