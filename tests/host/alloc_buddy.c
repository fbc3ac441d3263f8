/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=alloc/alloc.c alloc/buddy.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-Wshadow sanitize=address,undefined,thread
/*
 * The binary buddy keeps its promises: blocks do not overlap, are aligned to their size, merge back to what was there;
 * counts are exact; memory that was added is all used; refused requests change nothing; double and wild frees are
 * caught; sizes that overflow are refused; and all of it from four threads at once.
 */
#include <uk/allocbbuddy.h>
#include <uk/alloc_impl.h>

#include "alloc_common.h"

#define SIZE (64ul << 20)

static struct uk_alloc *a;
static void *victim;

static void double_free(void)
{
	uk_pfree(a, victim, 4);
	uk_pfree(a, victim, 4);
}

static void wrong_count(void)
{
	uk_pfree(a, victim, 1);
}

static void wild_free(void)
{
	uk_pfree(a, (char *)victim + 4096, 1);
}

static void foreign_free(void)
{
	uk_pfree(a, (void *)4096, 1);
}

static void double_free_bytes(void)
{
	void *p = uk_malloc(a, 100);

	uk_free(a, p);
	uk_free(a, p);
}

static void sizes(void)
{
	long avail = uk_alloc_pavailmem(a), max;
	void *p, *q;

	CHECK(avail > 0 && uk_alloc_availmem(a) == avail * 4096);
	max = uk_alloc_pmaxalloc(a);
	CHECK(max > 0 && !(max & (max - 1)) && max <= avail);
	CHECK(uk_alloc_maxalloc(a) == max * 4096 - 32);
	for (unsigned long n = 1; n <= (unsigned long)max; n = n * 2 + (n % 3 == 0)) {
		unsigned long block = 1;

		while (block < n)
			block *= 2;
		p = uk_palloc(a, n);
		CHECK(p && (uintptr_t)p % (block * 4096) == 0);
		CHECK(uk_alloc_pavailmem(a) == avail - (long)block);
		memset(p, 1, 4096);
		memset((char *)p + (n - 1) * 4096, 2, 4096);
		uk_pfree(a, p, n);
		CHECK(uk_alloc_pavailmem(a) == avail && uk_alloc_pmaxalloc(a) == max);
	}
	/* maxalloc tells the truth, one more is refused */
	p = uk_malloc(a, (size_t)uk_alloc_maxalloc(a));
	CHECK(p);
	uk_free(a, p);
	errno = 0;
	CHECK(!uk_malloc(a, (size_t)uk_alloc_maxalloc(a) + 1) && errno == ENOMEM);
	/* sizes that wrap */
	static const size_t bad[] = {
		SIZE_MAX, SIZE_MAX - 31, SIZE_MAX - 32, SIZE_MAX - 4100, SIZE_MAX / 2, PTRDIFF_MAX
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		CHECK(!uk_malloc(a, bad[i]) && errno == ENOMEM);
		errno = 0;
		CHECK(!uk_calloc(a, bad[i], 2) && errno == ENOMEM);
		CHECK(uk_posix_memalign(a, &p, 64, bad[i]) == ENOMEM);
		CHECK(uk_posix_memalign(a, &p, 1ul << 62, bad[i]) == ENOMEM);
		errno = 0;
		CHECK(!uk_palloc(a, bad[i]) && errno == ENOMEM);
		q = uk_malloc(a, 8);
		errno = 0;
		CHECK(!uk_realloc(a, q, bad[i]) && errno == ENOMEM);
		uk_free(a, q);
	}
	CHECK(uk_posix_memalign(a, &p, 3, 8) == EINVAL && uk_posix_memalign(a, &p, 0, 8) == EINVAL);
	CHECK(uk_posix_memalign(a, &p, 4, 8) == EINVAL && uk_posix_memalign(a, &p, 8, 0) == EINVAL);
	CHECK(!uk_palloc(a, 0) && !uk_malloc(a, 0));
	for (size_t al = 8; al <= 1 << 20; al *= 2) {
		CHECK(!uk_posix_memalign(a, &p, al, al + 1) && (uintptr_t)p % al == 0);
		memset(p, 3, al + 1);
		CHECK(uk_usable_size_ifpages(p) >= al + 1);
		uk_free(a, p);
	}
	/* exactly 2^n bytes take the next power of two, as documented */
	p = uk_malloc(a, 8192);
	CHECK(uk_alloc_pavailmem(a) == avail - 4);
	uk_free(a, p);
	CHECK(uk_alloc_pavailmem(a) == avail && uk_alloc_pmaxalloc(a) == max);
}

/* Use up everything in single pages, see that none is given twice, give back in another order, all merged again. */
static void exhaust(void)
{
	long avail = uk_alloc_pavailmem(a), max = uk_alloc_pmaxalloc(a), n = 0;
	void **list = pages((size_t)avail * sizeof(void *));
	struct uk_alloc_stats before, after;

	uk_alloc_stats_get(a, &before);
	for (void *p; (p = uk_palloc(a, 1)); n++) {
		list[n] = p;
		*(long *)p = n;
	}
	CHECK(errno == ENOMEM && n == avail && uk_alloc_pavailmem(a) == 0 && uk_alloc_pmaxalloc(a) == 0 &&
	      uk_alloc_maxalloc(a) == 0);
	for (long i = 0; i < n; i++)
		CHECK(*(long *)list[i] == i);
	for (long i = 0; i < n; i += 2)
		uk_pfree(a, list[i], 1);
	for (long i = 1; i < n; i += 2)
		uk_pfree(a, list[i], 1);
	CHECK(uk_alloc_pavailmem(a) == avail && uk_alloc_pmaxalloc(a) == max);
	uk_alloc_stats_get(a, &after);
	CHECK(after.tot_nb_allocs - before.tot_nb_allocs == (unsigned long)n &&
	      after.cur_nb_allocs == before.cur_nb_allocs);
	CHECK(after.tot_nb_frees - before.tot_nb_frees == (unsigned long)n && after.cur_mem_use == before.cur_mem_use);
	CHECK(after.nb_enomem == before.nb_enomem + 1 && after.max_nb_allocs >= n && after.max_mem_use >= n * 4096);
	munmap(list, (size_t)avail * sizeof(void *));
}

int main(void)
{
	char *mem = pages(SIZE), *more = pages(SIZE / 2), *little = pages(8 * 4096);
	long avail;

	CHECK(!uk_allocbbuddy_init(mem, 4096) && !uk_allocbbuddy_init(NULL, SIZE));
	/* odd base and length: only whole pages count */
	CHECK(uk_allocbbuddy_init(little + 5, 4 * 4096));
	a = uk_allocbbuddy_init(mem + 1, SIZE - 2);
	CHECK(a);
	/* at most 0.3 % of it is tables */
	avail = uk_alloc_pavailmem(a);
	CHECK(avail > (long)(SIZE / 4096 * 997 / 1000));
	sizes();
	exhaust();
	CHECK(uk_alloc_addmem(a, more, 100) == -EINVAL && uk_alloc_addmem(a, NULL, SIZE) == -EINVAL);
	CHECK(uk_alloc_addmem(a, more, SIZE_MAX) == -EINVAL);
	CHECK(!uk_alloc_addmem(a, more + 12, SIZE / 2 - 12) &&
	      uk_alloc_pavailmem(a) > avail + (long)(SIZE / 2 / 4096 * 99 / 100));
	sizes();
	exhaust();
	victim = uk_palloc(a, 4);
	expect_crash(double_free);
	expect_crash(wrong_count);
	expect_crash(wild_free);
	expect_crash(foreign_free);
	expect_crash(double_free_bytes);
	uk_pfree(a, victim, 4);
	torture_all(a, 4, 20000, 300000);
	avail = uk_alloc_pavailmem(a);
	sizes();
	exhaust();
	puts("ok");
	return 0;
}
