/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=alloc/alloc.c alloc/registry.c alloc/region.c alloc/buddy.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-Wshadow sanitize=address,undefined,thread
/*
 * The list of allocators under concurrent registration, the generic halves of the table over a simple backend,
 * statistics, and the choice at boot: the stubs lead where they should, the chosen one is the default. The code stubs
 * are an array here.
 */
#include <uk/alloc_impl.h>
#include <uk/allocbbuddy.h>
#include <uk/allocregion.h>

#include <arch/image.h>

#include "alloc/allocator.h"
#include "alloc_generic.h"

/* ---- a machine for allocator_choose() ---- */
__attribute__((visibility("hidden"))) unsigned char malloc_entry_stubs[8 * 16];
__asm__(".globl malloc_entry_stubs_end\n.hidden malloc_entry_stubs_end\n.set malloc_entry_stubs_end, malloc_entry_stubs + 128");

int arch_text_write(void *text, const void *bytes, size_t len)
{
	memcpy(text, bytes, len);
	return 0;
}

static struct uk_alloc *back;
static int inits;

static void *c_malloc(size_t n)
{
	return uk_malloc(back, n);
}
static void *c_calloc(size_t m, size_t n)
{
	return uk_calloc(back, m, n);
}
static void *c_realloc(void *p, size_t n)
{
	return uk_realloc(back, p, n);
}
static void c_free(void *p)
{
	uk_free(back, p);
}
static int c_posix_memalign(void **p, size_t al, size_t n)
{
	return uk_posix_memalign(back, p, al, n);
}
static void *c_aligned_alloc(size_t al, size_t n)
{
	return uk_memalign(back, al, n);
}
static size_t c_usable_size(void *p)
{
	return uk_usable_size_ifpages(p);
}
static int c_init(void)
{
	inits++;
	back = uk_allocbbuddy_init(pages(8 << 20), 8 << 20);
	return 0;
}
static int c_init_fails(void)
{
	return -ENOMEM;
}
static struct uk_alloc *c_uk(void)
{
	return back;
}

#define ALLOCATOR(sym, str, initfn)                                                     \
	static const struct tutti_allocator sym = { .name = str,                        \
						    .init = initfn,                     \
						    .uk = c_uk,                         \
						    .malloc = c_malloc,                 \
						    .calloc = c_calloc,                 \
						    .realloc = c_realloc,               \
						    .free = c_free,                     \
						    .posix_memalign = c_posix_memalign, \
						    .aligned_alloc = c_aligned_alloc,   \
						    .memalign = c_aligned_alloc,        \
						    .usable_size = c_usable_size };     \
	TUTTI_ALLOCATOR(sym)
ALLOCATOR(one, "one", c_init);
ALLOCATOR(two, "two", c_init);
ALLOCATOR(broken, "broken", c_init_fails);

static uintptr_t stub_target(unsigned i)
{
	int32_t rel;

	memcpy(&rel, malloc_entry_stubs + i * 16 + 1, 4);
	return (uintptr_t)malloc_entry_stubs + i * 16 + 5 + (uintptr_t)(long)rel;
}

static void choice(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++)
		malloc_entry_stubs[i * 16] = 0xe9;
	CHECK(!uk_alloc_get_default() && !uk_alloc_availmem_total());
	while (allocator_at(n))
		n++;
	CHECK(n == 3 && allocator_find("one") == &one && allocator_find("two") == &two && !allocator_find("nonesuch"));
	CHECK(!allocator_find("on") && !allocator_find("") && !allocator_chosen());
	CHECK(allocator_choose(&broken) == -ENOMEM && !allocator_chosen() && !stub_target(0) == 0);
	CHECK(!allocator_choose(&two) && allocator_chosen() == &two && inits == 1 && uk_alloc_get_default() == back);
	CHECK(allocator_choose(&one) == -EBUSY && allocator_chosen() == &two);
	const uintptr_t want[] = { (uintptr_t)c_malloc,	       (uintptr_t)c_calloc,	    (uintptr_t)c_realloc,
				   (uintptr_t)c_free,	       (uintptr_t)c_posix_memalign, (uintptr_t)c_aligned_alloc,
				   (uintptr_t)c_aligned_alloc, (uintptr_t)c_usable_size };

	for (unsigned i = 0; i < 8; i++)
		CHECK(stub_target(i) == want[i]);
}

int main(void)
{
	choice();
	generic_all();
	puts("ok");
	return 0;
}
