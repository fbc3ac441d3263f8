// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * tutti/ring.h. Capacity, full, empty, wrap-around of places and of position numbers, a place that is claimed and not yet published.
 * Then producers against consumers through a ring of four places: each element comes out once, none is lost, those of one
 * producer come out in its order, and what a producer wrote into the element beforehand is there. tests/host/lib_ring.c is this
 * under the sanitizers.
 */
#include "check.h"

#include <tutti/ring.h>

#define PRODUCERS 3
#define CONSUMERS 3
#ifdef CHECK_REPLAY
#define EACH 40
#else
#define EACH 20000
#endif
#define SMALL 4

struct item {
	long producer, number, square; /* plain: ordered by the ring */
	int out;		       /* [a] times it came out */
};

static struct tutti_mpmc mpmc;
static struct tutti_mpsc mpsc;
static struct tutti_ring_cell cells[SMALL];
static struct item items[PRODUCERS][EACH];
static long popped;
static bool single;

static bool push(void *element)
{
	return single ? tutti_mpsc_try_push(&mpsc, element) : tutti_mpmc_try_push(&mpmc, element);
}

static bool pop(void **element)
{
	return single ? tutti_mpsc_try_pop(&mpsc, element) : tutti_mpmc_try_pop(&mpmc, element);
}

static size_t count(void)
{
	return single ? tutti_mpsc_count(&mpsc) : tutti_mpmc_count(&mpmc);
}

static int init(size_t capacity)
{
	return single ? tutti_mpsc_init(&mpsc, cells, capacity) : tutti_mpmc_init(&mpmc, cells, capacity);
}

/* The ring as it is after `from` elements. */
static void begin_at(uint64_t from)
{
	CHECK_EQ(init(SMALL), 0);
	for (uint64_t i = 0; i < SMALL; i++)
		cells[(from + i) % SMALL].turn = from + i;
	if (single)
		mpsc.push_at = mpsc.pop_at = from;
	else
		mpmc.push_at = mpmc.pop_at = from;
}

static void alone(uint64_t from)
{
	static char what[2 * SMALL];
	void *got = what;

	begin_at(from);
	CHECK(!pop(&got) && got == what && count() == 0);
	CHECK(push(NULL) && count() == 1 && pop(&got) && got == NULL && count() == 0);
	for (int lap = 0; lap < 5; lap++) {
		for (int i = 0; i < SMALL; i++)
			CHECK(push(&what[i]) && count() == (size_t)i + 1);
		CHECK(!push(&what[0]) && count() == SMALL);
		/* room for one, and one comes */
		CHECK(pop(&got) && got == &what[0] && push(&what[SMALL]) && !push(&what[0]));
		for (int i = 1; i <= SMALL; i++)
			CHECK(pop(&got) && got == &what[i]);
		CHECK(!pop(&got));
		/* half full, so that each lap begins at another place */
		for (int i = 0; i < 3; i++)
			CHECK(push(&what[i]));
		for (int i = 0; i < 3; i++)
			CHECK(pop(&got) && got == &what[i]);
	}
}

/* A producer that stands still after its claim: what is behind it waits, nothing is lost or mixed up. */
static void unpublished(void)
{
	uint64_t *at = single ? &mpsc.push_at : &mpmc.push_at, p;
	void *got = NULL;
	static char what[SMALL];

	begin_at(0);
	CHECK(push(&what[0]));
	p = (*at)++;
	CHECK(push(&what[2]) && push(&what[3]) && !push(&what[0]));
	CHECK(pop(&got) && got == &what[0] && !pop(&got) && got == &what[0]);
	CHECK(push(&what[0]) && !push(&what[0]));
	cells[p % SMALL].element = &what[1];
	__atomic_store_n(&cells[p % SMALL].turn, p + 1, __ATOMIC_RELEASE);
	for (int i = 1; i < SMALL; i++)
		CHECK(pop(&got) && got == &what[i]);
	CHECK(pop(&got) && got == &what[0] && !pop(&got));
}

static void *produce(void *arg)
{
	long me = (long)arg;

	for (long i = 0; i < EACH; i++) {
		struct item *item = &items[me][i];

		item->producer = me;
		item->number = i;
		item->square = i * i;
		while (!push(item))
			sched_yield();
	}
	return NULL;
}

static void *consume(void *arg)
{
	long last[PRODUCERS];

	(void)arg;
	for (int i = 0; i < PRODUCERS; i++)
		last[i] = -1;
	while (__atomic_load_n(&popped, __ATOMIC_RELAXED) < (long)PRODUCERS * EACH) {
		struct item *item;
		void *got;

		if (!pop(&got)) {
			sched_yield();
			continue;
		}
		item = got;
		CHECK_EQ(item->square, item->number * item->number);
		CHECK(item == &items[item->producer][item->number]);
		CHECK(item->number > last[item->producer]);
		if (single)
			CHECK_EQ(item->number, last[item->producer] + 1);
		last[item->producer] = item->number;
		item->square = -1;
		CHECK_EQ(__atomic_fetch_add(&item->out, 1, __ATOMIC_RELAXED), 0);
		__atomic_fetch_add(&popped, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void storm(int consumers)
{
	pthread_t p[PRODUCERS], c[CONSUMERS];
	void *got;

	memset(items, 0, sizeof(items));
	popped = 0;
	begin_at(0);
	for (long i = 0; i < consumers; i++)
		c[i] = check_spawn(consume, NULL);
	for (long i = 0; i < PRODUCERS; i++)
		p[i] = check_spawn(produce, (void *)i);
	for (int i = 0; i < PRODUCERS; i++)
		check_join(p[i]);
	for (int i = 0; i < consumers; i++)
		check_join(c[i]);
	CHECK(!pop(&got) && count() == 0);
	CHECK_EQ(popped, PRODUCERS * EACH);
	for (int i = 0; i < PRODUCERS; i++)
		for (int k = 0; k < EACH; k++)
			CHECK_EQ(items[i][k].out, 1);
}

int main(void)
{
	for (int kind = 0; kind < 2; kind++) {
		single = kind != 0;
		CHECK(init(0) == -EINVAL && init(1) == -EINVAL && init(3) == -EINVAL && init(2) == 0);
		alone(0);
		alone(SMALL * 1000);
		alone(0ull - 2 * SMALL);
		unpublished();
		storm(single ? 1 : CONSUMERS);
	}
	return 0;
}
