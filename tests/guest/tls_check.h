// SPDX-License-Identifier: BSD-3-Clause
/*
 * Thread-local variables of given sizes and alignments: initialised ones and zero ones. tls_check_all() is run by a
 * constructor, by main, by 200 threads that exist at the same time and by main again. It checks that each variable is
 * where its alignment wants it, holds its initial value in a new thread, that no two share a byte (each is filled with a
 * pattern of its own and of its thread, all are filled before any is checked), and that no other thread's writes arrive.
 */
#pragma once

#include "check.h"

struct tls_variable {
	const char *name;
	unsigned char *at;
	size_t size, alignment;
	unsigned char initial;
};

#define TLS_DEFINE(size, alignment)                                                               \
	static __thread _Alignas(alignment) unsigned char tls_init_##size##_##alignment[size] = { \
		[0 ...(size) - 1] = (unsigned char)((size)*3 + (alignment) + 1)                   \
	};                                                                                        \
	static __thread _Alignas(alignment) unsigned char tls_zero_##size##_##alignment[size];

#define TLS_LIST(size, alignment)                                                       \
	{ "init " #size " " #alignment, tls_init_##size##_##alignment, size, alignment, \
	  (unsigned char)((size)*3 + (alignment) + 1) },                                \
		{ "zero " #size " " #alignment, tls_zero_##size##_##alignment, size, alignment, 0 },

#define TLS_THREADS 200

/* fresh: the calling thread has not run this before. */
static void tls_check_variables(const struct tls_variable *v, size_t count, unsigned int id, bool fresh)
{
	size_t i, n;

	for (i = 0; i < count; i++) {
		if ((uintptr_t)v[i].at % v[i].alignment != 0)
			check_failed(__FILE__, __LINE__, "thread %u: %s lies at %p", id, v[i].name, (void *)v[i].at);
		for (n = 0; fresh && n < v[i].size; n++)
			if (v[i].at[n] != v[i].initial)
				check_failed(__FILE__, __LINE__, "thread %u: %s starts with byte %zu = %#x, not %#x",
					     id, v[i].name, n, v[i].at[n], v[i].initial);
	}
	for (i = 0; i < count; i++)
		memset(v[i].at, (int)(id * 31 + i), v[i].size);
	sched_yield();
	for (i = 0; i < count; i++)
		for (n = 0; n < v[i].size; n++)
			if (v[i].at[n] != (unsigned char)(id * 31 + i))
				check_failed(__FILE__, __LINE__, "thread %u: %s: byte %zu was overwritten", id,
					     v[i].name, n);
}

static void tls_check_all(unsigned int id, bool fresh); /* by TLS_PROGRAM */

static pthread_barrier_t tls_all_alive;

static inline void *tls_thread(void *arg)
{
	unsigned int id = (unsigned int)(uintptr_t)arg;

	tls_check_all(id, true);
	pthread_barrier_wait(&tls_all_alive);
	tls_check_all(id, false);
	return NULL;
}

static inline int tls_main(void)
{
	static pthread_t threads[TLS_THREADS];
	pthread_attr_t attr;
	unsigned int i;

	tls_check_all(1, false);
	CHECK_OK(pthread_barrier_init(&tls_all_alive, NULL, TLS_THREADS));
	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setstacksize(&attr, 65536));
	for (i = 0; i < TLS_THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], &attr, tls_thread, (void *)(uintptr_t)(i + 2)));
	for (i = 0; i < TLS_THREADS; i++)
		check_join(threads[i]);
	tls_check_all(1, false);
	return 0;
}

#define TLS_PROGRAM(VARIABLES)                                                                       \
	VARIABLES(TLS_DEFINE)                                                                        \
	static void tls_check_all(unsigned int id, bool fresh)                                       \
	{                                                                                            \
		const struct tls_variable variables[] = { VARIABLES(TLS_LIST) };                     \
		tls_check_variables(variables, sizeof(variables) / sizeof(variables[0]), id, fresh); \
	}                                                                                            \
	__attribute__((constructor)) static void tls_constructor(void)                               \
	{                                                                                            \
		tls_check_all(1, true);                                                              \
	}                                                                                            \
	int main(void)                                                                               \
	{                                                                                            \
		return tls_main();                                                                   \
	}
