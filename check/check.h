/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the rest of tutti tells the run-time checkers. In a build without CHECK all of it is empty. Any context, without locks or
 * memory, unless said otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* ---- race ---- */
#ifdef CONFIG_CHECK_RACE
/* Accesses are looked at from now on. Boot CPU, once, when plat_monotonic_ns() works and before another CPU runs. */
void check_start(void);
#else
static inline void check_start(void)
{
}
#endif

/* ---- memory ---- */
#ifdef CONFIG_CHECK_MEMORY
/*
 * [p, p + len) may be used from now on / is no memory until check_memory_give() names it again. `p` on a multiple of 8. For
 * frames, slab objects, stacks: the owner of the memory calls it, before it hands it out and after it took it back.
 */
void check_memory_give(const void *p, size_t len);
void check_memory_take(const void *p, size_t len);
/* A mapping of the application goes away or is made: nothing of what was there before counts. Page aligned. */
void check_memory_forget(uintptr_t start, size_t len);

/* The allocator behind the malloc entry stubs, for check_malloc() and its relatives. */
struct check_heap {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void (*free)(void *);
};
/* Once, before the first call of the following. */
void check_heap_init(const struct check_heap *h);

/* As the functions of the C library, with a margin of poisoned bytes around each block. Thread context, as the allocator's own. */
void *check_malloc(size_t n);
void *check_calloc(size_t m, size_t n);
void *check_realloc(void *p, size_t n);
void check_free(void *p);
int check_posix_memalign(void **p, size_t align, size_t n);
void *check_aligned_alloc(size_t align, size_t n);
void *check_memalign(size_t align, size_t n);
size_t check_usable_size(void *p);
#else
static inline void check_memory_give(const void *p, size_t len)
{
	(void)p;
	(void)len;
}

static inline void check_memory_take(const void *p, size_t len)
{
	(void)p;
	(void)len;
}

static inline void check_memory_forget(uintptr_t start, size_t len)
{
	(void)start;
	(void)len;
}
#endif
