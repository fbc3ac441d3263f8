/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocators behind one table. Names, arguments and meaning as in Unikraft 0.17 (uk/alloc.h); any CPU may call any of
 * it. `a` is a registered or initialised allocator. Only the forms without `do_` accept NULL for it.
 */
#pragma once

#include <stdbool.h>

#include <uk/arch/types.h>

/* A program sees libc's errno.h, the kernel (freestanding) its own numbers and the same errno. */
#if __STDC_HOSTED__
#include <errno.h>
#else
#include "lib/errno.h"
#ifndef errno
int *__errno_location(void) __attribute__((const));
#define errno (*__errno_location())
#endif
#endif

#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

struct uk_alloc;

/**
 * Every function below that says nothing else:
 * Context: thread with a libc TLS block, preemption on, no spin lock and no mm lock held; may sleep. Never an interrupt,
 *	a page fault or an RCU callback: those use pools (uk/allocpool.h) and frames
 * Locks: takes only the allocator's own
 * Ownership: the caller owns the object until it gives it back to the same allocator, from any thread
 * Errors: NULL with errno = ENOMEM where there is no memory, sizes that overflow included
 * Source: Unikraft 0.17, uk/alloc.h
 */

typedef void *(*uk_alloc_malloc_func_t)(struct uk_alloc *a, __sz size);
typedef void *(*uk_alloc_calloc_func_t)(struct uk_alloc *a, __sz nmemb, __sz size);
typedef int (*uk_alloc_posix_memalign_func_t)(struct uk_alloc *a, void **memptr, __sz align, __sz size);
typedef void *(*uk_alloc_memalign_func_t)(struct uk_alloc *a, __sz align, __sz size);
typedef void *(*uk_alloc_realloc_func_t)(struct uk_alloc *a, void *ptr, __sz size);
typedef void (*uk_alloc_free_func_t)(struct uk_alloc *a, void *ptr);
typedef void *(*uk_alloc_palloc_func_t)(struct uk_alloc *a, unsigned long num_pages);
typedef void (*uk_alloc_pfree_func_t)(struct uk_alloc *a, void *ptr, unsigned long num_pages);
typedef int (*uk_alloc_addmem_func_t)(struct uk_alloc *a, void *base, __sz size);
typedef __ssz (*uk_alloc_getsize_func_t)(struct uk_alloc *a);
typedef long (*uk_alloc_getpsize_func_t)(struct uk_alloc *a);

/* Each field is read and written as one relaxed atomic; a snapshot may show a call half counted. */
struct uk_alloc_stats {
	__sz last_alloc_size; /* size of the last satisfied request */
	__sz max_alloc_size;  /* largest and smallest satisfied request */
	__sz min_alloc_size;

	__u64 tot_nb_allocs; /* satisfied requests, and frees, so far */
	__u64 tot_nb_frees;
	__s64 cur_nb_allocs; /* live objects, now and at most */
	__s64 max_nb_allocs;

	__ssz cur_mem_use; /* bytes in live objects, now and at most */
	__ssz max_mem_use;

	__u64 nb_enomem; /* refused requests */
};

struct uk_alloc {
	uk_alloc_malloc_func_t malloc;
	uk_alloc_calloc_func_t calloc;
	uk_alloc_realloc_func_t realloc;
	uk_alloc_posix_memalign_func_t posix_memalign;
	uk_alloc_memalign_func_t memalign;
	uk_alloc_free_func_t free;

	/* of an allocator initialised with uk_alloc_init_malloc_ifmalloc() */
	uk_alloc_free_func_t free_backend;
	uk_alloc_malloc_func_t malloc_backend;

	uk_alloc_palloc_func_t palloc;
	uk_alloc_pfree_func_t pfree;
	/* optional (NULL: the query answers -ENOTSUP) */
	uk_alloc_getsize_func_t maxalloc;
	uk_alloc_getsize_func_t availmem;
	uk_alloc_getpsize_func_t pmaxalloc;
	uk_alloc_getpsize_func_t pavailmem;
	uk_alloc_addmem_func_t addmem;

	struct uk_alloc_stats _stats; /* [a] */

	struct uk_alloc *next; /* [a] set once, by uk_alloc_register() */
	__u8 priv[] __attribute__((aligned(16)));
};

extern struct uk_alloc *_uk_alloc_head; /* [a] */

/**
 * Registered allocators in order of registration; the one registered first, which is the one chosen at boot, or NULL
 * before there is one.
 * Context: any; does not sleep
 * Locks: none; the list only grows
 * Ownership: allocators on the list are there for ever
 * Errors: none
 */
#define uk_alloc_foreach(iter)                                                                                 \
	for ((iter) = __atomic_load_n(&_uk_alloc_head, __ATOMIC_ACQUIRE) /* pairs with uk_alloc_register() */; \
	     (iter) != __NULL; (iter) = __atomic_load_n(&(iter)->next, __ATOMIC_ACQUIRE))

/** Contract: as uk_alloc_foreach() */
static inline struct uk_alloc *uk_alloc_get_default(void)
{
	return __atomic_load_n(&_uk_alloc_head, __ATOMIC_ACQUIRE); /* pairs with uk_alloc_register() */
}

/* Uninitialised object of `size` bytes. What size 0 gives is the allocator's choice: NULL, or an object of its own. */
static inline void *uk_do_malloc(struct uk_alloc *a, __sz size)
{
	return a->malloc(a, size);
}

static inline void *uk_malloc(struct uk_alloc *a, __sz size)
{
	if (unlikely(!a)) {
		errno = ENOMEM;
		return __NULL;
	}
	return uk_do_malloc(a, size);
}

/* Zeroed array. A product that overflows is refused as no memory. */
static inline void *uk_do_calloc(struct uk_alloc *a, __sz nmemb, __sz size)
{
	return a->calloc(a, nmemb, size);
}

static inline void *uk_calloc(struct uk_alloc *a, __sz nmemb, __sz size)
{
	if (unlikely(!a)) {
		errno = ENOMEM;
		return __NULL;
	}
	return uk_do_calloc(a, nmemb, size);
}

#define uk_do_zalloc(a, size) uk_do_calloc((a), 1, (size))
#define uk_zalloc(a, size)    uk_calloc((a), 1, (size))

/* Object of the new size, old contents; NULL leaves the old one as it was. ptr NULL: malloc; size 0: free, NULL. */
static inline void *uk_do_realloc(struct uk_alloc *a, void *ptr, __sz size)
{
	return a->realloc(a, ptr, size);
}

static inline void *uk_realloc(struct uk_alloc *a, void *ptr, __sz size)
{
	if (unlikely(!a)) {
		errno = ENOMEM;
		return __NULL;
	}
	return uk_do_realloc(a, ptr, size);
}

/**
 * 0 and the object in *memptr, or an error with *memptr untouched. errno is not part of the result.
 * Context: as for uk_malloc(): thread, may sleep
 * Locks: takes only the allocator's own
 * Ownership: the caller owns the object until it gives it back to the same allocator
 * Errors: EINVAL (positive): alignment not a power of two or no multiple of a pointer's size; size 0 may count as one.
 *	ENOMEM: no memory
 */
static inline int uk_do_posix_memalign(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	return a->posix_memalign(a, memptr, align, size);
}

/** Contract: as uk_do_posix_memalign() */
static inline int uk_posix_memalign(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	if (unlikely(!a)) {
		*memptr = __NULL;
		return ENOMEM;
	}
	return uk_do_posix_memalign(a, memptr, align, size);
}

static inline void *uk_do_memalign(struct uk_alloc *a, __sz align, __sz size)
{
	return a->memalign(a, align, size);
}

static inline void *uk_memalign(struct uk_alloc *a, __sz align, __sz size)
{
	if (unlikely(!a)) {
		errno = ENOMEM;
		return __NULL;
	}
	return uk_do_memalign(a, align, size);
}

/**
 * Give an object back. NULL is nothing to free.
 * Context: as for uk_malloc(): thread, may sleep
 * Locks: takes only the allocator's own
 * Ownership: the object is the allocator's again; any thread may free what another one allocated
 * Errors: none; what is no object of this allocator may end the machine with a report
 */
static inline void uk_do_free(struct uk_alloc *a, void *ptr)
{
	a->free(a, ptr);
}

/** Contract: as uk_do_free() */
static inline void uk_free(struct uk_alloc *a, void *ptr)
{
	uk_do_free(a, ptr);
}

/* Whole pages, page aligned, uninitialised. The caller keeps the count for uk_pfree(). */
static inline void *uk_do_palloc(struct uk_alloc *a, unsigned long num_pages)
{
	return a->palloc(a, num_pages);
}

static inline void *uk_palloc(struct uk_alloc *a, unsigned long num_pages)
{
	if (unlikely(!a || !a->palloc)) {
		errno = ENOMEM;
		return __NULL;
	}
	return uk_do_palloc(a, num_pages);
}

/** Contract: as uk_do_free() */
static inline void uk_do_pfree(struct uk_alloc *a, void *ptr, unsigned long num_pages)
{
	a->pfree(a, ptr, num_pages);
}

/** Contract: as uk_do_free() */
static inline void uk_pfree(struct uk_alloc *a, void *ptr, unsigned long num_pages)
{
	uk_do_pfree(a, ptr, num_pages);
}

/**
 * Give memory to an allocator for ever: readable, writable and resident or charged, because touching it may not fail
 * any more. 0 or an error.
 * Context: as for uk_malloc(): thread, may sleep
 * Locks: takes only the allocator's own
 * Ownership: the memory is the allocator's for ever
 * Errors: -EINVAL: too small, or no memory there; -ENOMEM; -ENOTSUP: this allocator takes none
 */
static inline int uk_alloc_addmem(struct uk_alloc *a, void *base, __sz size)
{
	return a->addmem ? a->addmem(a, base, size) : -ENOTSUP;
}

/**
 * Biggest request that could be satisfied now, and memory available in all; bytes, or pages where the name says `p`.
 * Another thread may take it before the caller does.
 * Context: thread, preemption on
 * Locks: takes only the allocator's own
 * Ownership: none
 * Errors: -ENOTSUP: this allocator cannot tell
 */
static inline __ssz uk_alloc_maxalloc(struct uk_alloc *a)
{
	return a->maxalloc ? a->maxalloc(a) : (__ssz)-ENOTSUP;
}

/** Contract: as uk_alloc_maxalloc() */
static inline long uk_alloc_pmaxalloc(struct uk_alloc *a)
{
	return a->pmaxalloc ? a->pmaxalloc(a) : (long)-ENOTSUP;
}

/** Contract: as uk_alloc_maxalloc() */
static inline __ssz uk_alloc_availmem(struct uk_alloc *a)
{
	return a->availmem ? a->availmem(a) : (__ssz)-ENOTSUP;
}

/** Contract: as uk_alloc_maxalloc() */
static inline long uk_alloc_pavailmem(struct uk_alloc *a)
{
	return a->pavailmem ? a->pavailmem(a) : (long)-ENOTSUP;
}

/**
 * Over all registered allocators that can tell. Two that grow from the machine's free frames both count these.
 * Context: thread, preemption on
 * Locks: takes one allocator's own at a time
 * Ownership: none
 * Errors: none
 */
__sz uk_alloc_availmem_total(void);
unsigned long uk_alloc_pavailmem_total(void);

/**
 * Statistics of the calls made through the table (`uk_...`, and the malloc family where the allocator counts there:
 * region and buddy). An upstream allocator's malloc family is one direct jump and is not counted.
 * Context: any; does not sleep
 * Locks: none; each field is one relaxed read
 * Ownership: *dst is the caller's
 * Errors: none
 */
void uk_alloc_stats_get(struct uk_alloc *a, struct uk_alloc_stats *dst);
/**
 * All registered allocators together. Counts are sums; the two maxima are the sum of the allocators' own (exact while
 * one is in use, an upper bound otherwise).
 * Contract: as uk_alloc_stats_get()
 */
void uk_alloc_stats_get_global(struct uk_alloc_stats *dst);
