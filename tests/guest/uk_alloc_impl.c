// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 mem=256M cflags=-I{root},-I{root}/arch/x86_64,-I{build}/gen
/*
 * uk/alloc_impl.h in the machine: registration, the generic functions over malloc and over pages, the init macros, the
 * statistics macros. The page forms run over an allocator whose palloc is this program's.
 */
#define TUTTI_GUEST
#include "../host/alloc_generic.h"

static long pages_out;

static void *own_palloc(struct uk_alloc *a, unsigned long n)
{
	void *p = n > 100000 ? NULL : pages(n * 4096);

	uk_alloc_stats_count_palloc(a, p, n);
	if (p)
		__atomic_fetch_add(&pages_out, (long)n, __ATOMIC_RELAXED);
	else
		errno = ENOMEM;
	return p;
}

static void own_pfree(struct uk_alloc *a, void *p, unsigned long n)
{
	uk_alloc_stats_count_pfree(a, p, n);
	__atomic_fetch_sub(&pages_out, (long)n, __ATOMIC_RELAXED);
	munmap(p, n * 4096);
}

static long own_pmax(struct uk_alloc *a)
{
	(void)a;
	return 3;
}

static void ifpages(void)
{
	static struct uk_alloc a;
	struct uk_alloc_stats s;
	char *p;
	void *v;

	uk_alloc_init_palloc(&a, own_palloc, own_pfree, own_pmax, own_pmax, NULL);
	CHECK(uk_alloc_maxalloc(&a) == 3 * 4096 - 32 && uk_alloc_availmem(&a) == 3 * 4096);
	CHECK(uk_alloc_pmaxalloc(&a) == 3 && uk_alloc_pavailmem(&a) == 3 && uk_alloc_addmem(&a, &a, 1) == -ENOTSUP);
	p = uk_malloc(&a, 4096 - 32);
	CHECK(p && pages_out == 1 && (uintptr_t)p % 4096 == 32 && uk_usable_size_ifpages(p) == 4096 - 32);
	memset(p, 1, 4096 - 32);
	p = uk_realloc(&a, p, 4096);
	CHECK(p && pages_out == 2 && p[0] == 1 && p[4063] == 1);
	uk_free(&a, p);
	CHECK(pages_out == 0 && !uk_malloc(&a, 0) && !uk_realloc(&a, uk_malloc(&a, 1), 0) && pages_out == 0);
	for (size_t al = 8; al <= 65536; al *= 2) {
		CHECK(!uk_posix_memalign(&a, &v, al, 10) && (uintptr_t)v % al == 0);
		memset(v, 2, 10);
		uk_free(&a, v);
		CHECK(pages_out == 0);
	}
	CHECK(!uk_malloc(&a, SIZE_MAX - 4100) && errno == ENOMEM);
	torture_all(&a, 4, 500, 30000);
	CHECK(pages_out == 0);
	uk_alloc_stats_get(&a, &s);
	CHECK(s.cur_nb_allocs == 0 && s.cur_mem_use == 0 && s.tot_nb_allocs == s.tot_nb_frees);
}

int main(void)
{
	generic_all();
	ifpages();
	puts("ok");
	return 0;
}
