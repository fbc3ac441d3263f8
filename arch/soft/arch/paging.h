/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory management unit of the host platform, in software. Page tables have the processor's format and are kept by mm/
 * as everywhere, but no hardware walks them: what a page is mapped to is told to the host by arch_mmu_fill(), which
 * makes it a view of the memory file. Two models, chosen by the build (mmu.c argues both):
 *
 *  - native: the host's page tables are one TLB for all CPUs, kept coherent by the host's kernel. arch_mmu_changed() drops
 *    a range on all CPUs at once, so mm/ needs no shootdown (arch_mmu_coherent) and flushes are nothing.
 *  - replay: each virtual CPU has a TLB of its own that may hold any present entry until that CPU flushes it;
 *    the CPU with the baton sees what its TLB holds. A shootdown that is missing shows as a stale read, and freeing a frame that some
 *    TLB still maps is reported at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/pt_format.h>

#include "config.h"

static const bool arch_mmu_walks = false;
#ifdef CONFIG_REPLAY
static const bool arch_mmu_coherent = false;
#else
static const bool arch_mmu_coherent = true;
#endif

/*
 * Entries of [va, va + len) now map contiguous memory from pa with `bits` (ARCH_PTE_*): let accesses through. Called after
 * the entry was written, under the lock that excludes its change (mm_as.lock shared or kva lock), so that a page
 * that is being taken away cannot come back. May be called again for what is mapped already, with wider permissions. 0, or -ENOMEM
 * if the host refuses (its limit on mappings): the entry stays, nothing else changed. Any context.
 */
int arch_mmu_fill(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits);
/*
 * Entries of [start, end) have lost permissions or are gone (whether or not a page was present). mm_as.lock exclusively, before the
 * flush or shootdown. Native: accesses fault from now on, on all CPUs. Replay: nothing, the flush does it.
 */
void arch_mmu_changed(uintptr_t start, uintptr_t end);
/*
 * A mapping is about to be made / has been removed here. Addresses inside [ARCH_SOFT_RESERVED, +_END) are always ours; outside the
 * host may have something of its own: -EEXIST then. Under mm_as.lock exclusively.
 */
int arch_mmu_reserve(uintptr_t start, uintptr_t end);
void arch_mmu_unreserve(uintptr_t start, uintptr_t end);
/* Frames go back to the pool. Replay: ends the run with a report if a TLB still maps one of them. */
void arch_mmu_frame_freed(paddr_t pa, uint64_t len);
/*
 * CPU `cpu` is idle or not up and is not asked to flush now: it calls arch_tlb_flush_all() before it touches application memory
 * again, and until then may remember what is gone. Before frames are freed. Replay: a CPU that uses memory without that is reported.
 */
void arch_mmu_flush_deferred(unsigned cpu);
/* Replay: CPU `to` has the baton now; make the address space look as its TLB does. */
void arch_mmu_switch_cpu(unsigned to);

/* Once, before any other: physical memory is `len` bytes of the file `fd`, seen whole at ARCH_DIRECT_MAP. 0 or -errno. */
int arch_mmu_init(int fd, uint64_t len);

void arch_tlb_flush_page(uintptr_t va);
void arch_tlb_flush_all(void);

/* The root of the tables, for look-ups. */
void arch_pt_set_root(paddr_t root);
paddr_t arch_pt_root(void);

static inline bool arch_has_1g_pages(void)
{
	return false;
}

/*
 * Address map (docs/architecture.md): all of it below what the host maps for itself.
 */
#define ARCH_APP_MIN	       0x10000ul
#define ARCH_APP_MAX	       0x00007ffffffff000ul
#define ARCH_IMAGE_BASE	       0x0000000000400000ul /* where code for small addresses may be linked */
#define ARCH_DIRECT_MAP	       0x0000100000000000ul /* physical memory: at most 1 TiB */
#define ARCH_KVA_BASE	       0x0000180000000000ul /* kernel stacks */
#define ARCH_KVA_END	       0x0000188000000000ul
#define ARCH_SOFT_RESERVED     0x0000200000000000ul /* application mappings without a hint */
#define ARCH_SOFT_RESERVED_END 0x0000555555400000ul

static inline void *arch_phys_to_virt(paddr_t pa)
{
	return (void *)(ARCH_DIRECT_MAP + pa);
}

static inline paddr_t arch_virt_to_phys(const void *p)
{
	return (uintptr_t)p - ARCH_DIRECT_MAP;
}
