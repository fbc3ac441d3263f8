/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of mm/: as fake/, but the test itself defines what a TLB flush does. */
#pragma once

#include_next <arch/paging.h>

void test_tlb_flush_page(uintptr_t va);
void test_tlb_flush_all(void);

#define arch_tlb_flush_page test_tlb_flush_page
#define arch_tlb_flush_all  test_tlb_flush_all
