/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mimalloc as a boot choice: upstream source, unmodified, 2.0.9 or any 2.x or 3.x (Leijen, Zorn, de Moura, APLAS
 * 2019). What it asks of the kernel goes to tutti_heap_* (ports/heap.c).
 *
 * malloc() is one jump to mi_malloc(). Two things upstream leaves to its host are done here: errno (its error handler
 * is called for every request that it refuses), and the end of threads without pthread key destructors (thread_exit).
 *
 * Memory is committed as it is used, never by the segment or arena: a heap is charged when it becomes writable, so an
 * eager 32 MiB would be refused in a small machine and crowd out others in a large one.
 *
 * Concurrency: mimalloc's own, heaps per thread; the first thread that allocates becomes its main thread and must be
 * the one that runs main(). Context: thread with a complete libc TLS block. Out of memory: NULL and ENOMEM.
 */
#include "alloc/allocator.h"

#include <mimalloc.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "ports/heap.h"
#include "ports/uk.h"

/* 209 is 2.0.9, 3208 is 3.2.8, 20401 is 2.4.1: upstream has numbered its versions in three ways. */
#if MI_MALLOC_VERSION < 1000
#define MI_MAJOR (MI_MALLOC_VERSION / 100)
#elif MI_MALLOC_VERSION < 10000
#define MI_MAJOR (MI_MALLOC_VERSION / 1000)
#else
#define MI_MAJOR (MI_MALLOC_VERSION / 10000)
#endif
#if MI_MAJOR < 2 || MI_MAJOR > 3 || MI_MALLOC_VERSION < 209
#error "mimalloc 2.0.9 or newer, 2.x or 3.x, is needed"
#endif

static struct {
	struct uk_alloc a;
	void *port[2];
} table;

/* 2.0.x and 2.1.0, 2.1.1: what is given back with MADV_DONTNEED is always committed again before use. */
#define MI_RECOMMITS (MI_MALLOC_VERSION < 212)

#if MI_RECOMMITS
static void give_back_at_once(void)
{
	mi_option_set(mi_option_decommit_delay, 0);
	mi_option_set(mi_option_segment_decommit_delay, 0);
}
#endif

/*
 * Upstream calls it with ENOMEM or EOVERFLOW where a request is refused, with others where it found damage.
 *
 * Where memory really ran out, 2.0.9 from now on gives freed pages back at once and not after 25 ms: it picks a span
 * by size alone and gives up when that cannot be committed, although others are, so what is free must not stay
 * charged.
 */
static void mi_failed(int err, void *arg)
{
	(void)arg;
	if (err != ENOMEM && err != EOVERFLOW) {
		kwarn("mimalloc: the heap is damaged or a pointer is not from it (error %d)", err);
		return;
	}
#if MI_RECOMMITS
	if (heap_free_pages() < heap_total_pages() / 8)
		give_back_at_once();
#endif
	errno = ENOMEM;
}

/*
 * Not mi_malloc_aligned(): in 2.0.9 that takes every power of two from 256 to 1024 to be naturally aligned, which its
 * pages, starting 384 bytes into a slice, do not make it. The _at form looks at the address.
 */
static void *aligned(size_t align, size_t n)
{
	return mi_malloc_aligned_at(n, align, 0);
}

static void *mi_any_aligned_alloc(size_t align, size_t n)
{
	void *obj;

	if (!port_check_align(align))
		return NULL;
	obj = aligned(align, n);
	if (unlikely(!obj))
		errno = ENOMEM;
	return obj;
}

static int mi_any_posix_memalign(void **p, size_t align, size_t n)
{
	void *obj;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	obj = aligned(align, n);
	if (!obj)
		return ENOMEM;
	*p = obj;
	return 0;
}

/* Release builds of upstream say nothing when the product overflows. */
static void *mi_any_calloc(size_t m, size_t n)
{
	void *obj = mi_calloc(m, n);

	if (unlikely(!obj))
		errno = ENOMEM;
	return obj;
}

static size_t mi_any_usable_size(void *p)
{
	return mi_usable_size(p);
}

/*
 * mimalloc takes outside memory as an arena of whole segments. 2.x wants them aligned and does not check; 2.0.9 takes
 * them for zero whatever it is told.
 */
#define SEGMENT (32ul << 20)

static int mi_addmem(struct uk_alloc *a, void *base, size_t size)
{
	uintptr_t start, end;

	(void)a;
	if (!base || __builtin_add_overflow((uintptr_t)base, SEGMENT - 1, &start) ||
	    __builtin_add_overflow((uintptr_t)base, size, &end))
		return -EINVAL;
	start = ALIGN_DOWN(start, SEGMENT);
	end = ALIGN_DOWN(end, SEGMENT);
	if (end <= start)
		return -EINVAL;
	memset((void *)start, 0, end - start);
	return mi_manage_os_memory((void *)start, end - start, true, false, true, -1) ? 0 : -ENOMEM;
}

static struct uk_alloc *mi_uk(void)
{
	return &table.a;
}

static int mi_init(void);

static const struct tutti_allocator mimalloc_allocator = {
	.name = "mimalloc",
	.description = "Microsoft's mimalloc: heaps per thread, free lists per page",
	.init = mi_init,
	.uk = mi_uk,
	.malloc = mi_malloc,
	.calloc = mi_any_calloc,
	.realloc = mi_realloc,
	.free = mi_free,
	.posix_memalign = mi_any_posix_memalign,
	.aligned_alloc = mi_any_aligned_alloc,
	.memalign = mi_any_aligned_alloc,
	.usable_size = mi_any_usable_size,
	.thread_exit = mi_thread_done,
};
TUTTI_ALLOCATOR(mimalloc_allocator);

#define SMALL_MACHINE_PAGES (64ul << 8) /* 64 MiB */

static int mi_init(void)
{
	/* not in 3.2 and later, which have no segments */
#if MI_MAJOR == 2 || MI_MALLOC_VERSION < 1000
	mi_option_set(mi_option_eager_commit, 0);
#endif
#if MI_MALLOC_VERSION >= 212
	mi_option_set(mi_option_arena_eager_commit, 0);
#endif
#if MI_MAJOR == 2 && MI_MALLOC_VERSION >= 212
	/*
	 * Segments straight from the kernel: from an arena, 2.x commits a large block in multiples of 32 MiB, and when
	 * that is refused goes on as if it were there. Arenas from addmem are used all the same.
	 */
	mi_option_set(mi_option_arena_reserve, 0);
#endif
#if MI_MAJOR == 3
	/* else a page of large objects is 4 MiB committed at once */
	if (heap_total_pages() < SMALL_MACHINE_PAGES)
		mi_option_set(mi_option_page_commit_on_demand, 1);
#endif
#if MI_RECOMMITS
	heap_dontneed_decommits();
	/* a thread that ends leaves up to 5 MiB committed behind it otherwise */
	if (heap_total_pages() < SMALL_MACHINE_PAGES) {
		give_back_at_once();
		mi_option_set(mi_option_abandoned_page_decommit, 1);
	}
#endif
	mi_register_error(mi_failed, NULL);
	/* the largest block is rounded up twice to 4 MiB and has its description besides it */
	port_uk_setup(&table.a, &mimalloc_allocator, 9ul << 20, mi_addmem);
	return 0;
}
