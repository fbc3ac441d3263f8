/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=alloc/alloc.c alloc/buddy.c alloc/pool.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-Wshadow sanitize=address,undefined,thread
/*
 * The pool: reqmem is enough at any base, objects are aligned and distinct, last in first out, batches, the uk_alloc
 * view, foreign and excess returns are caught; no object is ever with two of four threads.
 */
#include <uk/alloc_impl.h>
#include <uk/allocbbuddy.h>
#include <uk/allocpool.h>

#include "alloc_common.h"

static struct uk_allocpool *pool;

static void foreign_return(void)
{
	static long x[8];

	uk_allocpool_take(pool);
	uk_allocpool_return(pool, x);
}

static void inner_return(void)
{
	uk_allocpool_return(pool, (char *)uk_allocpool_take(pool) + 8);
}

static void one_too_many(void)
{
	void *o = uk_allocpool_take(pool);

	uk_allocpool_return(pool, o);
	uk_allocpool_return(pool, o);
}

#define OBJS   64
#define ROUNDS 20000

static void *worker(void *arg)
{
	uint64_t s = (uintptr_t)arg;
	void *obj[8];

	for (int i = 0; i < ROUNDS; i++) {
		unsigned want = torture_rand(&s) % 8 + 1, n;

		if (want == 1) {
			obj[0] = uk_allocpool_take(pool);
			n = obj[0] != NULL;
		} else {
			n = uk_allocpool_take_batch(pool, obj, want);
		}
		CHECK(n <= want);
		for (unsigned k = 0; k < n; k++)
			((uintptr_t *)obj[k])[1] = (uintptr_t)arg * 100 + k;
		for (unsigned k = 0; k < n; k++)
			CHECK(((uintptr_t *)obj[k])[1] == (uintptr_t)arg * 100 + k);
		if (n == 1)
			uk_allocpool_return(pool, obj[0]);
		else
			uk_allocpool_return_batch(pool, obj, n);
	}
	return NULL;
}

int main(void)
{
	struct uk_alloc *parent = uk_allocbbuddy_init(pages(32 << 20), 32 << 20), *a;
	void *obj[OBJS + 1], *o, *p;
	pthread_t t[4];
	long avail = uk_alloc_pavailmem(parent);

	for (size_t align = 1; align <= 8192; align *= 2) {
		for (size_t len = 1; len < 300; len = len * 3 + 1) {
			size_t need = uk_allocpool_reqmem(5, len, align);
			char *mem = malloc(need + 64);

			for (int off = 0; off < 40; off += 7) {
				unsigned n;

				pool = uk_allocpool_init(mem + off, need, len, align);
				CHECK(pool && uk_allocpool_objlen(pool) >= len && uk_allocpool_availcount(pool) >= 5);
				n = uk_allocpool_take_batch(pool, obj, 5);
				CHECK(n == 5);
				for (unsigned i = 0; i < n; i++) {
					CHECK((uintptr_t)obj[i] % align == 0);
					memset(obj[i], (int)i, uk_allocpool_objlen(pool));
				}
				for (unsigned i = 0; i < n; i++)
					CHECK(*(unsigned char *)obj[i] == i &&
					      ((unsigned char *)obj[i])[uk_allocpool_objlen(pool) - 1] == i);
			}
			free(mem);
		}
	}
	CHECK(uk_allocpool_reqmem(UINT32_MAX, SIZE_MAX / 16, 8) == SIZE_MAX);
	errno = 0;
	CHECK(!uk_allocpool_alloc(parent, UINT32_MAX, SIZE_MAX / 16, 8) && errno == ENOMEM);
	char tiny[64];

	errno = 0;
	CHECK(!uk_allocpool_init(tiny, sizeof(tiny), 8, 8) && errno == ENOSPC && !uk_allocpool_init(NULL, 10000, 8, 8));

	pool = uk_allocpool_alloc(parent, OBJS, 100, 64);
	CHECK(pool && uk_allocpool_objlen(pool) == 128);
	unsigned total = uk_allocpool_availcount(pool);

	CHECK(total >= OBJS);
	/* last in, first out */
	CHECK(uk_allocpool_take_batch(pool, obj, 3) == 3 && uk_allocpool_availcount(pool) == total - 3);
	uk_allocpool_return(pool, obj[1]);
	CHECK(uk_allocpool_take(pool) == obj[1]);
	uk_allocpool_return_batch(pool, obj, 3);
	CHECK(uk_allocpool_take(pool) == obj[2] && uk_allocpool_take(pool) == obj[1] &&
	      uk_allocpool_take(pool) == obj[0]);
	uk_allocpool_return_batch(pool, obj, 3);
	expect_crash(foreign_return);
	expect_crash(inner_return);
	expect_crash(one_too_many);
	/* as an allocator */
	a = uk_allocpool2ukalloc(pool);
	CHECK(uk_alloc_maxalloc(a) == 128 && uk_alloc_availmem(a) == (long)total * 128);
	o = uk_malloc(a, 100);
	CHECK(o && uk_realloc(a, o, 128) == o);
	errno = 0;
	CHECK(!uk_realloc(a, o, 129) && errno == ENOMEM);
	errno = 0;
	CHECK(!uk_malloc(a, 129) && errno == ENOMEM);
	CHECK(!uk_posix_memalign(a, &p, 64, 8) && (uintptr_t)p % 64 == 0 && uk_posix_memalign(a, &p, 128, 8) == ENOMEM);
	CHECK(uk_posix_memalign(a, &p, 3, 8) == EINVAL);
	uk_free(a, o);
	o = uk_calloc(a, 5, 20);
	CHECK(o && !uk_calloc(a, SIZE_MAX, 2));
	for (int i = 0; i < 100; i++)
		CHECK(!((char *)o)[i]);
	uk_free(a, o);
	uk_free(a, p);
	CHECK(!uk_palloc(a, 1) && uk_alloc_addmem(a, tiny, 64) == -ENOTSUP);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, worker, (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(uk_allocpool_availcount(pool) == total);
	for (unsigned i = 0; i < total; i++)
		CHECK(uk_allocpool_take(pool));
	CHECK(!uk_allocpool_take(pool) && !uk_allocpool_take_batch(pool, obj, 4) && uk_allocpool_availcount(pool) == 0);

	struct uk_alloc_stats s;

	uk_alloc_stats_get(a, &s);
	CHECK(s.cur_nb_allocs == (long)total && s.nb_enomem >= 6);
	pool = uk_allocpool_alloc(parent, 10, 16, 8);
	CHECK(pool);
	uk_allocpool_free(pool);
	CHECK(uk_alloc_pavailmem(parent) < avail);
	puts("ok");
	return 0;
}
