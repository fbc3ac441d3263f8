/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator that can be chosen at boot. Each one places a `struct tutti_allocator` with TUTTI_ALLOCATOR(); the names are
 * what `tutti.alloc=` accepts. All functions: thread context with a complete libc TLS block, preemption on, may sleep,
 * any CPU at any time. No pointer from one allocator ever reaches another: one is chosen for the life of the machine.
 */
#pragma once

#include <stddef.h>

struct uk_alloc;

struct tutti_allocator {
	const char *name;
	const char *description;
	/* Boot CPU, address space is up, before any allocation and before libc starts: no TLS access. 0 or -errno. */
	int (*init)(void);
	struct uk_alloc *(*uk)(void); /* its table for the registry, after init */
	/* C library shaped entry points: targets of the malloc entry stubs. errno is set as POSIX and Linux say. */
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	size_t (*usable_size)(void *);
	void (*thread_exit)(void); /* may be NULL; every thread that allocated calls it before it ends */
};

#define TUTTI_ALLOCATOR(sym) \
	static const struct tutti_allocator *const sym##_entry __attribute__((used, section("tutti_allocators"))) = &sym

/* Chosen allocator by name; NULL: unknown. */
const struct tutti_allocator *allocator_find(const char *name);
/* Iterate all: i = 0, 1, ..; NULL at the end. */
const struct tutti_allocator *allocator_at(unsigned i);
/* Make it the one: init, register its uk_alloc first, write the malloc entry stubs (before mm_seal()). 0 or -errno. */
int allocator_choose(const struct tutti_allocator *a);
const struct tutti_allocator *allocator_chosen(void);
