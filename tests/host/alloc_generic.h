/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generic halves of an allocator's table over a simple backend, statistics, the list under concurrent
 * registration, and calls with no allocator: for the host test and the guest test of uk/alloc.h and uk/alloc_impl.h.
 */
#pragma once

#include <uk/alloc_impl.h>

#include "alloc_common.h"

/* ---- a bare malloc and free as backend, that promises 16 bytes of alignment only ---- */
static void *bare_malloc(struct uk_alloc *a, __sz n)
{
	(void)a;
	return n > 1 << 30 ? NULL : aligned_alloc(16, (n + 15) & ~15ul);
}
static void bare_free(struct uk_alloc *a, void *p)
{
	(void)a;
	free(p);
}
static __ssz bare_max(struct uk_alloc *a)
{
	(void)a;
	return 10000;
}
static int bare_addmem(struct uk_alloc *a, void *p, __sz n)
{
	(void)a;
	return p && n ? -ENOMEM : -EINVAL;
}

static void ifmalloc(void)
{
	static struct uk_alloc a, b;
	void *p, *q;

	uk_alloc_init_malloc_ifmalloc(&a, bare_malloc, bare_free, bare_max, NULL, bare_addmem);
	CHECK(uk_alloc_maxalloc(&a) == 10000 && uk_alloc_pmaxalloc(&a) == 2);
	CHECK(uk_alloc_availmem(&a) == -ENOTSUP && uk_alloc_pavailmem(&a) == -ENOTSUP);
	CHECK(uk_alloc_addmem(&a, NULL, 0) == -EINVAL && uk_alloc_addmem(&a, &a, 1) == -ENOMEM);
	for (size_t al = 8; al < 1 << 16; al *= 2) {
		CHECK(!uk_posix_memalign(&a, &p, al, 100) && (uintptr_t)p % al == 0);
		memset(p, 5, 100);
		q = uk_realloc(&a, p, 1000);
		CHECK(q && ((char *)q)[0] == 5 && ((char *)q)[99] == 5);
		uk_free(&a, q);
	}
	CHECK(uk_posix_memalign(&a, &p, 7, 1) == EINVAL && uk_posix_memalign(&a, &p, 8, SIZE_MAX - 8) == ENOMEM);
	errno = 0;
	CHECK(!uk_malloc(&a, SIZE_MAX - 4) && errno == ENOMEM && !uk_realloc(&a, NULL, SIZE_MAX));
	p = uk_palloc(&a, 2);
	CHECK(p && (uintptr_t)p % 4096 == 0);
	memset(p, 1, 8192);
	uk_pfree(&a, p, 2);
	CHECK(!uk_palloc(&a, SIZE_MAX / 2) && errno == ENOMEM);
	CHECK(!uk_calloc(&a, SIZE_MAX / 2, 3) && errno == ENOMEM);
	p = uk_calloc(&a, 0, 7);
	uk_free(&a, p);
	p = uk_zalloc(&a, 50);
	CHECK(p && !((char *)p)[49]);
	uk_free(&a, p);
	uk_free(&a, NULL);
	p = uk_memalign(&a, 2, 5);
	CHECK(p);
	uk_free(&a, p);
	errno = 0;
	CHECK(!uk_memalign(&a, 24, 5) && errno == EINVAL);
	torture_all(&a, 4, 10000, 50000);

	uk_alloc_init_malloc(&b, bare_malloc, uk_calloc_compat, uk_realloc_compat, bare_free,
			     uk_posix_memalign_ifmalloc, uk_memalign_compat, NULL, NULL, NULL);
	CHECK(uk_alloc_addmem(&b, &b, 1) == -ENOTSUP && uk_alloc_maxalloc(&b) == -ENOTSUP &&
	      uk_alloc_pmaxalloc(&b) == -ENOTSUP);
	p = uk_malloc(&b, 100);
	memset(p, 6, 100);
	p = uk_realloc(&b, p, 50);
	CHECK(p && ((char *)p)[49] == 6);
	CHECK(!uk_realloc(&b, p, 0));
	CHECK(uk_alloc_register(&b) == -EEXIST);
}

static void statistics(void)
{
	static struct uk_alloc a;
	struct uk_alloc_stats s, g;

	uk_alloc_stats_reset(&a);
	uk_alloc_stats_count_alloc(&a, &a, 100);
	uk_alloc_stats_count_alloc(&a, &a, 50);
	uk_alloc_stats_count_palloc(&a, &a, 2);
	uk_alloc_stats_count_free(&a, &a, 100);
	uk_alloc_stats_count_free(&a, NULL, 100);
	uk_alloc_stats_count_pfree(&a, &a, 2);
	uk_alloc_stats_count_enomem(&a, 7);
	uk_alloc_stats_count_penomem(&a, 7);
	uk_alloc_stats_get(&a, &s);
	CHECK(s.last_alloc_size == 8192 && s.max_alloc_size == 8192 && s.min_alloc_size == 50);
	CHECK(s.tot_nb_allocs == 3 && s.tot_nb_frees == 2 && s.cur_nb_allocs == 1 && s.max_nb_allocs == 3);
	CHECK(s.cur_mem_use == 50 && s.max_mem_use == 8342 && s.nb_enomem == 2);
	uk_alloc_stats_get_global(&g);
	uk_alloc_register(&a);
	struct uk_alloc_stats g2;

	uk_alloc_stats_get_global(&g2);
	CHECK(g2.tot_nb_allocs == g.tot_nb_allocs + 3 && g2.cur_mem_use == g.cur_mem_use + 50 &&
	      g2.nb_enomem == g.nb_enomem + 2);
	CHECK(g2.min_alloc_size <= 50 && g2.max_alloc_size >= 8192);
	uk_alloc_stats_reset(&a);
	uk_alloc_stats_get(&a, &s);
	CHECK(!s.tot_nb_allocs && !s.nb_enomem);
}

#define EACH 500
static struct uk_alloc many[4][EACH];

static void *registers(void *arg)
{
	struct uk_alloc *own = arg, *it;

	for (int i = 0; i < EACH; i++) {
		unsigned long n = 0;

		own[i].maxalloc = bare_max;
		CHECK(!uk_alloc_register(&own[i]));
		uk_alloc_foreach(it)
			n++;
		CHECK(n >= (unsigned long)i + 1);
	}
	return NULL;
}

static void list(void)
{
	pthread_t t[4];
	struct uk_alloc *it, *first = uk_alloc_get_default();
	unsigned before = 0, after = 0;

	uk_alloc_foreach(it)
		before++;
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, registers, many[i]));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	uk_alloc_foreach(it)
		after++;
	CHECK(after == before + 4 * EACH && uk_alloc_get_default() == first);
	CHECK(uk_alloc_availmem_total() >= (size_t)uk_alloc_availmem(first));
	CHECK(uk_alloc_pavailmem_total() >= (unsigned long)uk_alloc_pavailmem(first));
}

static void null_allocator(void)
{
	void *p = &p;

	errno = 0;
	CHECK(!uk_malloc(NULL, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_calloc(NULL, 1, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_realloc(NULL, NULL, 1) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_zalloc(NULL, 1) && errno == ENOMEM);
	CHECK(uk_posix_memalign(NULL, &p, 8, 8) == ENOMEM && !p);
	CHECK(!uk_memalign(NULL, 8, 8) && !uk_palloc(NULL, 1));
}

static void generic_all(void)
{
	null_allocator();
	ifmalloc();
	statistics();
	list();
}
