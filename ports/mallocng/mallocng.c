/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mallocng, musl's allocator, as a boot choice. Its unmodified objects come from musl's build under the names
 * mallocng_* (symbols.map); what they ask of the kernel goes to tutti_heap_* (ports/heap.c).
 *
 * Concurrency: one lock of musl's inside, a futex; it is taken always, because musl is told at boot that there are
 * several threads. Context: thread with a complete libc TLS block. Out of memory: NULL and ENOMEM (its mmap is
 * refused, nothing is lost).
 *
 * addmem donates memory in pieces of 256 KiB: each is cut into one slot per power of two from 128 KiB down, which is
 * what mallocng can take from outside.
 */
#include "alloc/allocator.h"

#include <stdint.h>

#include "lib/util.h"
#include "ports/uk.h"

void *mallocng_malloc(size_t);
void *mallocng_calloc(size_t, size_t);
void *mallocng_realloc(void *, size_t);
void mallocng_free(void *);
void *mallocng_aligned_alloc(size_t, size_t);
size_t mallocng_usable_size(void *);
void mallocng_donate(char *start, char *end);
extern int mallocng_lock[1];
void __lock(volatile int *);
void __unlock(volatile int *);

static struct {
	struct uk_alloc a;
	void *port[2];
} table;

static int ng_posix_memalign(void **p, size_t align, size_t n)
{
	void *obj;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	obj = mallocng_aligned_alloc(align, n);
	if (!obj)
		return ENOMEM;
	*p = obj;
	return 0;
}

static void *ng_aligned_alloc(size_t align, size_t n)
{
	return port_check_align(align) ? mallocng_aligned_alloc(align, n) : NULL;
}

#define DONATION (256ul << 10)

static int ng_addmem(struct uk_alloc *a, void *base, size_t size)
{
	uintptr_t start = ALIGN_UP((uintptr_t)base, __PAGE_SIZE), end;

	(void)a;
	if (!base || __builtin_add_overflow((uintptr_t)base, size, &end) || end < start || end - start < DONATION)
		return -EINVAL;
	__lock(mallocng_lock);
	for (; end - start >= DONATION; start += DONATION)
		mallocng_donate((char *)start, (char *)start + DONATION);
	__unlock(mallocng_lock);
	return 0;
}

static struct uk_alloc *ng_uk(void)
{
	return &table.a;
}

static int ng_init(void);

static const struct tutti_allocator mallocng_allocator = {
	.name = "mallocng",
	.description = "musl's own: one lock, small footprint",
	.init = ng_init,
	.uk = ng_uk,
	.malloc = mallocng_malloc,
	.calloc = mallocng_calloc,
	.realloc = mallocng_realloc,
	.free = mallocng_free,
	.posix_memalign = ng_posix_memalign,
	.aligned_alloc = ng_aligned_alloc,
	.memalign = ng_aligned_alloc,
	.usable_size = mallocng_usable_size,
};
TUTTI_ALLOCATOR(mallocng_allocator);

static int ng_init(void)
{
	/* a block of its own costs a header page and a page for the description */
	port_uk_setup(&table.a, &mallocng_allocator, 16 << 10, ng_addmem);
	return 0;
}
