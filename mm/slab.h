/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fixed-size objects for the kernel's own structures (VMAs, threads, file descriptions), carved from frames. They
 * never call the default heap, which is what lets the heap be built from VMAs and threads. Objects are NOT zeroed.
 * Spin lock inside, irq-safe; never sleeps; NULL when no frame is left.
 */
#pragma once

#include <stddef.h>

#include "lib/list.h"
#include "uk/spinlock.h"

struct slab_cache {
	const char *name; /* [I] */
	size_t size;	  /* [I] object size, rounded up to 16 */
	struct uk_spinlock lock;
	void *free;    /* [lock] LIFO, linked through the first word */
	size_t in_use; /* [lock] */
	size_t total;  /* [lock] */
};

LOCK_CLASS_EXTERN(slab_class);

#define SLAB_CACHE(n, type)                                                                                \
	{                                                                                                  \
		.name = (n), .size = (sizeof(type) + 15) & ~(size_t)15, .lock = SPINLOCK_INIT(&slab_class) \
	}

/* At most PAGE_SIZE/2 bytes per object. */
void *slab_alloc(struct slab_cache *c);
void slab_free(struct slab_cache *c, void *obj);
