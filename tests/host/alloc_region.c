/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=alloc/alloc.c alloc/region.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-Wshadow sanitize=address,undefined,thread
/*
 * The bump allocator: objects do not overlap and are aligned, realloc keeps exactly what was there (its size is
 * known), the youngest grows in place, added memory is used, the end is NULL and ENOMEM; from four threads at once,
 * and with the hook that lets it grow.
 */
#include <uk/alloc_impl.h>
#include <uk/allocregion.h>

#include "alloc/region.h"
#include "alloc_common.h"

#define SIZE (16ul << 20)

static struct {
	struct uk_alloc a;
	struct region b;
} grown;
static uintptr_t grown_base, grown_limit;

static int grow(struct uk_alloc *a, __uptr end)
{
	struct region *b = region_of(a);

	if (end > grown_limit)
		return -ENOMEM;
	uk_spin_lock(&b->lock);
	if (b->first.end < end)
		b->first.end = (end + 4095) & ~4095ul;
	uk_spin_unlock(&b->lock);
	return 0;
}

static __sz growable(void)
{
	return grown_limit - region_of(&grown.a)->first.end;
}

int main(void)
{
	char *mem = pages(SIZE), *more = pages(SIZE);
	struct uk_alloc *a;
	struct uk_alloc_stats s, s2;
	unsigned char *p, *q;
	long left;
	void *v;

	CHECK(!uk_allocregion_init(mem, 4096) && !uk_allocregion_init(NULL, SIZE));
	a = uk_allocregion_init(mem, SIZE);
	CHECK(a && uk_alloc_availmem(a) > (long)SIZE - 1024 && uk_alloc_maxalloc(a) <= uk_alloc_availmem(a));
	CHECK(!uk_malloc(a, 0));
	p = uk_malloc(a, 100);
	q = uk_malloc(a, 1);
	CHECK(p && q && (uintptr_t)p % 16 == 0 && (uintptr_t)q % 16 == 0 && q >= p + 100);
	CHECK(region_usable_size(p) == 100);
	memset(p, 7, 100);
	*q = 9;
	/* not the youngest: moves, copies the 100 bytes and no more */
	v = uk_realloc(a, p, 5000);
	CHECK(v && v != p && ((unsigned char *)v)[99] == 7 && *q == 9);
	/* the youngest: stays */
	CHECK(uk_realloc(a, v, 50000) == v && ((unsigned char *)v)[99] == 7 && region_usable_size(v) == 50000);
	CHECK(uk_realloc(a, v, 10) == v);
	CHECK(uk_realloc(a, NULL, 5) && !uk_realloc(a, q, 0));
	for (size_t al = 8; al <= 65536; al *= 2)
		CHECK(!uk_posix_memalign(a, &v, al, 3) && (uintptr_t)v % al == 0);
	CHECK(uk_posix_memalign(a, &v, 24, 3) == EINVAL && uk_posix_memalign(a, &v, 8, 0) == EINVAL);
	v = uk_palloc(a, 3);
	CHECK(v && (uintptr_t)v % 4096 == 0);
	uk_pfree(a, v, 3);
	/* nothing comes back, but the operation counts */
	uk_alloc_stats_get(a, &s);
	left = uk_alloc_availmem(a);
	uk_free(a, v);
	uk_free(a, NULL);
	uk_alloc_stats_get(a, &s2);
	CHECK(uk_alloc_availmem(a) == left && s2.tot_nb_frees == s.tot_nb_frees + 1 && s2.cur_mem_use == s.cur_mem_use);
	static const size_t bad[] = { SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4100, PTRDIFF_MAX, SIZE };

	for (unsigned i = 0; i < 5; i++) {
		errno = 0;
		CHECK(!uk_malloc(a, bad[i]) && errno == ENOMEM && uk_posix_memalign(a, &v, 4096, bad[i]) == ENOMEM);
		CHECK(!uk_realloc(a, q, bad[i]) && *q == 9);
		CHECK(!uk_calloc(a, bad[i], 3));
	}
	CHECK(uk_posix_memalign(a, &v, 1ul << 63, 8) == ENOMEM);
	v = uk_malloc(a, (size_t)uk_alloc_maxalloc(a));
	CHECK(v);
	errno = 0;
	CHECK(!uk_malloc(a, 1) && errno == ENOMEM);
	/* added memory serves what the first does not hold */
	CHECK(uk_alloc_addmem(a, more, 40) == -EINVAL && uk_alloc_addmem(a, NULL, SIZE) == -EINVAL);
	CHECK(!uk_alloc_addmem(a, more + 3, SIZE - 3));
	p = uk_malloc(a, 1 << 20);
	CHECK(p && p >= (unsigned char *)more && p + (1 << 20) <= (unsigned char *)more + SIZE);
	CHECK(uk_alloc_availmem(a) > (long)SIZE - (1 << 20) - 1024);

	a = uk_allocregion_init(pages(SIZE * 16), SIZE * 16);
	torture_all(a, 4, 20000, 20000);
	uk_alloc_stats_get(a, &s);
	CHECK(s.cur_mem_use <= (long)SIZE * 16 && s.tot_nb_allocs > torture_ops(20000) / 2 &&
	      s.cur_mem_use == s.max_mem_use);

	grown_base = (uintptr_t)pages(SIZE * 8);
	grown_limit = grown_base + SIZE * 8;
	region_setup(&grown.a, grown_base, grown_base);
	grown.b.grow = grow;
	grown.b.growable = growable;
	CHECK(uk_alloc_availmem(&grown.a) == (long)SIZE * 8);
	torture_all(&grown.a, 4, 20000, 20000);
	while (uk_malloc(&grown.a, 4000))
		;
	CHECK(errno == ENOMEM && uk_alloc_availmem(&grown.a) < 8192 && !uk_malloc(&grown.a, 4000));
	puts("ok");
	return 0;
}
