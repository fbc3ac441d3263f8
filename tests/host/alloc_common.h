/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the allocators share: checks, threads, memory. The same tests run as Linux programs and, included
 * from tests/guest/uk_*.c with TUTTI_GUEST defined, in the machine, where a crash cannot be expected by a parent.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../alloc_torture.h"

#define CHECK(x)                                                                        \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static inline void *pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

struct torture_thread {
	pthread_t thread;
	struct torture *t;
	unsigned who;
	unsigned long ops;
};

static inline void *torture_thread(void *arg)
{
	struct torture_thread *tt = arg;

	torture_run(tt->t, tt->who, tt->ops);
	return NULL;
}

static inline void torture_all(struct uk_alloc *a, unsigned threads, unsigned long ops, size_t max_size)
{
	static struct torture t;
	struct torture_thread tt[16];

	memset(&t, 0, sizeof(t));
	t.a = a;
	t.max_size = max_size;
	for (unsigned i = 0; i < threads; i++) {
		tt[i] = (struct torture_thread){ .t = &t, .who = i, .ops = ops };
		CHECK(!pthread_create(&tt[i].thread, NULL, torture_thread, &tt[i]));
	}
	for (unsigned i = 0; i < threads; i++)
		CHECK(!pthread_join(tt[i].thread, NULL));
	torture_end(&t);
	CHECK(t.done == threads * torture_ops(ops));
	printf("%lu operations, %lu refused\n", t.done, t.refused);
}

/* fn must end the process by abort() (a failed check); in a child. */
static inline void expect_crash(void (*fn)(void))
{
#ifdef TUTTI_GUEST
	(void)fn;
#else
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		fclose(stderr);
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
#endif
}
