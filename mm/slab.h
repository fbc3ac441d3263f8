/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fixed-size objects for the kernel's own structures (VMAs, threads, file descriptions), carved from frames. They
 * never call the default heap, which is what lets the heap be built from VMAs and threads. Objects are NOT zeroed.
 * Spin lock inside, irq-safe; never sleeps; NULL when no frame is left.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "uk/spinlock.h"

/*
 * A few free objects of one CPU, so that what is made and ended at a high rate on several CPUs (threads) meets on no
 * common lock and comes back warm.
 */
struct slab_cpu {
	struct uk_spinlock lock; /* that CPU, or who is out of memory */
	uint32_t count;		 /* [lock] */
	void *free;		 /* [lock] LIFO */
} __attribute__((aligned(64)));

struct slab_cache {
	const char *name; /* [I] */
	size_t size;	  /* [I] object size, rounded up to 16 */
	struct uk_spinlock lock;
	void *free;	       /* [lock] LIFO, linked through the first word */
	size_t in_use;	       /* [lock] those of CPUs included */
	size_t total;	       /* [lock] */
	struct slab_cpu *cpus; /* [I] one per possible CPU, or NULL: none */
};

LOCK_CLASS_EXTERN(slab_class);
LOCK_CLASS_EXTERN(slab_cpu_class);

/* The lists of all CPUs, for SLAB_CACHE_CPUS(): static struct slab_cpu lists[CONFIG_MAX_CPUS] = SLAB_CPUS; */
#define SLAB_CPUS                                                                       \
	{                                                                               \
		[0 ... CONFIG_MAX_CPUS - 1] = {.lock = SPINLOCK_INIT(&slab_cpu_class) } \
	}

#define SLAB_PER_CPU 8u /* objects at most */

#define SLAB_CACHE(n, type)                                                                                \
	{                                                                                                  \
		.name = (n), .size = (sizeof(type) + 15) & ~(size_t)15, .lock = SPINLOCK_INIT(&slab_class) \
	}

/* With lists per CPU: cpus_ is an array of CONFIG_MAX_CPUS elements, SLAB_CPUS. */
#define SLAB_CACHE_CPUS(n, type, cpus_)                                                                     \
	{                                                                                                   \
		.name = (n), .size = (sizeof(type) + 15) & ~(size_t)15, .lock = SPINLOCK_INIT(&slab_class), \
		.cpus = (cpus_)                                                                             \
	}

/* At most PAGE_SIZE/2 bytes per object. */
void *slab_alloc(struct slab_cache *c);
void slab_free(struct slab_cache *c, void *obj);
