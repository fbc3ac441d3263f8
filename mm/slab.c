/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects of one size, carved from single frames (after Bonwick, "The Slab Allocator", USENIX 1994, without its
 * layers).
 *
 * A cache is a LIFO list of free objects, linked through their first word. When it is empty a frame is cut up; frames
 * are never given back, so the peak of a kind stays with it, and a stale pointer to an object always points to an
 * object of the same kind (the crash report relies on that).
 *
 * A cache may have a short list per CPU in front (struct slab_cpu): at most SLAB_PER_CPU objects each, which count as in use.
 * When no frame is left the lists of the other CPUs are looked through, so that nothing is out of reach.
 *
 * Locks: the cache's own and those of the lists, irq-safe, never two at once; the frame locks are taken outside them. Any context. No frame left: NULL. A freed
 * object is checked to lie on an object boundary; more is the sanitizers' work.
 */
#include "mm/slab.h"

#include <stdint.h>

#include "check/check.h"
#include "config.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "plat/plat.h"
#include "sync/percpu.h"

LOCK_CLASS(slab_class, "slab", 90, LOCK_IRQ, "free objects of one kind");
LOCK_CLASS(slab_cpu_class, "slab CPU list", 90, LOCK_IRQ, "free objects of one kind and CPU");

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

/* The CPU's latest object, or NULL. Any CPU's list: its owner is the usual caller. */
static void *cpu_pop(struct slab_cpu *list)
{
	unsigned long flags;
	void **obj;

	uk_spin_lock_irqsave(&list->lock, flags);
	obj = list->free;
	if (obj) {
		list->free = *obj;
		list->count--;
	}
	uk_spin_unlock_irqrestore(&list->lock, flags);
	return obj;
}

/* False: full. */
static bool cpu_push(struct slab_cpu *list, void **obj)
{
	unsigned long flags;
	bool room;

	uk_spin_lock_irqsave(&list->lock, flags);
	room = list->count < SLAB_PER_CPU;
	if (room) {
		*obj = list->free;
		list->free = obj;
		list->count++;
	}
	uk_spin_unlock_irqrestore(&list->lock, flags);
	return room;
}

/* Out of memory: what other CPUs have set aside. */
static __noinline void *cpus_pop_slow(struct slab_cache *c)
{
	void *obj = NULL;

	for (unsigned cpu = 0; c->cpus && cpu < CONFIG_MAX_CPUS && !obj; cpu++)
		obj = cpu_pop(&c->cpus[cpu]);
	return obj;
}

/* The CPU may be another one by the time its list is locked: no harm. */
static inline struct slab_cpu *own_list(struct slab_cache *c)
{
	return c->cpus ? &c->cpus[cpu_id()] : NULL;
}

void *slab_alloc(struct slab_cache *c)
{
	struct slab_cpu *own = own_list(c);
	void *warm = own ? cpu_pop(own) : NULL;

	while (!warm) {
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
		if (slab_grow_slow(c))
			continue;
		warm = cpus_pop_slow(c);
		if (!warm)
			return NULL;
	}
	check_memory_give(warm, c->size);
	return warm;
}

void slab_free(struct slab_cache *c, void *obj)
{
	unsigned long flags;

	UK_CHECK(((uintptr_t)obj & (PAGE_SIZE - 1)) % c->size == 0);
	object_taken(c, obj);
	if (c->cpus && cpu_push(own_list(c), obj))
		return;
	uk_spin_lock_irqsave(&c->lock, flags);
	*(void **)obj = c->free;
	c->free = obj;
	c->in_use--;
	uk_spin_unlock_irqrestore(&c->lock, flags);
}
