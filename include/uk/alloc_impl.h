/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For allocators only: registration, the generic halves of the table, statistics. Names and meaning as in Unikraft 0.17
 * (uk/alloc_impl.h).
 */
#pragma once

#include <uk/alloc.h>

/**
 * Every function below that says nothing else:
 * Context: that of the table's functions it is built on (uk/alloc.h): thread, may sleep
 * Locks: none of its own
 * Ownership: as the table's function of that name
 * Errors: as the table's function of that name: NULL and errno = ENOMEM, or an error number
 * Source: Unikraft 0.17, uk/alloc_impl.h
 */

/**
 * Add to the list. The first one becomes the default.
 * Context: any; does not sleep
 * Locks: the list's spin lock
 * Ownership: `a` stays on the list for ever, and so must its memory
 * Errors: -EEXIST: it is there already
 */
int uk_alloc_register(struct uk_alloc *a);

/*
 * Byte interface over palloc and pfree. Each object begins 32 bytes (the header: base, pages, size) after a page
 * start, or at its alignment, and takes whole pages: 8 bytes cost one page, and a request of exactly 2^n bytes (4096
 * and above) needs one page more, hence on a binary buddy the next power of two: 1 GiB takes 2 GiB. Alignment of
 * malloc is 32. malloc of 0 bytes gives NULL; posix_memalign of 0 bytes EINVAL. Sizes that overflow give no memory.
 */
void *uk_malloc_ifpages(struct uk_alloc *a, __sz size);
void *uk_realloc_ifpages(struct uk_alloc *a, void *ptr, __sz size);
int uk_posix_memalign_ifpages(struct uk_alloc *a, void **memptr, __sz align, __sz size);
void uk_free_ifpages(struct uk_alloc *a, void *ptr);
__ssz uk_alloc_availmem_ifpages(struct uk_alloc *a);
/* Largest n that uk_malloc_ifpages(n) could satisfy: pmaxalloc pages less the header. */
__ssz uk_alloc_maxalloc_ifpages(struct uk_alloc *a);
/* Bytes of the object that may be used, at least what was asked for. Not in Unikraft. */
__sz uk_usable_size_ifpages(const void *ptr);

/* posix_memalign and realloc over a bare malloc and free (malloc_backend, free_backend), with a 16-byte header. */
void *uk_malloc_ifmalloc(struct uk_alloc *a, __sz size);
void *uk_realloc_ifmalloc(struct uk_alloc *a, void *ptr, __sz size);
int uk_posix_memalign_ifmalloc(struct uk_alloc *a, void **memptr, __sz align, __sz size);
void uk_free_ifmalloc(struct uk_alloc *a, void *ptr);

/*
 * Fallbacks over malloc, free, posix_memalign, availmem and maxalloc of the table. uk_realloc_compat cannot know the
 * old size and copies `size` bytes: only for allocators where reading past the end of an object is harmless.
 */
void *uk_calloc_compat(struct uk_alloc *a, __sz num, __sz len);
void *uk_realloc_compat(struct uk_alloc *a, void *ptr, __sz size);
void *uk_memalign_compat(struct uk_alloc *a, __sz align, __sz len);
void *uk_palloc_compat(struct uk_alloc *a, unsigned long num_pages);
void uk_pfree_compat(struct uk_alloc *a, void *ptr, unsigned long num_pages);
long uk_alloc_pavailmem_compat(struct uk_alloc *a);
long uk_alloc_pmaxalloc_compat(struct uk_alloc *a);

/*
 * Statistics. The uk_alloc_stats_count_* macros may be used by any thread on any CPU at once. An allocator that counts
 * under its own lock uses the _locked functions: the same with plain loads and stores.
 */
void _uk_alloc_stats_count_alloc(struct uk_alloc_stats *s, const void *ptr, __sz size);
void _uk_alloc_stats_count_free(struct uk_alloc_stats *s, const void *ptr, __sz size);

#define uk_alloc_stat_get_(f)	 __atomic_load_n(&(f), __ATOMIC_RELAXED)
#define uk_alloc_stat_set_(f, v) __atomic_store_n(&(f), (v), __ATOMIC_RELAXED)

/**
 * The same for an allocator that counts under its own lock: plain loads and stores.
 * Context: any; does not sleep
 * Locks: the caller holds the lock that serializes all changes of `s`
 * Ownership: none
 * Errors: none
 */
static inline void uk_alloc_stats_alloc_locked(struct uk_alloc_stats *s, __sz size)
{
	__s64 nb = s->cur_nb_allocs + 1;
	__ssz use = s->cur_mem_use + (__ssz)size;

	uk_alloc_stat_set_(s->tot_nb_allocs, s->tot_nb_allocs + 1);
	uk_alloc_stat_set_(s->cur_nb_allocs, nb);
	uk_alloc_stat_set_(s->cur_mem_use, use);
	uk_alloc_stat_set_(s->last_alloc_size, size);
	if (nb > s->max_nb_allocs)
		uk_alloc_stat_set_(s->max_nb_allocs, nb);
	if (use > s->max_mem_use)
		uk_alloc_stat_set_(s->max_mem_use, use);
	if (size > s->max_alloc_size)
		uk_alloc_stat_set_(s->max_alloc_size, size);
	if (s->tot_nb_allocs == 1 || size < s->min_alloc_size)
		uk_alloc_stat_set_(s->min_alloc_size, size);
}

/** Contract: as uk_alloc_stats_alloc_locked() */
static inline void uk_alloc_stats_free_locked(struct uk_alloc_stats *s, __sz size)
{
	uk_alloc_stat_set_(s->tot_nb_frees, s->tot_nb_frees + 1);
	uk_alloc_stat_set_(s->cur_nb_allocs, s->cur_nb_allocs - 1);
	uk_alloc_stat_set_(s->cur_mem_use, s->cur_mem_use - (__ssz)size);
}

/** Contract: as uk_alloc_stats_alloc_locked() */
static inline void uk_alloc_stats_enomem_locked(struct uk_alloc_stats *s)
{
	uk_alloc_stat_set_(s->nb_enomem, s->nb_enomem + 1);
}

/**
 * Count one call. For allocations ptr NULL counts as refused; for frees it counts nothing.
 * Context: any; does not sleep; any thread on any CPU at once
 * Locks: none; each field is a relaxed atomic
 * Ownership: none
 * Errors: none
 */
#define uk_alloc_stats_count_alloc(a, ptr, size) _uk_alloc_stats_count_alloc(&(a)->_stats, (ptr), (size))
#define uk_alloc_stats_count_palloc(a, ptr, num_pages) \
	uk_alloc_stats_count_alloc((a), (ptr), ((__sz)(num_pages)) << __PAGE_SHIFT)
#define uk_alloc_stats_count_enomem(a, size)	      uk_alloc_stats_count_alloc((a), __NULL, (size))
#define uk_alloc_stats_count_penomem(a, num_pages)    uk_alloc_stats_count_enomem((a), ((__sz)(num_pages)) << __PAGE_SHIFT)
#define uk_alloc_stats_count_free(a, ptr, freed_size) _uk_alloc_stats_count_free(&(a)->_stats, (ptr), (freed_size))
#define uk_alloc_stats_count_pfree(a, ptr, num_pages) \
	uk_alloc_stats_count_free((a), (ptr), ((__sz)(num_pages)) << __PAGE_SHIFT)
#define uk_alloc_stats_reset(a) ((void)((a)->_stats = (struct uk_alloc_stats){ 0 }))

/**
 * Fill the table: for allocators that come and go (pools) or that are registered later by the boot choice (not in
 * Unikraft), and, the `init` forms, register it as well.
 * Context: any; does not sleep; nobody else uses `a` yet
 * Locks: none; the `init` forms take the list's spin lock
 * Ownership: `a` is the caller's; once registered it stays for ever
 * Errors: none
 */
#define uk_alloc_fill_common_(a, palloc_f, pfree_f, availmem_f, pavailmem_f, maxalloc_f, pmaxalloc_f, addmem_f) \
	do {                                                                                                    \
		(a)->palloc = (palloc_f);                                                                       \
		(a)->pfree = (pfree_f);                                                                         \
		(a)->availmem = (availmem_f);                                                                   \
		(a)->pavailmem = (pavailmem_f);                                                                 \
		(a)->maxalloc = (maxalloc_f);                                                                   \
		(a)->pmaxalloc = (pmaxalloc_f);                                                                 \
		(a)->addmem = (addmem_f);                                                                       \
		(a)->next = __NULL;                                                                             \
		uk_alloc_stats_reset(a);                                                                        \
	} while (0)

#define uk_alloc_fill_malloc(a, malloc_f, calloc_f, realloc_f, free_f, posix_memalign_f, memalign_f, maxalloc_f, \
			     availmem_f, addmem_f)                                                               \
	do {                                                                                                     \
		(a)->malloc = (malloc_f);                                                                        \
		(a)->calloc = (calloc_f);                                                                        \
		(a)->realloc = (realloc_f);                                                                      \
		(a)->posix_memalign = (posix_memalign_f);                                                        \
		(a)->memalign = (memalign_f);                                                                    \
		(a)->free = (free_f);                                                                            \
		(a)->malloc_backend = __NULL;                                                                    \
		(a)->free_backend = __NULL;                                                                      \
		uk_alloc_fill_common_(a, uk_palloc_compat, uk_pfree_compat, availmem_f,                          \
				      (availmem_f) != __NULL ? uk_alloc_pavailmem_compat : __NULL, maxalloc_f,   \
				      (maxalloc_f) != __NULL ? uk_alloc_pmaxalloc_compat : __NULL, addmem_f);    \
	} while (0)

/** Contract: as uk_alloc_fill_malloc() */
#define uk_alloc_fill_palloc(a, palloc_f, pfree_f, pmaxalloc_f, pavailmem_f, addmem_f)                           \
	do {                                                                                                     \
		(a)->malloc = uk_malloc_ifpages;                                                                 \
		(a)->calloc = uk_calloc_compat;                                                                  \
		(a)->realloc = uk_realloc_ifpages;                                                               \
		(a)->posix_memalign = uk_posix_memalign_ifpages;                                                 \
		(a)->memalign = uk_memalign_compat;                                                              \
		(a)->free = uk_free_ifpages;                                                                     \
		(a)->malloc_backend = __NULL;                                                                    \
		(a)->free_backend = __NULL;                                                                      \
		uk_alloc_fill_common_(a, palloc_f, pfree_f,                                                      \
				      (pavailmem_f) != __NULL ? uk_alloc_availmem_ifpages : __NULL, pavailmem_f, \
				      (pmaxalloc_f) != __NULL ? uk_alloc_maxalloc_ifpages : __NULL, pmaxalloc_f, \
				      addmem_f);                                                                 \
	} while (0)

/**
 * An allocator without page functions of its own.
 * Contract: as uk_alloc_fill_malloc()
 */
#define uk_alloc_init_malloc(a, malloc_f, calloc_f, realloc_f, free_f, posix_memalign_f, memalign_f, maxalloc_f, \
			     availmem_f, addmem_f)                                                               \
	do {                                                                                                     \
		uk_alloc_fill_malloc(a, malloc_f, calloc_f, realloc_f, free_f, posix_memalign_f, memalign_f,     \
				     maxalloc_f, availmem_f, addmem_f);                                          \
		uk_alloc_register(a);                                                                            \
	} while (0)

/**
 * An allocator that has malloc and free only.
 * Contract: as uk_alloc_fill_malloc()
 */
#define uk_alloc_init_malloc_ifmalloc(a, malloc_f, free_f, maxalloc_f, availmem_f, addmem_f)                         \
	do {                                                                                                         \
		uk_alloc_fill_malloc(a, uk_malloc_ifmalloc, uk_calloc_compat, uk_realloc_ifmalloc, uk_free_ifmalloc, \
				     uk_posix_memalign_ifmalloc, uk_memalign_compat, maxalloc_f, availmem_f,         \
				     addmem_f);                                                                      \
		(a)->malloc_backend = (malloc_f);                                                                    \
		(a)->free_backend = (free_f);                                                                        \
		uk_alloc_register(a);                                                                                \
	} while (0)

/**
 * An allocator that has page functions only.
 * Contract: as uk_alloc_fill_malloc()
 */
#define uk_alloc_init_palloc(a, palloc_func, pfree_func, pmaxalloc_func, pavailmem_func, addmem_func)          \
	do {                                                                                                   \
		uk_alloc_fill_palloc(a, palloc_func, pfree_func, pmaxalloc_func, pavailmem_func, addmem_func); \
		uk_alloc_register(a);                                                                          \
	} while (0)
