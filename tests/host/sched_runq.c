// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sched/runq.c,lib/rbtree.c sanitize=address,undefined
/*
 * One CPU's run queue against a model that keeps an unordered array and looks through all of it.
 *
 * Promises kept: order (real time by priority, then fair by virtual runtime, equals in order of arrival, those put in
 * front before them); counts and load; CPU time in proportion to the weights, whatever the slices; sleeping earns no more than
 * the credit; nobody starves behind sleepers, yielders and newcomers; moving to another queue keeps the distance; yield
 * goes behind all; FIFO in `coop`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "sched/runq.h"

#define CHECK(x)                                                        \
	do {                                                            \
		if (!(x)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x); \
			exit(1);                                        \
		}                                                       \
	} while (0)

static uint64_t seed = 88172645463325252ull;
static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

struct item {
	struct runq_entity e;
	long arrival; /* order among equals */
	bool queued;
	uint64_t ran;
};

static struct item *item_of(struct runq_entity *e)
{
	return e ? container_of(e, struct item, e) : NULL;
}

static void set_prio(struct item *it, unsigned prio)
{
	it->e.prio = prio;
	it->e.weight = runq_weight(prio, false);
}

/* ---- order ---- */

static int model_before(const struct item *a, const struct item *b)
{
	if (a->e.prio < RUNQ_PRIO_FAIR || b->e.prio < RUNQ_PRIO_FAIR) {
		unsigned pa = MIN(a->e.prio, RUNQ_PRIO_FAIR), pb = MIN(b->e.prio, RUNQ_PRIO_FAIR);

		return pa != pb ? pa < pb : a->arrival < b->arrival;
	}
	if (a->e.vruntime != b->e.vruntime)
		return (int64_t)(a->e.vruntime - b->e.vruntime) < 0;
	return a->arrival < b->arrival;
}

#define ITEMS 60
static void order(bool fifo, uint64_t start)
{
	static struct item it[ITEMS];
	long front = -1, back = 1;
	struct runq q;

	memset(it, 0, sizeof(it));
	runq_init(&q, fifo);
	q.min_vruntime = start;
	for (int i = 0; i < ITEMS; i++)
		set_prio(&it[i], i % 3 ? 100 + rnd(40) : rnd(4));
	for (int step = 0; step < 40000; step++) {
		struct item *i = &it[rnd(ITEMS)], *best = NULL;
		unsigned count = 0;
		uint64_t load = 0;

		if (i->queued) {
			if (rnd(2))
				i = item_of(runq_first(&q));
			runq_del(&q, &i->e);
			i->queued = false;
			if (rnd(2))
				runq_charge(&q, &i->e, rnd(5) * 100000);
		} else {
			enum runq_how how = rnd(3);

			if (rnd(8) == 0)
				set_prio(i, i->e.prio < 100 ? rnd(4) : 100 + rnd(40));
			runq_add(&q, &i->e, how);
			i->arrival = how == RUNQ_FRONT ? front-- : back++;
			i->queued = true;
		}
		for (int k = 0; k < ITEMS; k++) {
			if (!it[k].queued)
				continue;
			count++;
			load += it[k].e.weight;
			if (!best || model_before(&it[k], best))
				best = &it[k];
		}
		CHECK(item_of(runq_first(&q)) == best);
		CHECK(runq_count(&q) == count && runq_load(&q) == load);
		if (step % 64 == 0) {
			unsigned seen = 0;

			for (struct runq_entity *e = runq_first(&q), *last = NULL; e;
			     last = e, e = runq_next(e), seen++)
				CHECK(!last || model_before(item_of(last), item_of(e)));
			CHECK(seen == count);
		}
	}
}

/* ---- a CPU ---- */

/* The current one has run for `ns`; who is next? */
static struct item *turn(struct runq *q, struct item *cur, uint64_t ns)
{
	runq_charge(q, &cur->e, ns);
	cur->ran += ns;
	if (!runq_first_goes(q, &cur->e, false))
		return cur;
	runq_add(q, &cur->e, RUNQ_BACK);
	cur = item_of(runq_first(q));
	runq_del(q, &cur->e);
	return cur;
}

static void shares(const int *nice, int n)
{
	struct item it[8] = { 0 }, *cur;
	uint64_t total = 0, weight = 0;
	struct runq q;

	runq_init(&q, false);
	for (int i = 0; i < n; i++) {
		set_prio(&it[i], (unsigned)(120 + nice[i]));
		weight += it[i].e.weight;
		runq_add(&q, &it[i].e, RUNQ_BACK);
	}
	cur = item_of(runq_first(&q));
	runq_del(&q, &cur->e);
	while (total < 200000000000ull) {
		/* slices are cut short now and then */
		uint64_t ns = rnd(4) ? runq_slice_ns(&q) : rnd((unsigned)runq_slice_ns(&q)) + 1;

		CHECK(ns <= RUNQ_SLICE_MAX_NS);
		total += ns;
		cur = turn(&q, cur, ns);
	}
	for (int i = 0; i < n; i++) {
		double want = (double)total * it[i].e.weight / (double)weight;

		CHECK(it[i].ran > want * 0.97 - 2e7 && it[i].ran < want * 1.03 + 2e7);
	}
}

/* A thread that only runs, against one that sleeps after each short run: the sleeper gets what it asks for up to its half. */
static void sleeper(uint64_t run_ns, uint64_t sleep_ns)
{
	struct item hog = { 0 }, s = { 0 };
	uint64_t now = 0, wake_at = 0, late = 0;
	bool sleeping = true;
	struct runq q;

	runq_init(&q, false);
	set_prio(&hog, 120);
	set_prio(&s, 120);
	while (now < 20000000000ull) {
		/* the hog runs; steps of 0.1 ms */
		now += 100000;
		runq_charge(&q, &hog.e, 100000);
		hog.ran += 100000;
		if (sleeping && now >= wake_at) {
			runq_add(&q, &s.e, RUNQ_WOKEN);
			CHECK(s.e.vruntime + RUNQ_CREDIT_NS >= q.min_vruntime);
			sleeping = false;
			wake_at = now;
		}
		if (sleeping || !(runq_preempts(&q, &s.e, &hog.e, 0) || now - wake_at >= RUNQ_SLICE_MAX_NS))
			continue;
		if (!runq_first_goes(&q, &hog.e, false)) {
			wake_at = now;
			continue;
		}
		late = MAX(late, now - wake_at);
		runq_add(&q, &hog.e, RUNQ_BACK);
		runq_del(&q, &s.e);
		runq_charge(&q, &s.e, run_ns);
		s.ran += run_ns;
		now += run_ns;
		sleeping = true;
		wake_at = now + sleep_ns;
		CHECK(runq_first(&q) == &hog.e);
		runq_del(&q, &hog.e);
	}
	CHECK(hog.ran >= now * 47 / 100);
	/* one that uses little waits little */
	if (run_ns * 4 < sleep_ns)
		CHECK(late <= RUNQ_GRANULARITY_NS + 200000);
}

/* Sleepers with credit and newcomers without end: the one that waits is served in bounded time. */
static void starvation(void)
{
	static struct item it[20];
	struct item waits = { 0 }, *cur;
	uint64_t now = 0, since = 0, longest = 0;
	unsigned turns = 0;
	struct runq q;

	runq_init(&q, false);
	set_prio(&waits, 139);
	runq_add(&q, &waits.e, RUNQ_BACK);
	for (int i = 0; i < 20; i++) {
		set_prio(&it[i], 100 + rnd(40));
		runq_add(&q, &it[i].e, RUNQ_BACK);
	}
	cur = item_of(runq_first(&q));
	runq_del(&q, &cur->e);
	while (now < 300000000000ull) {
		uint64_t ns = rnd(2000000) + 1;

		now += ns;
		runq_charge(&q, &cur->e, ns);
		if (cur == &waits) {
			longest = MAX(longest, now - since);
			since = now;
			turns++;
		}
		switch (rnd(4)) {
		case 0: /* sleeps, and is back at once */
			runq_add(&q, &cur->e, RUNQ_WOKEN);
			break;
		case 1:
			runq_yield(&q, &cur->e);
			runq_add(&q, &cur->e, RUNQ_BACK);
			break;
		case 2: /* a newcomer takes its place */
			if (cur != &waits)
				cur->e.clock = NULL;
			/* fallthrough */
		default:
			runq_add(&q, &cur->e, RUNQ_BACK);
		}
		cur = item_of(runq_first(&q));
		runq_del(&q, &cur->e);
	}
	CHECK(turns > 20 && longest < 60000000000ull);
}

static void yields(void)
{
	struct item it[5] = { 0 }, *cur;
	struct runq q;

	runq_init(&q, false);
	for (int i = 0; i < 5; i++) {
		set_prio(&it[i], (unsigned)(118 + i));
		runq_add(&q, &it[i].e, RUNQ_BACK);
	}
	cur = item_of(runq_first(&q));
	runq_del(&q, &cur->e);
	for (int r = 0; r < 1000; r++) {
		struct item *last;

		runq_charge(&q, &cur->e, rnd(1000000));
		runq_yield(&q, &cur->e);
		CHECK(runq_first_goes(&q, &cur->e, true));
		runq_add(&q, &cur->e, RUNQ_BACK);
		last = cur;
		for (struct runq_entity *e = runq_first(&q); e; e = runq_next(e))
			if (!runq_next(e))
				CHECK(item_of(e) == last);
		cur = item_of(runq_first(&q));
		runq_del(&q, &cur->e);
	}
}

/* Next to one of least weight, which is far ahead after a slice: a yield costs no more than the others' slices, and reaches it. */
static void yields_far(void)
{
	struct item it[3] = { 0 }, *cur;
	uint64_t waited = 0, longest = 0;
	unsigned calls = 0;
	struct runq q;

	runq_init(&q, false);
	for (int i = 0; i < 3; i++) {
		set_prio(&it[i], 120);
		runq_add(&q, &it[i].e, RUNQ_BACK);
	}
	runq_del(&q, &it[2].e);
	it[2].e.weight = runq_weight(139, true);
	runq_charge(&q, &it[2].e, RUNQ_SLICE_MIN_NS);
	runq_add(&q, &it[2].e, RUNQ_BACK);
	CHECK(it[2].e.vruntime - q.min_vruntime > 500000000);
	cur = item_of(runq_first(&q));
	runq_del(&q, &cur->e);
	for (int r = 0; r < 1000; r++) {
		if (cur == &it[0]) {
			longest = MAX(longest, waited);
			waited = 0;
			runq_yield(&q, &cur->e);
			cur = turn(&q, cur, 1000);
		} else {
			waited += RUNQ_SLICE_MIN_NS;
			cur = turn(&q, cur, RUNQ_SLICE_MIN_NS);
		}
	}
	CHECK(longest > 0 && longest <= 2 * RUNQ_PERIOD_NS);
	/* alone with it */
	if (cur != &it[1]) {
		runq_add(&q, &cur->e, RUNQ_BACK);
		runq_del(&q, &it[1].e);
	}
	if (cur != &it[0]) {
		runq_del(&q, &it[0].e);
		if (cur == &it[2])
			runq_add(&q, &cur->e, RUNQ_BACK);
	}
	for (cur = &it[0]; cur == &it[0] && calls < 10000; calls++) {
		runq_yield(&q, &cur->e);
		cur = turn(&q, cur, 1000);
	}
	CHECK(cur == &it[2]);
}

/* One had the CPU for itself, which no clock was told; then others come. It gets its share at once. */
static void after_being_alone(bool woken)
{
	struct item hog = { 0 }, other = { 0 }, *cur;
	uint64_t ran;
	struct runq q;

	runq_init(&q, false);
	set_prio(&hog, 120);
	set_prio(&other, 120);
	runq_add(&q, &hog.e, RUNQ_BACK);
	runq_del(&q, &hog.e);
	if (woken) {
		runq_add(&q, &other.e, RUNQ_BACK);
		runq_del(&q, &other.e);
	}
	runq_add(&q, &other.e, woken ? RUNQ_WOKEN : RUNQ_BACK);
	cur = turn(&q, &hog, 3600000000000ull);
	CHECK(cur == &other);
	ran = hog.ran;
	for (int i = 0; i < 20; i++)
		cur = turn(&q, cur, RUNQ_SLICE_MAX_NS);
	CHECK(hog.ran - ran >= 9 * RUNQ_SLICE_MAX_NS && other.ran >= 9 * RUNQ_SLICE_MAX_NS);
	/* and when the others have gone the clock is right again */
	if (cur == &hog)
		runq_del(&q, &other.e);
	else
		runq_del(&q, &hog.e);
	runq_charge(&q, &hog.e, 3600000000000ull);
	runq_add(&q, &other.e, RUNQ_WOKEN);
	CHECK(other.e.vruntime + RUNQ_CREDIT_NS >= hog.e.vruntime);
}

/* Between two clocks that are far apart. */
static void moves(void)
{
	struct item a = { 0 }, b = { 0 };
	struct runq q, r;
	int64_t lag;

	runq_init(&q, false);
	runq_init(&r, false);
	q.min_vruntime = 5000000000ull;
	r.min_vruntime = 77;
	set_prio(&a, 120);
	set_prio(&b, 120);
	runq_add(&q, &a.e, RUNQ_BACK);
	runq_add(&q, &b.e, RUNQ_BACK);
	runq_del(&q, &b.e);
	runq_charge(&q, &b.e, 1234567);
	lag = (int64_t)(b.e.vruntime - q.min_vruntime);
	CHECK(lag == 1234567);
	runq_add(&r, &b.e, RUNQ_BACK);
	CHECK((int64_t)(b.e.vruntime - r.min_vruntime) == lag);
	runq_del(&r, &b.e);
	runq_add(&q, &b.e, RUNQ_BACK);
	CHECK((int64_t)(b.e.vruntime - q.min_vruntime) == lag);
	/* the clock it comes from jumps on while it is in no queue: no more than the credit */
	runq_del(&q, &b.e);
	runq_del(&q, &a.e);
	runq_charge(&q, &a.e, 3600000000000ull);
	runq_add(&r, &b.e, RUNQ_BACK);
	CHECK(b.e.vruntime + RUNQ_CREDIT_NS == r.min_vruntime);
}

static void real_time(void)
{
	struct item a = { 0 }, b = { 0 }, f = { 0 };
	struct runq q;

	runq_init(&q, false);
	set_prio(&a, 50);
	set_prio(&b, 50);
	set_prio(&f, 100);
	runq_add(&q, &f.e, RUNQ_BACK);
	/* a fair one never goes before a real-time one, equals only when the turn is over */
	CHECK(!runq_first_goes(&q, &a.e, true) && !runq_preempts(&q, &f.e, &a.e, 1ull << 40));
	runq_add(&q, &b.e, RUNQ_BACK);
	CHECK(runq_first(&q) == &b.e);
	CHECK(!runq_first_goes(&q, &a.e, false) && runq_first_goes(&q, &a.e, true));
	CHECK(!runq_preempts(&q, &b.e, &a.e, 1ull << 40) && runq_preempts(&q, &b.e, &f.e, 0));
	set_prio(&a, 51);
	CHECK(runq_first_goes(&q, &a.e, false) && runq_preempts(&q, &b.e, &a.e, 0));
}

int main(void)
{
	static const int equal[] = { 0, 0, 0, 0, 0 }, steps[] = { -2, -1, 0, 1, 2, 3 }, far[] = { -20, 0, 19 },
			 two[] = { 5, 0 };

	for (unsigned p = 100; p < 139; p++) {
		double r = (double)runq_weight(p, false) / runq_weight(p + 1, false);

		CHECK(r > 1.17 && r < 1.30);
	}
	CHECK(runq_weight(120, false) == 1024 && runq_weight(120, true) < runq_weight(139, false));
	order(false, 0);
	order(false, UINT64_MAX - 500000); /* virtual time wraps */
	order(true, 0);
	shares(equal, 5);
	shares(steps, 6);
	shares(far, 3);
	shares(two, 2);
	sleeper(100000, 1000000);
	sleeper(500000, 100000);
	sleeper(3000000, 10000);
	sleeper(20000, 20000000);
	starvation();
	yields();
	yields_far();
	after_being_alone(false);
	after_being_alone(true);
	moves();
	real_time();
	puts("ok");
	return 0;
}
