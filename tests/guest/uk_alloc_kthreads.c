// SPDX-License-Identifier: BSD-3-Clause
// test: replay=6 cpus=1,2,4 alloc=mimalloc,mallocng,buddy,region mem=256M sched=preempt,coop timeout=120 cflags=-I{root},-I{root}/arch/x86_64,-I{build}/gen
/*
 * The chosen allocator from two kernel threads with no pthread alive (libc never counted a second thread), each
 * freeing what the other allocated; then generations of such threads, so that the memory of ended ones must have found
 * a new owner or come back: without the allocator's thread-exit hook the heap of an ended thread would be taken for
 * the heap of a new one.
 */
#define TUTTI_GUEST
#include "../host/alloc_common.h"

#include "alloc/allocator.h"
#include "libc/start.h"

#define GENERATIONS 50

static struct torture t;
static unsigned long ops;
static int done;

static void body(void *arg)
{
	torture_run(&t, (unsigned)(uintptr_t)arg, ops);
	__atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
}

static void two(unsigned seed, unsigned long n)
{
	struct timespec ts = { 0, 1000000 };

	ops = n;
	__atomic_store_n(&done, 0, __ATOMIC_RELAXED);
	CHECK(libc_thread_create("torture a", body, (void *)(uintptr_t)seed, 65536) > 0);
	CHECK(libc_thread_create("torture b", body, (void *)(uintptr_t)(seed + 1), 65536) > 0);
	/* pairs with the release in body() */
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 2)
		nanosleep(&ts, NULL);
}

int main(void)
{
	bool frees = strcmp(allocator_chosen()->name, "region") != 0;
	struct uk_alloc_stats s;

	t.a = uk_alloc_get_default();
	t.max_size = 30000;
	two(1, frees ? 20000 : 4000);
	for (unsigned i = 0; i < GENERATIONS; i++)
		two(10 + 2 * i, frees ? 300 : 50);
	torture_end(&t);
	CHECK(t.refused == 0);
	uk_alloc_stats_get(t.a, &s);
	CHECK(s.tot_nb_allocs > t.done / 8 && s.cur_nb_allocs >= 0 && s.cur_nb_allocs < 100);
	printf("ok: %lu operations\n", t.done);
	return 0;
}
