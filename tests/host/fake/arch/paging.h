/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fake for host tests: the format is the real one; "physical memory" is a host mapping at fake_phys_base, the root is a
 * variable, TLB flushes are counted. (A test that includes this sets fake_phys_base first.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define arch_pt_root	    real_arch_pt_root
#define arch_tlb_flush_page real_arch_tlb_flush_page
#define arch_tlb_flush_all  real_arch_tlb_flush_all
#define arch_phys_to_virt   real_arch_phys_to_virt
#define arch_virt_to_phys   real_arch_virt_to_phys
#include_next <arch/paging.h>
#undef arch_pt_root
#undef arch_tlb_flush_page
#undef arch_tlb_flush_all
#undef arch_phys_to_virt
#undef arch_virt_to_phys

__attribute__((weak)) char *fake_phys_base;
__attribute__((weak)) paddr_t fake_pt_root;
__attribute__((weak)) unsigned long fake_tlb_flushes;

#undef ARCH_DIRECT_MAP
#define ARCH_DIRECT_MAP ((uintptr_t)fake_phys_base)

static inline paddr_t arch_pt_root(void)
{
	return fake_pt_root;
}

static inline void arch_tlb_flush_page(uintptr_t va)
{
	(void)va;
	__atomic_fetch_add(&fake_tlb_flushes, 1, __ATOMIC_RELAXED);
}

static inline void arch_tlb_flush_all(void)
{
	__atomic_fetch_add(&fake_tlb_flushes, 1, __ATOMIC_RELAXED);
}

static inline void *arch_phys_to_virt(paddr_t pa)
{
	return fake_phys_base + pa;
}

static inline paddr_t arch_virt_to_phys(const void *p)
{
	return (paddr_t)((const char *)p - fake_phys_base);
}
