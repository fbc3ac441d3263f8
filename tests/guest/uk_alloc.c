// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 cpus=1,2,4 alloc=mimalloc,mallocng,buddy,region mem=192M timeout=120 cflags=-fno-builtin,-I{root},-I{root}/arch/x86_64,-I{build}/gen
/*
 * uk/alloc.h on the allocator chosen at boot, and the malloc family on the same: every function's documented meaning,
 * errors, sizes that overflow, statistics, queries, added memory; out of memory is NULL and ENOMEM and the machine
 * goes on; then the torture from four threads.
 */
#define TUTTI_GUEST
#include "../host/alloc_common.h"

#include <malloc.h>

#include "alloc/allocator.h"

static struct uk_alloc *a;
static bool frees;

static volatile size_t huge = SIZE_MAX;

static void dirty_check(const unsigned char *p, size_t n, unsigned char v)
{
	for (size_t i = 0; i < n; i++)
		CHECK(p[i] == v);
}

static void table(void)
{
	static const size_t bad[] = { SIZE_MAX,	       SIZE_MAX - 15, SIZE_MAX - 4096,
				      SIZE_MAX - 4100, SIZE_MAX / 2,  PTRDIFF_MAX };
	unsigned char *p, *q;
	void *v;

	CHECK(uk_do_malloc(a, 1) && uk_malloc(a, 1));
	for (size_t n = 1; n < 200000; n = n * 2 + 3) {
		p = n % 2 ? uk_malloc(a, n) : uk_do_malloc(a, n);
		CHECK(p && (uintptr_t)p % (n < 16 ? 8 : 16) == 0);
		memset(p, 0xa5, n);
		q = n % 2 ? uk_realloc(a, p, n * 2) : uk_do_realloc(a, p, n * 2);
		CHECK(q);
		dirty_check(q, n, 0xa5);
		memset(q, 0x5a, n * 2);
		q = uk_realloc(a, q, n);
		CHECK(q);
		dirty_check(q, n, 0x5a);
		if (n % 2)
			uk_free(a, q);
		else
			uk_do_free(a, q);
		p = n % 2 ? uk_calloc(a, 3, n) : uk_do_calloc(a, n, 3);
		CHECK(p);
		dirty_check(p, n * 3, 0);
		uk_free(a, p);
		p = n % 2 ? uk_zalloc(a, n) : uk_do_zalloc(a, n);
		CHECK(p);
		dirty_check(p, n, 0);
		uk_free(a, p);
	}
	CHECK(uk_realloc(a, NULL, 10) && !uk_realloc(a, uk_malloc(a, 10), 0));
	uk_free(a, NULL);
	for (size_t al = 8; al <= 1ul << 20; al *= 2) {
		CHECK(!(al & 0x5555 ? uk_posix_memalign(a, &v, al, 100) : uk_do_posix_memalign(a, &v, al, 100)));
		CHECK((uintptr_t)v % al == 0);
		memset(v, 1, 100);
		q = uk_realloc(a, v, 5000);
		CHECK(q);
		dirty_check(q, 100, 1);
		uk_free(a, q);
		p = al & 0x5555 ? uk_memalign(a, al, 1000) : uk_do_memalign(a, al, 1000);
		CHECK(p && (uintptr_t)p % al == 0);
		memset(p, 2, 1000);
		uk_free(a, p);
	}
	v = &v;
	CHECK(uk_posix_memalign(a, &v, 3, 8) == EINVAL && uk_posix_memalign(a, &v, 4, 8) == EINVAL && v == &v);
	CHECK(uk_posix_memalign(a, &v, 0, 8) == EINVAL && v == &v);
	for (unsigned long n = 1; n <= 64; n *= 2) {
		p = n % 2 ? uk_palloc(a, n) : uk_do_palloc(a, n);
		CHECK(p && (uintptr_t)p % 4096 == 0);
		memset(p, 3, n * 4096);
		if (n % 2)
			uk_pfree(a, p, n);
		else
			uk_do_pfree(a, p, n);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		CHECK(!uk_malloc(a, bad[i]) && errno == ENOMEM);
		errno = 0;
		CHECK(!uk_calloc(a, bad[i], 4) && errno == ENOMEM);
		errno = 0;
		CHECK(!uk_calloc(a, 1, bad[i]) && errno == ENOMEM);
		CHECK(uk_posix_memalign(a, &v, 4096, bad[i]) == ENOMEM);
		errno = 0;
		CHECK(!uk_memalign(a, 64, bad[i]) && errno == ENOMEM);
		p = uk_malloc(a, 20);
		memset(p, 7, 20);
		errno = 0;
		CHECK(!uk_realloc(a, p, bad[i]) && errno == ENOMEM);
		dirty_check(p, 20, 7);
		uk_free(a, p);
		errno = 0;
		CHECK(!uk_palloc(a, bad[i] / 2) && errno == ENOMEM);
	}
}

static void no_allocator(void)
{
	void *v = &v;

	errno = 0;
	CHECK(!uk_malloc(NULL, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_calloc(NULL, 1, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_realloc(NULL, NULL, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_zalloc(NULL, 1) && errno == ENOMEM);
	CHECK(uk_posix_memalign(NULL, &v, 8, 8) == ENOMEM && !v);
	CHECK(!uk_memalign(NULL, 8, 8) && !uk_palloc(NULL, 1));
}

static void queries(void)
{
	struct uk_alloc *it;
	unsigned n = 0;
	long avail = uk_alloc_availmem(a), max = uk_alloc_maxalloc(a), t;
	char *p;

	uk_alloc_foreach(it) {
		CHECK(n || it == a);
		n++;
	}
	CHECK(n >= 1);
	CHECK(avail > 8 << 20 && avail < 192 << 20 && max > 0 && max <= avail);
	t = uk_alloc_pavailmem(a) - avail / 4096;
	CHECK(t >= -64 && t <= 64);
	CHECK(uk_alloc_pmaxalloc(a) > 0 && uk_alloc_pmaxalloc(a) <= uk_alloc_pavailmem(a));
	CHECK(uk_alloc_availmem_total() > 8 << 20 && uk_alloc_pavailmem_total() > (8 << 20) / 4096);
	/* the biggest request can be satisfied, all of it can be written */
	if (!frees)
		return;
	for (int i = 0; i < 3; i++) {
		max = uk_alloc_maxalloc(a);
		p = uk_malloc(a, (size_t)max);
		CHECK(p);
		for (long k = 0; k < max; k += 4096)
			p[k] = 1;
		p[max - 1] = 2;
		uk_free(a, p);
	}
}

static void statistics(void)
{
	struct uk_alloc_stats s0, s1, s2, g;
	void *p, *q;

	uk_alloc_stats_get(a, &s0);
	p = uk_malloc(a, 5000);
	q = uk_malloc(a, 20000);
	CHECK(p && q);
	uk_alloc_stats_get(a, &s1);
	CHECK(s1.tot_nb_allocs == s0.tot_nb_allocs + 2 && s1.cur_nb_allocs == s0.cur_nb_allocs + 2);
	CHECK(s1.cur_mem_use >= s0.cur_mem_use + 25000 && s1.max_mem_use >= s1.cur_mem_use &&
	      s1.max_nb_allocs >= s1.cur_nb_allocs);
	CHECK(s1.last_alloc_size >= 20000 && s1.max_alloc_size >= 20000 && s1.min_alloc_size <= s1.max_alloc_size);
	uk_free(a, p);
	uk_free(a, q);
	CHECK(!uk_malloc(a, huge));
	uk_alloc_stats_get(a, &s2);
	CHECK(s2.tot_nb_frees == s1.tot_nb_frees + 2 && s2.cur_nb_allocs == s0.cur_nb_allocs);
	CHECK(!frees || s2.cur_mem_use == s0.cur_mem_use);
	CHECK(s2.nb_enomem >= s1.nb_enomem + 1 && s2.max_mem_use == s1.max_mem_use);
	uk_alloc_stats_get_global(&g);
	CHECK(g.tot_nb_allocs >= s2.tot_nb_allocs && g.nb_enomem >= s2.nb_enomem &&
	      g.max_alloc_size >= s2.max_alloc_size);
}

static void added_memory(void)
{
	size_t len = 70 << 20;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *p;

	CHECK(mem != MAP_FAILED);
	memset(mem, 1, len);
	CHECK(uk_alloc_addmem(a, NULL, len) == -EINVAL && uk_alloc_addmem(a, mem, 16) == -EINVAL);
	CHECK(uk_alloc_addmem(a, mem, SIZE_MAX) == -EINVAL);
	CHECK(uk_alloc_addmem(a, mem, len) == 0);
	for (int i = 0; i < 100; i++) {
		p = uk_malloc(a, 100000);
		CHECK(p);
		memset(p, 1, 100000);
		uk_free(a, p);
	}
}

/* The C names lead to the chosen allocator, with the errors that C and POSIX name. */
static void c_names(void)
{
	unsigned char *p, *q;
	void *v;

	p = malloc(0);
	q = malloc(0);
	CHECK(p && q && p != q);
	free(p);
	free(q);
	free(NULL);
	p = malloc(100);
	CHECK(p && malloc_usable_size(p) >= 100 && malloc_usable_size(NULL) == 0);
	memset(p, 4, 100);
	p = realloc(p, 10000);
	dirty_check(p, 100, 4);
	CHECK(malloc_usable_size(p) >= 10000);
	free(p);
	CHECK((p = realloc(NULL, 5)));
	free(p);
	p = calloc(7, 9);
	dirty_check(p, 63, 0);
	free(p);
	errno = 0;
	CHECK(!calloc(huge / 2, 3) && errno == ENOMEM);
	errno = 0;
	CHECK(!malloc(huge - 4100) && errno == ENOMEM);
	errno = 0;
	CHECK(!malloc(huge) && errno == ENOMEM);
	p = malloc(30);
	errno = 0;
	CHECK(!realloc(p, huge - 50) && errno == ENOMEM);
	free(p);
	CHECK(!posix_memalign(&v, 8192, 10) && (uintptr_t)v % 8192 == 0);
	free(v);
	CHECK(!posix_memalign(&v, 64, 0));
	free(v);
	v = &v;
	CHECK(posix_memalign(&v, 3, 10) == EINVAL && posix_memalign(&v, 4, 10) == EINVAL && v == &v);
	CHECK(posix_memalign(&v, 64, huge - 100) == ENOMEM && v == &v);
	for (size_t al = 1; al <= 65536; al *= 2) {
		p = aligned_alloc(al, 3 * al + 1);
		q = memalign(al, 77);
		CHECK(p && q && (uintptr_t)p % al == 0 && (uintptr_t)q % al == 0);
		memset(p, 1, 3 * al + 1);
		memset(q, 1, 77);
		free(p);
		free(q);
	}
	errno = 0;
	CHECK(!aligned_alloc(24, 48) && errno == EINVAL);
	errno = 0;
	CHECK(!memalign(0, 48) && errno == EINVAL);
	errno = 0;
	CHECK(!aligned_alloc(64, huge - 100) && errno == ENOMEM);
	/* the same objects either way */
	p = malloc(50);
	uk_free(a, p);
	p = uk_malloc(a, 50);
	free(p);
}

/* Until there is nothing left, in large and then in small objects; then back, and it works again. */
static void out_of_memory(void)
{
	struct block {
		struct block *next;
		size_t n;
	} *list = NULL, *b;
	size_t got = 0, again = 0;

	for (size_t n = 1 << 20; n >= 64; n /= 16) {
		errno = 0;
		while ((b = malloc(n))) {
			memset(b, 6, n);
			b->next = list;
			b->n = n;
			list = b;
			got += n;
			errno = 0;
		}
		CHECK(errno == ENOMEM);
	}
	CHECK(got > 32 << 20);
	errno = 0;
	CHECK(!calloc(1, 1 << 20) && errno == ENOMEM);
	errno = 0;
	CHECK(!aligned_alloc(4096, 1 << 20) && errno == ENOMEM);
	errno = 0;
	b = realloc(list, 1 << 20);
	CHECK(!b && errno == ENOMEM);
	while (list) {
		b = list;
		list = b->next;
		dirty_check((unsigned char *)(b + 1), b->n - sizeof(*b), 6);
		free(b);
	}
	if (!frees)
		return;
	for (int i = 0; i < 16; i++) {
		b = malloc(1 << 20);
		if (b) {
			b->next = list;
			list = b;
			again++;
		}
	}
	CHECK(again == 16);
	while (list) {
		b = list;
		list = b->next;
		free(b);
	}
	printf("%zu MiB in all\n", got >> 20);
}

/* One direct jump, and nothing else, from the C name to the allocator's function. */
static void one_jump(const void *name, const void *target)
{
	const unsigned char *code = name;
	int32_t rel;

	memcpy(&rel, code + 1, sizeof(rel));
	CHECK(code[0] == 0xe9 && code + 5 + rel == (const unsigned char *)target);
}

int main(void)
{
	const struct tutti_allocator *chosen = allocator_chosen();

	CHECK(chosen && allocator_find(chosen->name) == chosen);
	one_jump((const void *)malloc, (const void *)chosen->malloc);
	one_jump((const void *)free, (const void *)chosen->free);
	one_jump((const void *)calloc, (const void *)chosen->calloc);
	one_jump((const void *)realloc, (const void *)chosen->realloc);
	a = uk_alloc_get_default();
	CHECK(a && a == chosen->uk());
	frees = strcmp(chosen->name, "region") != 0;
	table();
	no_allocator();
	c_names();
	statistics();
	added_memory();
	queries();
	torture_all(a, 4, frees ? 20000 : 3000, 60000);
	torture_all(a, 2, frees ? 5000 : 500, 200000);
	out_of_memory();
	if (frees) {
		c_names();
		statistics();
		torture_all(a, 4, 5000, 60000);
	}
	printf("ok: %s\n", chosen->name);
	return 0;
}
