/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pool of equal objects.
 *
 *	base
 *	| struct uk_allocpool | padding | object 0 | object 1 | ...
 *
 * A free object's first word is the link to the next one; all free objects are on one LIFO list. Invariants:
 * free_count objects are on the list; all of them lie in [objs, objs + count * len) at multiples of len (checked on
 * every return, in all builds).
 *
 * Concurrency: `lock`, irq-safe, leaf rank, a few instructions (a batch: that many links). Contexts: any, provided the
 * memory is resident; alloc and free of a whole pool: the parent's. Out of memory: NULL (take) or NULL and ENOMEM
 * (uk_alloc view).
 */
#include <uk/alloc_impl.h>
#include <uk/allocpool.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

struct free_obj {
	struct free_obj *next;
};

LOCK_CLASS(pool_class, "pool", 90, LOCK_IRQ, "free objects of a uk_allocpool");

struct uk_allocpool {
	struct uk_alloc self;
	struct uk_spinlock lock;
	struct free_obj *free;	 /* [lock] */
	unsigned int free_count; /* [lock] read without it as a hint */
	unsigned int count;	 /* [I] */
	__sz len;		 /* [I] of an object, a multiple of align */
	__sz align;		 /* [I] */
	__uptr objs;		 /* [I] address of object 0 */
	struct uk_alloc *parent; /* [I] NULL: memory is the caller's */
	void *base;		 /* [I] */
};

#define MIN_ALIGN sizeof(void *)
#define MIN_LEN	  (2 * sizeof(void *))

static struct uk_allocpool *pool_of(struct uk_alloc *a)
{
	return container_of(a, struct uk_allocpool, self);
}

struct uk_alloc *uk_allocpool2ukalloc(struct uk_allocpool *p)
{
	return &p->self;
}

static void *take_locked(struct uk_allocpool *p) REQUIRES(p->lock);
static void *take_locked(struct uk_allocpool *p)
{
	struct free_obj *o = p->free;

	uk_spin_assert_held(&p->lock);
	if (!o)
		return NULL;
	p->free = o->next;
	uk_alloc_stat_set_(p->free_count, p->free_count - 1);
	uk_alloc_stats_alloc_locked(&p->self._stats, p->len);
	return o;
}

static void check_object(struct uk_allocpool *p, void *obj)
{
	__uptr off = (__uptr)obj - p->objs;

	UK_CHECK(off < p->count * p->len && off % p->len == 0);
}

static void put_locked(struct uk_allocpool *p, void *obj) REQUIRES(p->lock);
static void put_locked(struct uk_allocpool *p, void *obj)
{
	struct free_obj *o = obj;

	uk_spin_assert_held(&p->lock);
	UK_CHECK(p->free_count < p->count);
	o->next = p->free;
	p->free = o;
	uk_alloc_stat_set_(p->free_count, p->free_count + 1);
	uk_alloc_stats_free_locked(&p->self._stats, p->len);
}

void *uk_allocpool_take(struct uk_allocpool *p)
{
	unsigned long flags;
	void *obj;

	uk_spin_lock_irqsave(&p->lock, flags);
	obj = take_locked(p);
	if (!obj)
		uk_alloc_stats_enomem_locked(&p->self._stats);
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return obj;
}

unsigned int uk_allocpool_take_batch(struct uk_allocpool *p, void *obj[], unsigned int count)
{
	unsigned long flags;
	unsigned int n;

	uk_spin_lock_irqsave(&p->lock, flags);
	for (n = 0; n < count; n++) {
		obj[n] = take_locked(p);
		if (!obj[n])
			break;
	}
	if (!n && count)
		uk_alloc_stats_enomem_locked(&p->self._stats);
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return n;
}

void uk_allocpool_return(struct uk_allocpool *p, void *obj)
{
	unsigned long flags;

	check_object(p, obj);
	uk_spin_lock_irqsave(&p->lock, flags);
	put_locked(p, obj);
	uk_spin_unlock_irqrestore(&p->lock, flags);
}

void uk_allocpool_return_batch(struct uk_allocpool *p, void *obj[], unsigned int count)
{
	unsigned long flags;

	for (unsigned int i = 0; i < count; i++)
		check_object(p, obj[i]);
	uk_spin_lock_irqsave(&p->lock, flags);
	for (unsigned int i = 0; i < count; i++)
		put_locked(p, obj[i]);
	uk_spin_unlock_irqrestore(&p->lock, flags);
}

unsigned int uk_allocpool_availcount(struct uk_allocpool *p)
{
	return uk_alloc_stat_get_(p->free_count);
}

__sz uk_allocpool_objlen(struct uk_allocpool *p)
{
	return p->len;
}

/* ---- as an allocator ---- */

static void *pool_get(struct uk_alloc *a, __sz align, __sz size)
{
	struct uk_allocpool *p = pool_of(a);

	if (size > p->len || align > p->align) {
		uk_alloc_stats_count_enomem(a, size);
		return NULL;
	}
	return uk_allocpool_take(p);
}

static void *pool_malloc(struct uk_alloc *a, __sz size)
{
	void *obj = pool_get(a, 1, size);

	if (!obj)
		errno = ENOMEM;
	return obj;
}

static void pool_free(struct uk_alloc *a, void *ptr)
{
	if (ptr)
		uk_allocpool_return(pool_of(a), ptr);
}

static void *pool_realloc(struct uk_alloc *a, void *ptr, __sz size)
{
	if (!ptr)
		return pool_malloc(a, size);
	if (!size) {
		pool_free(a, ptr);
		return NULL;
	}
	if (size <= pool_of(a)->len)
		return ptr;
	uk_alloc_stats_count_enomem(a, size);
	errno = ENOMEM;
	return NULL;
}

static int pool_posix_memalign(struct uk_alloc *a, void **memptr, __sz align, __sz size)
{
	void *obj;

	if (!align || (align & (align - 1)) || align % sizeof(void *))
		return EINVAL;
	obj = pool_get(a, align, size);
	if (!obj)
		return ENOMEM;
	*memptr = obj;
	return 0;
}

static __ssz pool_availmem(struct uk_alloc *a)
{
	struct uk_allocpool *p = pool_of(a);

	return (__ssz)(uk_allocpool_availcount(p) * p->len);
}

static __ssz pool_maxalloc(struct uk_alloc *a)
{
	struct uk_allocpool *p = pool_of(a);

	return uk_allocpool_availcount(p) ? (__ssz)p->len : 0;
}

/* ---- the pool itself ---- */

/* Alignment and rounded length of an object; false: overflow. */
static bool geometry(__sz *len, __sz *align)
{
	UK_CHECK(*align && !(*align & (*align - 1)));
	*align = MAX(*align, MIN_ALIGN);
	*len = MAX(*len, MIN_LEN);
	if (__builtin_add_overflow(*len, *align - 1, len))
		return false;
	*len = ALIGN_DOWN(*len, *align);
	return true;
}

__sz uk_allocpool_reqmem(unsigned int obj_count, __sz obj_len, __sz obj_align)
{
	__sz total;

	/* base may be anything: up to 15 bytes to place the head, up to an alignment to place the objects */
	if (!geometry(&obj_len, &obj_align) || __builtin_mul_overflow((__sz)obj_count, obj_len, &total) ||
	    __builtin_add_overflow(total, obj_align + 16 + sizeof(struct uk_allocpool), &total))
		return SIZE_MAX;
	return total;
}

struct uk_allocpool *uk_allocpool_init(void *base, __sz len, __sz obj_len, __sz obj_align)
{
	__uptr start = ALIGN_UP((__uptr)base, 16ul), end, objs;
	struct uk_allocpool *p = (struct uk_allocpool *)start;

	if (!base || !geometry(&obj_len, &obj_align) || __builtin_add_overflow((__uptr)base, len, &end) ||
	    end < start || end - start < sizeof(*p)) {
		errno = ENOSPC;
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	spin_init_class(&p->lock, &pool_class);
	p->base = base;
	p->len = obj_len;
	p->align = obj_align;
	if (!__builtin_add_overflow(start + sizeof(*p), obj_align - 1, &objs)) {
		p->objs = ALIGN_DOWN(objs, obj_align);
		if (p->objs < end)
			p->count = (unsigned int)MIN((end - p->objs) / obj_len, (__sz)UINT32_MAX);
	}
	/* so that the first object is taken first */
	for (unsigned int i = p->count; i-- > 0;) {
		struct free_obj *o = (struct free_obj *)(p->objs + i * obj_len);

		o->next = p->free;
		p->free = o;
	}
	p->free_count = p->count;
	uk_alloc_fill_malloc(&p->self, pool_malloc, uk_calloc_compat, pool_realloc, pool_free, pool_posix_memalign,
			     uk_memalign_compat, pool_maxalloc, pool_availmem, NULL);
	return p;
}

struct uk_allocpool *uk_allocpool_alloc(struct uk_alloc *parent, unsigned int obj_count, __sz obj_len, __sz obj_align)
{
	__sz len = uk_allocpool_reqmem(obj_count, obj_len, obj_align);
	struct uk_allocpool *p;
	void *base = uk_malloc(parent, len);

	if (!base)
		return NULL;
	p = uk_allocpool_init(base, len, obj_len, obj_align);
	UK_CHECK(p && p->count >= obj_count);
	p->parent = parent;
	return p;
}

void uk_allocpool_free(struct uk_allocpool *p)
{
	UK_CHECK(p->parent && p->free_count == p->count);
	uk_free(p->parent, p->base);
}
