/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects of one size, carved from single frames (after Bonwick, "The Slab Allocator", USENIX 1994, without its
 * layers).
 *
 * A cache is a LIFO list of free objects, linked through their first word. When it is empty a frame is cut up; frames
 * are never given back, so the peak of a kind stays with it, and a stale pointer to an object always points to an
 * object of the same kind (the crash report relies on that).
 *
 * Lock: the cache's own, irq-safe; the frame locks are taken outside it. Any context. No frame left: NULL. A freed
 * object is checked to lie on an object boundary; more is the sanitizers' work.
 */
#include "mm/slab.h"

#include <stdint.h>

#include "check/check.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "plat/plat.h"

LOCK_CLASS(slab_class, "slab", 90, LOCK_IRQ, "free objects of one kind");

/* A free object is its link and nothing else. */
static inline void object_taken(struct slab_cache *c, void *obj)
{
	check_memory_take((void **)obj + 1, c->size - sizeof(void *));
}

static __noinline bool slab_grow_slow(struct slab_cache *c)
{
	paddr_t pa = frame_alloc(0, 0);
	unsigned long flags;
	char *page;

	UK_CHECK(c->size >= sizeof(void *) && c->size <= PAGE_SIZE / 2);
	if (pa == FRAME_NONE)
		return false;
	page = arch_phys_to_virt(pa);
	uk_spin_lock_irqsave(&c->lock, flags);
	for (size_t at = 0; at + c->size <= PAGE_SIZE; at += c->size) {
		*(void **)(page + at) = c->free;
		c->free = page + at;
		c->total++;
		object_taken(c, page + at);
	}
	uk_spin_unlock_irqrestore(&c->lock, flags);
	return true;
}

void *slab_alloc(struct slab_cache *c)
{
	for (;;) {
		unsigned long flags;
		void **obj;

		uk_spin_lock_irqsave(&c->lock, flags);
		obj = c->free;
		if (likely(obj)) {
			c->free = *obj;
			c->in_use++;
		}
		uk_spin_unlock_irqrestore(&c->lock, flags);
		if (likely(obj)) {
			check_memory_give(obj, c->size);
			return obj;
		}
		if (!slab_grow_slow(c))
			return NULL;
	}
}

void slab_free(struct slab_cache *c, void *obj)
{
	unsigned long flags;

	UK_CHECK(((uintptr_t)obj & (PAGE_SIZE - 1)) % c->size == 0);
	object_taken(c, obj);
	uk_spin_lock_irqsave(&c->lock, flags);
	*(void **)obj = c->free;
	c->free = obj;
	c->in_use--;
	uk_spin_unlock_irqrestore(&c->lock, flags);
}
