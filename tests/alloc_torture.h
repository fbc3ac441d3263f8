/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random torture of a struct uk_alloc from several threads, for host and guest tests: malloc, calloc, realloc,
 * memalign, posix_memalign and free on objects of random sizes, exchanged between threads through shared slots, so
 * that most are freed by another thread than allocated them. Every object carries its size and a pattern derived from
 * its own seed, checked whenever it changes hands: overlap, lost contents, wrong alignment and calloc without zeroes
 * are found. A refused request is no error here.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uk/alloc.h>

#define TORTURE_SLOTS 128
#define TORTURE_MAGIC 0x746f7274u

struct torture_obj {
	uint32_t magic;
	uint32_t seed;
	size_t size; /* all of it, this head included */
	unsigned char data[];
};

struct torture {
	struct uk_alloc *a;
	size_t max_size;
	struct torture_obj *slot[TORTURE_SLOTS]; /* [a] */
	unsigned long refused;			 /* [a] */
	unsigned long done;			 /* [a] operations */
};

static inline uint32_t torture_rand(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*s >> 33);
}

static inline void torture_fail(const char *what, const void *p)
{
	fprintf(stderr, "torture: %s at %p\n", what, p);
	abort();
}

/* Which bytes of a large object are filled and checked: its first and last 512. */
static inline size_t torture_next(size_t i, size_t n)
{
	return i == 512 && n > 1024 ? n - 512 : i;
}

static inline void torture_fill(struct torture_obj *o, size_t size, uint32_t seed)
{
	size_t n = size - sizeof(*o);

	o->magic = TORTURE_MAGIC;
	o->seed = seed;
	o->size = size;
	for (size_t i = 0; i < n; i = torture_next(i + 1, n))
		o->data[i] = (unsigned char)(seed + i * 7);
}

/* The first `have` bytes of the object hold what was written when it was `size` long. */
static inline void torture_check(const struct torture_obj *o, size_t size, size_t have)
{
	size_t n = size - sizeof(*o), m = have - sizeof(*o);

	if (o->magic != TORTURE_MAGIC)
		torture_fail("damaged head", o);
	for (size_t i = 0; i < n && i < m; i = torture_next(i + 1, n))
		if (o->data[i] != (unsigned char)(o->seed + i * 7))
			torture_fail("damaged contents", &o->data[i]);
}

static inline void torture_drop(struct torture *t, struct torture_obj *o)
{
	if (!o)
		return;
	torture_check(o, o->size, o->size);
	o->magic = 0;
	uk_free(t->a, o);
}

static inline size_t torture_size(struct torture *t, uint64_t *s)
{
	uint32_t r = torture_rand(s);
	size_t n = sizeof(struct torture_obj);

	if (r % 16 == 0)
		n += torture_rand(s) % t->max_size;
	else if (r % 4 == 0)
		n += torture_rand(s) % 4096;
	else
		n += torture_rand(s) % 256;
	return n < t->max_size ? n : t->max_size;
}

/* How many of `ops` operations are done: in a replayed run, where each byte that is looked at is a change point, few. */
static inline unsigned long torture_ops(unsigned long ops)
{
#ifdef CHECK_REPLAY
	return (ops + 19) / 20;
#else
	return ops;
#endif
}

/* One thread's part; `who` differs by thread. */
static inline void torture_run(struct torture *t, unsigned who, unsigned long ops)
{
	uint64_t s = 0x9e3779b97f4a7c15ull * (who + 1);
	unsigned long refused = 0;

	for (unsigned long n = 0; n < torture_ops(ops); n++) {
		unsigned i = torture_rand(&s) % TORTURE_SLOTS;
		struct torture_obj *o = __atomic_exchange_n(&t->slot[i], NULL, __ATOMIC_ACQ_REL);
		size_t size = torture_size(t, &s), align = 0;
		uint32_t seed = torture_rand(&s);

		if (o)
			torture_check(o, o->size, o->size);
		if (o && seed % 4 == 0) {
			size_t old = o->size;
			struct torture_obj *p = uk_realloc(t->a, o, size);

			if (p) {
				torture_check(p, old, old < size ? old : size);
				o = p;
				torture_fill(o, size, seed);
			} else {
				refused++;
			}
		} else {
			torture_drop(t, o);
			switch (seed % 5) {
			case 0:
				o = uk_calloc(t->a, 1, size);
				for (size_t k = 0; o && k < size; k++)
					if (((unsigned char *)o)[k])
						torture_fail("calloc gave a byte that is not zero", o);
				break;
			case 1:
				align = 16ul << (torture_rand(&s) % 10);
				o = uk_memalign(t->a, align, size);
				break;
			case 2:
				align = 8ul << (torture_rand(&s) % 8);
				if (uk_posix_memalign(t->a, (void **)&o, align, size))
					o = NULL;
				break;
			default:
				o = uk_malloc(t->a, size);
			}
			if (o) {
				if ((uintptr_t)o % (align ? align : 8))
					torture_fail("wrong alignment", o);
				torture_fill(o, size, seed);
			} else {
				refused++;
			}
		}
		torture_drop(t, __atomic_exchange_n(&t->slot[i], o, __ATOMIC_ACQ_REL));
	}
	__atomic_fetch_add(&t->refused, refused, __ATOMIC_RELAXED);
	__atomic_fetch_add(&t->done, torture_ops(ops), __ATOMIC_RELAXED);
}

/* After all threads: everything back. */
static inline void torture_end(struct torture *t)
{
	for (unsigned i = 0; i < TORTURE_SLOTS; i++)
		torture_drop(t, __atomic_exchange_n(&t->slot[i], NULL, __ATOMIC_ACQ_REL));
}
