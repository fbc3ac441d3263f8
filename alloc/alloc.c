/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of allocators, their statistics, and the generic halves of an allocator's table.
 *
 * Objects: `struct uk_alloc` of any allocator; once on the list, for ever. The list is append-only: changes under
 * list.lock (leaf rank, nothing is taken inside), readers follow published next pointers without a lock (release in
 * uk_alloc_register(), acquire in uk_alloc_foreach()).
 *
 * ifpages objects lie in a run of whole pages of their own:
 *
 *	base                          object
 *	| header (32) |  ..padding..  | size bytes ..     | rest of the last page |
 *
 * The header is at the start of the page in which the object begins, or of the page before if the object begins on a
 * page boundary; so it is found from the object's address alone. It names the base and the number of pages of the run.
 * It is written and read by the owner of the object only, which is why none of this needs a lock.
 *
 * ifmalloc objects have a header of 16 bytes just below them: size and base of what malloc_backend gave.
 *
 * Context and out of memory: those of palloc or the backend underneath; every size is checked for overflow before use.
 */
#include <uk/alloc_impl.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

struct uk_alloc *_uk_alloc_head;

LOCK_CLASS(uk_alloc_list_class, "allocator list", 90, 0, "additions to the list of uk_alloc; reading takes no lock");

static struct {
	struct uk_spinlock lock; /* changes of the list */
} list = { SPINLOCK_INIT(&uk_alloc_list_class) };

int uk_alloc_register(struct uk_alloc *a)
{
	struct uk_alloc **link = &_uk_alloc_head;
	int err = 0;

	__atomic_store_n(&a->next, NULL, __ATOMIC_RELAXED);
	uk_spin_lock(&list.lock);
	for (; *link; link = &(*link)->next) {
		if (*link == a) {
			err = -EEXIST;
			break;
		}
	}
	if (!err)
		__atomic_store_n(link, a, __ATOMIC_RELEASE); /* pairs with the acquire in uk_alloc_foreach() */
	uk_spin_unlock(&list.lock);
	return err;
}

__sz uk_alloc_availmem_total(void)
{
	struct uk_alloc *a;
	__sz total = 0;

	uk_alloc_foreach(a) {
		__ssz n = uk_alloc_availmem(a);

		if (n > 0)
			total += (__sz)n;
	}
	return total;
}

unsigned long uk_alloc_pavailmem_total(void)
{
	struct uk_alloc *a;
	unsigned long total = 0;

	uk_alloc_foreach(a) {
		long n = uk_alloc_pavailmem(a);

		if (n > 0)
			total += (unsigned long)n;
	}
	return total;
}

/* ---- statistics ---- */

#define ADD(f, v) (__atomic_add_fetch(&(f), (v), __ATOMIC_RELAXED))

#define RAISE(f, v)                                                                                              \
	do {                                                                                                     \
		__typeof__(f) old_ = __atomic_load_n(&(f), __ATOMIC_RELAXED);                                    \
		while (old_ < (v) &&                                                                             \
		       !__atomic_compare_exchange_n(&(f), &old_, (v), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) \
			;                                                                                        \
	} while (0)

void _uk_alloc_stats_count_alloc(struct uk_alloc_stats *s, const void *ptr, __sz size)
{
	if (!ptr) {
		ADD(s->nb_enomem, 1);
		return;
	}
	ADD(s->tot_nb_allocs, 1);
	__s64 nb = ADD(s->cur_nb_allocs, 1);
	__ssz use = ADD(s->cur_mem_use, (__ssz)size);

	RAISE(s->max_nb_allocs, nb);
	RAISE(s->max_mem_use, use);
	RAISE(s->max_alloc_size, size);
	/* 0 stands for "none yet"; an allocation of no bytes leaves it so */
	__sz min = __atomic_load_n(&s->min_alloc_size, __ATOMIC_RELAXED);

	while ((min == 0 || size < min) &&
	       !__atomic_compare_exchange_n(&s->min_alloc_size, &min, size, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	uk_alloc_stat_set_(s->last_alloc_size, size);
}

void _uk_alloc_stats_count_free(struct uk_alloc_stats *s, const void *ptr, __sz size)
{
	if (!ptr)
		return;
	ADD(s->tot_nb_frees, 1);
	ADD(s->cur_nb_allocs, -1);
	ADD(s->cur_mem_use, -(__ssz)size);
}

void uk_alloc_stats_get(struct uk_alloc *a, struct uk_alloc_stats *dst)
{
	struct uk_alloc_stats *s = &a->_stats;

	dst->last_alloc_size = uk_alloc_stat_get_(s->last_alloc_size);
	dst->max_alloc_size = uk_alloc_stat_get_(s->max_alloc_size);
	dst->min_alloc_size = uk_alloc_stat_get_(s->min_alloc_size);
	dst->tot_nb_allocs = uk_alloc_stat_get_(s->tot_nb_allocs);
	dst->tot_nb_frees = uk_alloc_stat_get_(s->tot_nb_frees);
	dst->cur_nb_allocs = uk_alloc_stat_get_(s->cur_nb_allocs);
	dst->max_nb_allocs = uk_alloc_stat_get_(s->max_nb_allocs);
	dst->cur_mem_use = uk_alloc_stat_get_(s->cur_mem_use);
	dst->max_mem_use = uk_alloc_stat_get_(s->max_mem_use);
	dst->nb_enomem = uk_alloc_stat_get_(s->nb_enomem);
}

void uk_alloc_stats_get_global(struct uk_alloc_stats *dst)
{
	struct uk_alloc *a;
	struct uk_alloc_stats s;

	*dst = (struct uk_alloc_stats){ 0 };
	uk_alloc_foreach(a) {
		uk_alloc_stats_get(a, &s);
		if (s.tot_nb_allocs) {
			/* the default allocator comes first and has the last word unless it was never used */
			if (!dst->tot_nb_allocs)
				dst->last_alloc_size = s.last_alloc_size;
			if (!dst->tot_nb_allocs || s.min_alloc_size < dst->min_alloc_size)
				dst->min_alloc_size = s.min_alloc_size;
		}
		dst->max_alloc_size = MAX(dst->max_alloc_size, s.max_alloc_size);
		dst->tot_nb_allocs += s.tot_nb_allocs;
		dst->tot_nb_frees += s.tot_nb_frees;
		dst->cur_nb_allocs += s.cur_nb_allocs;
		dst->max_nb_allocs += s.max_nb_allocs;
		dst->cur_mem_use += s.cur_mem_use;
		dst->max_mem_use += s.max_mem_use;
		dst->nb_enomem += s.nb_enomem;
	}
}

/* ---- bytes over pages ---- */

#define IFPAGES_HEADER 32

struct header_ifpages {
	__sz size;		 /* as asked for */
	unsigned long num_pages; /* of the run */
	void *base;		 /* of the run */
	__sz magic;
};
_Static_assert(sizeof(struct header_ifpages) == IFPAGES_HEADER, "objects of malloc are aligned to it");

#define IFPAGES_MAGIC 0x7475747469706167ul

static struct header_ifpages *header_ifpages(const void *ptr)
{
	__uptr page = ALIGN_DOWN((__uptr)ptr, __PAGE_SIZE);
	struct header_ifpages *h = (struct header_ifpages *)(page == (__uptr)ptr ? page - __PAGE_SIZE : page);

	UK_CHECK(h->magic == (IFPAGES_MAGIC ^ (__uptr)ptr));
	return h;
}

/* Pages for `size` bytes; 0 if there cannot be so many. */
static unsigned long pages_of(__sz size)
{
	return size > (__sz)PTRDIFF_MAX ? 0 : (size + __PAGE_SIZE - 1) >> __PAGE_SHIFT;
}

static void header_set(struct header_ifpages *h, void *base, unsigned long num_pages, void *obj, __sz size)
{
	h->size = size;
	h->num_pages = num_pages;
	h->base = base;
	h->magic = IFPAGES_MAGIC ^ (__uptr)obj;
}

void *uk_malloc_ifpages(struct uk_alloc *a, __sz size)
{
	__sz real;
	unsigned long num_pages;
	char *base;

	if (!size)
		return NULL;
	if (__builtin_add_overflow(size, IFPAGES_HEADER, &real) || !(num_pages = pages_of(real))) {
		uk_alloc_stats_count_enomem(a, size);
		errno = ENOMEM;
		return NULL;
	}
	base = uk_do_palloc(a, num_pages);
	if (!base)
		return NULL;
	header_set((struct header_ifpages *)base, base, num_pages, base + IFPAGES_HEADER, size);
	return base + IFPAGES_HEADER;
}

void uk_free_ifpages(struct uk_alloc *a, void *ptr)
{
	struct header_ifpages *h;

	if (!ptr)
		return;
	h = header_ifpages(ptr);
	h->magic = 0;
	uk_do_pfree(a, h->base, h->num_pages);
}

__sz uk_usable_size_ifpages(const void *ptr)
{
	struct header_ifpages *h;

	if (!ptr)
		return 0;
	h = header_ifpages(ptr);
	return (__sz)h->base + h->num_pages * __PAGE_SIZE - (__sz)ptr;
}

void *uk_realloc_ifpages(struct uk_alloc *a, void *ptr, __sz size)
{
	void *obj;
	__sz old;

	if (!ptr)
		return uk_malloc_ifpages(a, size);
	if (!size) {
		uk_free_ifpages(a, ptr);
		return NULL;
	}
	old = uk_usable_size_ifpages(ptr);
	obj = uk_malloc_ifpages(a, size);
	if (!obj)
		return NULL;
	memcpy(obj, ptr, MIN(size, old));
	uk_free_ifpages(a, ptr);
	return obj;
}

int uk_posix_memalign_ifpages(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	__sz real;
	unsigned long num_pages;
	char *base, *obj;

	if (!align || (align & (align - 1)) || align % sizeof(void *) || !size)
		return EINVAL;
	align = MAX(align, (__sz)IFPAGES_HEADER);
	/*
	 * The object is the first aligned address with room for a header before it. Up to a page of alignment it is at
	 * most `align` bytes into the run, because the run begins on a page; above, up to `align` after the header's
	 * page.
	 */
	if (__builtin_add_overflow(size, align, &real) ||
	    (align > __PAGE_SIZE && __builtin_add_overflow(real, __PAGE_SIZE, &real)) ||
	    !(num_pages = pages_of(real))) {
		uk_alloc_stats_count_enomem(a, size);
		return ENOMEM;
	}
	base = uk_do_palloc(a, num_pages);
	if (!base)
		return ENOMEM;
	obj = (char *)ALIGN_UP((__uptr)base + IFPAGES_HEADER, align);

	__uptr page = ALIGN_DOWN((__uptr)obj, __PAGE_SIZE);

	header_set((struct header_ifpages *)(page == (__uptr)obj ? page - __PAGE_SIZE : page), base, num_pages, obj,
		   size);
	*memptr = obj;
	return 0;
}

__ssz uk_alloc_maxalloc_ifpages(struct uk_alloc *a)
{
	long n = uk_alloc_pmaxalloc(a);

	if (n <= 0)
		return n;
	return ((__ssz)n << __PAGE_SHIFT) - IFPAGES_HEADER;
}

__ssz uk_alloc_availmem_ifpages(struct uk_alloc *a)
{
	long n = uk_alloc_pavailmem(a);

	return n < 0 ? n : (__ssz)n << __PAGE_SHIFT;
}

/* ---- everything over a bare malloc ---- */

struct header_ifmalloc {
	__sz size; /* of the backend's object */
	void *base;
};
#define IFMALLOC_HEADER 16
_Static_assert(sizeof(struct header_ifmalloc) == IFMALLOC_HEADER, "");

static struct header_ifmalloc *header_ifmalloc(const void *ptr)
{
	return (struct header_ifmalloc *)((__uptr)ptr - IFMALLOC_HEADER);
}

void uk_free_ifmalloc(struct uk_alloc *a, void *ptr)
{
	if (ptr)
		a->free_backend(a, header_ifmalloc(ptr)->base);
}

void *uk_malloc_ifmalloc(struct uk_alloc *a, __sz size)
{
	__sz real;
	struct header_ifmalloc *h;

	if (__builtin_add_overflow(size, IFMALLOC_HEADER, &real) || real > (__sz)PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	h = a->malloc_backend(a, real);
	if (!h)
		return NULL;
	h->size = real;
	h->base = h;
	return h + 1;
}

void *uk_realloc_ifmalloc(struct uk_alloc *a, void *ptr, __sz size)
{
	struct header_ifmalloc *h;
	void *obj;

	if (!ptr)
		return uk_malloc_ifmalloc(a, size);
	if (!size) {
		uk_free_ifmalloc(a, ptr);
		return NULL;
	}
	obj = uk_malloc_ifmalloc(a, size);
	if (!obj)
		return NULL;
	h = header_ifmalloc(ptr);
	memcpy(obj, ptr, MIN(size, (__sz)h->base + h->size - (__sz)ptr));
	uk_free_ifmalloc(a, ptr);
	return obj;
}

int uk_posix_memalign_ifmalloc(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	__sz real;
	char *base, *obj;

	if (!align || (align & (align - 1)) || align % sizeof(void *) || !size)
		return EINVAL;
	align = MAX(align, (__sz)IFMALLOC_HEADER);
	if (__builtin_add_overflow(size, align, &real) || __builtin_add_overflow(real, IFMALLOC_HEADER, &real) ||
	    real > (__sz)PTRDIFF_MAX)
		return ENOMEM;
	base = a->malloc_backend(a, real);
	if (!base)
		return ENOMEM;
	obj = (char *)ALIGN_UP((__uptr)base + IFMALLOC_HEADER, align);
	*header_ifmalloc(obj) = (struct header_ifmalloc){ .size = real, .base = base };
	*memptr = obj;
	return 0;
}

/* ---- fallbacks ---- */

void *uk_calloc_compat(struct uk_alloc *a, __sz num, __sz len)
{
	__sz total;
	void *obj;

	if (__builtin_mul_overflow(num, len, &total)) {
		uk_alloc_stats_count_enomem(a, SIZE_MAX);
		errno = ENOMEM;
		return NULL;
	}
	obj = uk_do_malloc(a, total);
	if (obj)
		memset(obj, 0, total);
	return obj;
}

void *uk_realloc_compat(struct uk_alloc *a, void *ptr, __sz size)
{
	void *obj;

	if (!ptr)
		return uk_do_malloc(a, size);
	if (!size) {
		uk_do_free(a, ptr);
		return NULL;
	}
	obj = uk_do_malloc(a, size);
	if (!obj)
		return NULL;
	memcpy(obj, ptr, size);
	uk_do_free(a, ptr);
	return obj;
}

void *uk_memalign_compat(struct uk_alloc *a, __sz align, __sz len)
{
	void *obj;
	int err;

	/* memalign takes any power of two, posix_memalign none below a pointer's size */
	if (align && align < sizeof(void *) && !(align & (align - 1)))
		align = sizeof(void *);
	err = uk_do_posix_memalign(a, &obj, align, len);
	if (err) {
		errno = err;
		return NULL;
	}
	return obj;
}

void *uk_palloc_compat(struct uk_alloc *a, unsigned long num_pages)
{
	void *obj;
	__sz size;
	int err = ENOMEM;

	if (__builtin_mul_overflow(num_pages, __PAGE_SIZE, &size) ||
	    (err = uk_do_posix_memalign(a, &obj, __PAGE_SIZE, size))) {
		errno = err;
		return NULL;
	}
	return obj;
}

void uk_pfree_compat(struct uk_alloc *a, void *ptr, unsigned long num_pages)
{
	(void)num_pages;
	UK_CHECK(IS_ALIGNED((__uptr)ptr, __PAGE_SIZE));
	uk_do_free(a, ptr);
}

long uk_alloc_pavailmem_compat(struct uk_alloc *a)
{
	__ssz n = uk_alloc_availmem(a);

	return n < 0 ? n : n >> __PAGE_SHIFT;
}

long uk_alloc_pmaxalloc_compat(struct uk_alloc *a)
{
	__ssz n = uk_alloc_maxalloc(a);

	return n < 0 ? n : n >> __PAGE_SHIFT;
}
