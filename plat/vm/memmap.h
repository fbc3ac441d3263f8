/* SPDX-License-Identifier: BSD-3-Clause */
/* From the loader's memory map to a list of usable ranges. Pure; tested in tests/host/plat_memmap.c. */
#pragma once

#include <stdint.h>

#include "plat/plat.h"

/* As in the PVH start info. */
struct memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type; /* 1: usable */
	uint32_t reserved;
};

/*
 * Fill out[0..max) with whole usable pages, ascending and disjoint, none of them inside a range of `reserved`. Returns how
 * many; *top gets the end of the highest usable memory, reserved or not. What does not fit into `max` ranges is left out.
 */
unsigned memmap_build(const struct memmap_entry *map, unsigned n, const struct plat_mem *reserved, unsigned reserved_n,
		      struct plat_mem *out, unsigned max, uint64_t *top);
