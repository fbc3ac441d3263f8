/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uk_alloc table of an upstream allocator (uk.h). The table's functions call the allocator's own and count.
 *
 * Statistics: each object counts with its usable size, which the allocator tells the same at both ends of its life, so
 * cur_mem_use returns to where it was. The counters are atomic and belong to this way in: calls of malloc() itself are
 * a direct jump that nothing is added to.
 *
 * Contexts, sleeping, out of memory: the allocator's own, as uk/alloc.h says. Its objects may be given to free() and
 * back.
 */
#include "ports/uk.h"

#include "alloc/checked.h"
#include "lib/util.h"
#include "ports/heap.h"

struct port {
	const struct tutti_allocator *t; /* [I] */
	size_t overhead;		 /* [I] */
};

static struct port *port_of(struct uk_alloc *a)
{
	return (struct port *)a->priv;
}

static void *counted(struct uk_alloc *a, void *obj, size_t asked)
{
	uk_alloc_stats_count_alloc(a, obj, obj ? port_of(a)->t->usable_size(obj) : asked);
	return obj;
}

static void *port_malloc(struct uk_alloc *a, __sz size)
{
	return counted(a, port_of(a)->t->malloc(size), size);
}

static void *port_calloc(struct uk_alloc *a, __sz nmemb, __sz size)
{
	return counted(a, port_of(a)->t->calloc(nmemb, size), size);
}

static void port_free(struct uk_alloc *a, void *ptr)
{
	const struct tutti_allocator *t = port_of(a)->t;

	if (!ptr)
		return;
	uk_alloc_stats_count_free(a, ptr, t->usable_size(ptr));
	t->free(ptr);
}

static void *port_realloc(struct uk_alloc *a, void *ptr, __sz size)
{
	const struct tutti_allocator *t = port_of(a)->t;
	size_t old;
	void *obj;

	if (!ptr)
		return port_malloc(a, size);
	if (!size) {
		port_free(a, ptr);
		return NULL;
	}
	old = t->usable_size(ptr);
	obj = t->realloc(ptr, size);
	if (obj)
		uk_alloc_stats_count_free(a, obj, old);
	return counted(a, obj, size);
}

static int port_posix_memalign(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	void *obj = NULL;
	int err = port_of(a)->t->posix_memalign(&obj, align, size);

	if (err == EINVAL)
		return err;
	counted(a, err ? NULL : obj, size);
	if (!err)
		*memptr = obj;
	return err;
}

static void *port_memalign(struct uk_alloc *a, __sz align, __sz size)
{
	return counted(a, port_of(a)->t->memalign(align, size), size);
}

static __ssz port_availmem(struct uk_alloc *a)
{
	(void)a;
	return (__ssz)(heap_free_pages() << __PAGE_SHIFT);
}

static __ssz port_maxalloc(struct uk_alloc *a)
{
	size_t n = heap_free_pages() << __PAGE_SHIFT;

	return (__ssz)(n - MIN(n / 4, port_of(a)->overhead));
}

void port_uk_setup(struct uk_alloc *a, const struct tutti_allocator *t, size_t overhead, uk_alloc_addmem_func_t addmem)
{
	*port_of(a) = (struct port){ .t = allocator_checked(t), .overhead = overhead };
	uk_alloc_fill_malloc(a, port_malloc, port_calloc, port_realloc, port_free, port_posix_memalign, port_memalign,
			     port_maxalloc, port_availmem, addmem);
}

bool port_check_align(size_t align)
{
	if (align && !(align & (align - 1)))
		return true;
	errno = EINVAL;
	return false;
}
