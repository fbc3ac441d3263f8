/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two directions between the C library's shape of an allocator and uk_alloc's.
 */
#pragma once

#include <uk/alloc_impl.h>

#include "alloc/allocator.h"

/*
 * uk_alloc table over an upstream allocator's C functions. `a` needs room for a pointer in priv. Counts statistics
 * with usable sizes. availmem and maxalloc: what the machine has left for heaps, the latter less a quarter but at most
 * `overhead` bytes: what the allocator's largest block takes besides itself.
 */
void port_uk_setup(struct uk_alloc *a, const struct tutti_allocator *t, size_t overhead, uk_alloc_addmem_func_t addmem);

/* Alignment for aligned_alloc and memalign: a power of two. Else EINVAL in errno and false. */
bool port_check_align(size_t align);

/*
 * C functions over a table, for the allocators that are uk_allocs by birth. POSIX wants an object (or NULL) for size 0
 * and an unchanged object never freed by realloc(p, 0): size 0 counts as 1 here. Defines PREFIX_malloc, _calloc ...
 * for the allocator expression A; static.
 */
#define PORT_C_OVER_UK(prefix, A)                                                              \
	static void *prefix##_malloc(size_t n)                                                 \
	{                                                                                      \
		return uk_do_malloc((A), n ? n : 1);                                           \
	}                                                                                      \
	static void *prefix##_calloc(size_t m, size_t n)                                       \
	{                                                                                      \
		return m && n ? uk_do_calloc((A), m, n) : uk_do_calloc((A), 1, 1);             \
	}                                                                                      \
	static void *prefix##_realloc(void *p, size_t n)                                       \
	{                                                                                      \
		return uk_do_realloc((A), p, n ? n : 1);                                       \
	}                                                                                      \
	static void prefix##_free(void *p)                                                     \
	{                                                                                      \
		uk_do_free((A), p);                                                            \
	}                                                                                      \
	static int prefix##_posix_memalign(void **p, size_t align, size_t n)                   \
	{                                                                                      \
		return uk_do_posix_memalign((A), p, align, n ? n : 1);                         \
	}                                                                                      \
	static void *prefix##_aligned_alloc(size_t align, size_t n)                            \
	{                                                                                      \
		return port_check_align(align) ? uk_do_memalign((A), align, n ? n : 1) : NULL; \
	}
