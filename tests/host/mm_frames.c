// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c cflags=-Itests/host/fake sanitize=address,undefined,thread
/*
 * Promises of mm/frames.h: a frame has one owner at a time, blocks are aligned and inside memory, FRAME_ZERO is zero,
 * all that was freed merges again, a block can be split into pages, what is committed can always be had, application
 * allocations stop before it, wrong frees are caught. One thread plays one CPU.
 */
#include "mm_machine.h"

#include <pthread.h>

#include "lib/util.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define SIZE	(160ul << 20)
#define THREADS 4
#define HELD	256
#define STEPS	60000

static uint8_t owner[SIZE >> PAGE_SHIFT];

static struct frame_stats stats(void)
{
	struct frame_stats s;

	frame_stats(&s);
	return s;
}

static bool is_memory(paddr_t pa, uint64_t len)
{
	for (unsigned i = 0; i < machine_info.mem_count; i++)
		if (pa >= machine_info.mem[i].base && pa + len <= machine_info.mem[i].base + machine_info.mem[i].len)
			return true;
	return false;
}

static void own(paddr_t pa, unsigned order, unsigned who, unsigned flags)
{
	REQUIRE(is_memory(pa, PAGE_SIZE << order));
	REQUIRE(IS_ALIGNED(pa, PAGE_SIZE << order) && pa);
	for (uint64_t i = 0; i < 1ul << order; i++) {
		uint64_t *words = arch_phys_to_virt(pa + (i << PAGE_SHIFT));

		REQUIRE(__atomic_exchange_n(&owner[(pa >> PAGE_SHIFT) + i], who + 1, __ATOMIC_RELAXED) == 0);
		if (flags & FRAME_ZERO)
			for (unsigned w = 0; w < 512; w++)
				REQUIRE(words[w] == 0);
		memset(words, 0xa0 + (int)who, PAGE_SIZE);
	}
}

static void disown(paddr_t pa, unsigned order, unsigned who)
{
	for (uint64_t i = 0; i < 1ul << order; i++) {
		unsigned char *bytes = arch_phys_to_virt(pa + (i << PAGE_SHIFT));

		REQUIRE(bytes[0] == 0xa0 + who && bytes[PAGE_SIZE - 1] == 0xa0 + who);
		REQUIRE(__atomic_exchange_n(&owner[(pa >> PAGE_SHIFT) + i], 0, __ATOMIC_RELAXED) == who + 1);
	}
}

static void *churn(void *arg)
{
	unsigned who = (unsigned)(uintptr_t)arg, n = 0;
	uint64_t seed = 77 + who;
	struct {
		paddr_t pa;
		unsigned order;
		bool charged;
	} held[HELD];

	fake_set_cpu(who);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t r = random_next(&seed);

		if (n < HELD && (r & 3)) {
			unsigned order = (r >> 8 & 3) ? 0 : (unsigned)(r >> 16) % 6;
			unsigned flags = r >> 24 & 1 ? FRAME_ZERO : 0;
			bool charged = !order && (r >> 25 & 1) && frame_commit(1) == 0;

			if (charged)
				flags |= FRAME_CHARGED;
			held[n].order = order;
			held[n].charged = charged;
			held[n].pa = frame_alloc(order, flags);
			REQUIRE(!charged || held[n].pa != FRAME_NONE);
			if (held[n].pa != FRAME_NONE)
				own(held[n].pa, order, who, flags), n++;
		} else if (n) {
			unsigned i = (unsigned)(r >> 32) % n;

			disown(held[i].pa, held[i].order, who);
			if (held[i].charged) {
				frame_free_charged(held[i].pa);
				frame_uncommit(1);
			} else {
				frame_free(held[i].pa, held[i].order);
			}
			held[i] = held[--n];
		}
		REQUIRE(fake_preempt_count() == 0);
	}
	while (n--) {
		disown(held[n].pa, held[n].order, who);
		frame_free(held[n].pa, held[n].order);
	}
	return NULL;
}

static paddr_t shares[THREADS][1000];

/* Several threads want the last frames, all of which are committed: everyone gets his share, nobody else gets any. */
static void *take_committed(void *arg)
{
	paddr_t *mine = arg, pa;

	fake_set_cpu((unsigned)((mine - shares[0]) / 1000));
	for (unsigned i = 0; i < 1000; i++) {
		pa = frame_alloc(0, FRAME_CHARGED);
		REQUIRE(pa != FRAME_NONE);
		mine[i] = pa;
		REQUIRE(frame_alloc(0, 0) == FRAME_NONE);
	}
	return NULL;
}

static paddr_t all[SIZE >> PAGE_SHIFT];

int main(void)
{
	pthread_t t[THREADS];
	uint64_t total, pair, n = 0;
	paddr_t pa, big;

	machine_cpus = THREADS;
	fake_set_cpu(0);
	machine_make(SIZE);
	total = stats().total;
	REQUIRE(stats().free == total && stats().committed == 0);

	/* nothing that is not asked for is touched: preparation is lazy */
	pa = frame_alloc(0, 0);
	REQUIRE(pa < 64ul << 20);
	frame_free(pa, 0);

	/* wrong frees */
	pa = frame_alloc(2, 0);
	REQUIRE(CRASHES(frame_free(pa, 1)));
	REQUIRE(CRASHES(frame_free(pa + PAGE_SIZE, 0)));
	REQUIRE(CRASHES(frame_free(pa + 8, 2)));
	REQUIRE(CRASHES(frame_free(0, 0)));
	REQUIRE(CRASHES(frame_free(1ul << 40, 0)));
	frame_free(pa, 2);
	REQUIRE(CRASHES(frame_free(pa, 2)));
	pa = frame_alloc(0, 0);
	frame_free(pa, 0);
	REQUIRE(CRASHES(frame_free(pa, 0)));
	fake_percpu.preempt_count = 0;
	fake_irqs_off = 0;

	/* a block becomes its pages, each with an end of its own, charged or not */
	REQUIRE(frame_commit(8) == 0);
	pa = frame_alloc(3, FRAME_CHARGED | FRAME_TRY);
	REQUIRE(pa != FRAME_NONE && stats().committed == 0 && stats().free == total - 8);
	REQUIRE(CRASHES(frame_split(pa, 2)) && CRASHES(frame_split(pa + PAGE_SIZE, 3)));
	frame_split(pa, 3);
	REQUIRE(CRASHES(frame_free(pa, 3)) && CRASHES(frame_split(pa, 3)));
	for (unsigned i = 0; i < 8; i++)
		(i & 1 ? frame_free_charged(pa + i * PAGE_SIZE) : frame_free(pa + i * PAGE_SIZE, 0));
	REQUIRE(stats().committed == 4 && stats().free == total);
	frame_uncommit(4);
	REQUIRE(CRASHES(frame_free(pa, 0)));
	fake_percpu.preempt_count = 0;
	fake_irqs_off = 0;

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	REQUIRE(stats().free == total && stats().committed == 0);

	/* commitments are honoured to the last frame, across CPUs */
	REQUIRE(frame_commit(total) < 0 && frame_commit(UINT64_MAX) < 0);
	REQUIRE(frame_commit(THREADS * 1000) == 0);
	while ((pa = frame_alloc(0, 0)) != FRAME_NONE)
		all[n++] = pa;
	REQUIRE(stats().committed == THREADS * 1000 && stats().free - stats().committed <= 64);
	REQUIRE(frame_commit(1) < 0 && stats().heap == 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, take_committed, shares[i]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	REQUIRE(stats().committed == 0 && frame_alloc(0, FRAME_CHARGED) == FRAME_NONE);
	/* the reserve is for page tables, and it ends */
	for (unsigned reserve = 0; (pa = frame_alloc(0, FRAME_PT)) != FRAME_NONE; reserve++) {
		REQUIRE(reserve < 64);
		all[n++] = pa;
	}
	REQUIRE(stats().free == 0 && n + THREADS * 1000 == total);
	/* what a block could be made of lies in a CPU's cache: FRAME_TRY leaves it there */
	pair = 0;
	while (all[pair] & PAGE_SIZE || all[pair + 1] != all[pair] + PAGE_SIZE)
		REQUIRE(++pair + 1 < n);
	frame_free(all[pair], 0);
	frame_free(all[pair + 1], 0);
	REQUIRE(frame_alloc(1, FRAME_PT | FRAME_TRY) == FRAME_NONE && stats().free == 2);
	REQUIRE(frame_alloc(1, FRAME_PT) == all[pair]);
	frame_split(all[pair], 1);
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned k = 0; k < 1000; k++)
			frame_free_charged(shares[i][k]);
	frame_uncommit(THREADS * 1000);
	REQUIRE(CRASHES(frame_uncommit(1)));
	while (n--)
		frame_free(all[n], 0);
	REQUIRE(stats().free == total);

	/* and everything merges again: the largest aligned block of the second range is there, all of it */
	big = frame_alloc(13, FRAME_ZERO);
	REQUIRE(big != FRAME_NONE);
	own(big, 13, 0, FRAME_ZERO);
	frame_free(big, 13);
	REQUIRE(frame_alloc(FRAME_MAX_ORDER, 0) == FRAME_NONE && frame_alloc(FRAME_MAX_ORDER + 1, 0) == FRAME_NONE);
	return 0;
}
