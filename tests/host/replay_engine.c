// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=plat/host/replay_schedule.c cflags=-Itests/host/fake,-Wshadow sanitize=address,undefined
/*
 * The schedules of replayed runs, on CPUs that are little programs of this test: each turn a CPU passes a point, spins or halts,
 * and may set a flag or wake another CPU, and the real engine says who has the next turn.
 *
 * Promises kept: the same seed gives the same run, other seeds give others; only CPUs that can run are chosen; a list of the switches
 * that a run took gives that run again; nobody who waits, politely or not, keeps the one he waits for from running; pct makes no more
 * changes than it may and finds an ordering bug as often as its theorem says; walk changes as often as its mean says;
 * time jumps depend on nothing but the seed; keys are understood or refused.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plat/host/replay.h"

#define REQUIRE(x)                                                                        \
	do {                                                                              \
		if (!(x)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                          \
		}                                                                         \
	} while (0)

#define CPUS	 4
#define TRACE	 1000000
#define NO_LIMIT 100000000ull

struct sim;
/* One turn of CPU `cpu`; returns its kind. */
typedef unsigned (*turn_fn)(struct sim *m, unsigned cpu);

static struct {
	uint64_t point;
	unsigned cpu;
} trace[TRACE];
static unsigned traced, listed;

struct sim {
	struct replay_schedule s;
	turn_fn turn;
	uint64_t n;
	unsigned me, cpus, done; /* CPUs that have come to their end */
	struct cpumask halted, pending, ended;
	uint64_t turns[CPUS];
	uint64_t hash;
	unsigned switches;
	/* the programs' own */
	unsigned step[CPUS], flag, seen, order_bug;
};

static void wake(struct sim *m, unsigned cpu)
{
	bool was = cpumask_test(&m->pending, cpu);

	cpumask_set(&m->pending, cpu);
	if (!was && cpumask_test(&m->halted, cpu))
		replay_woken(&m->s, m->n);
}

static bool from_trace(uint64_t *point, unsigned *cpu)
{
	if (listed == traced)
		return false;
	*point = trace[listed].point;
	*cpu = trace[listed++].cpu;
	return true;
}

static void end(struct sim *m, unsigned cpu)
{
	cpumask_set(&m->ended, cpu);
	m->done++;
}

/* Until all have ended, or `limit` points have passed: then false. */
static bool run(struct sim *m, const struct replay_options *o, unsigned cpus, turn_fn turn, bool list, uint64_t limit)
{
	*m = (struct sim){ .turn = turn, .cpus = cpus, .n = 1000 };
	if (!list)
		traced = 0;
	listed = 0;
	replay_schedule_init(&m->s, o, cpus, m->n, list ? from_trace : NULL);
	while (m->n < limit) {
		struct cpumask can;
		uintptr_t site = m->step[m->me] % 97 * 16 + m->me;
		unsigned kind = turn(m, m->me), to;

		m->n++;
		m->turns[m->me]++;
		if (cpumask_test(&m->ended, m->me))
			kind = REPLAY_HALT;
		if (m->done == cpus)
			return true;
		if (kind == REPLAY_HALT)
			cpumask_set(&m->halted, m->me);
		if (kind == REPLAY_POINT && m->n < m->s.next)
			continue;
		cpumask_clear_all(&can);
		for (unsigned i = 0; i < cpus; i++)
			if (!cpumask_test(&m->ended, i) &&
			    (!cpumask_test(&m->halted, i) || cpumask_test(&m->pending, i)))
				cpumask_set(&can, i);
		REQUIRE(!cpumask_empty(&can));
		to = replay_choose(&m->s, kind, m->n, m->me, &can, site);
		REQUIRE(to < cpus && cpumask_test(&can, to));
		REQUIRE(m->s.next > m->n);
		cpumask_clear(&m->halted, to);
		if (to == m->me)
			continue;
		m->switches++;
		m->hash = replay_hash(replay_hash(m->hash, m->n), to);
		if (!list && traced < TRACE) {
			trace[traced].point = m->n;
			trace[traced++].cpu = to;
		}
		m->me = to;
	}
	return false;
}

static struct replay_options options(const char *text)
{
	struct replay_options o;

	REQUIRE(!replay_parse(text, &o));
	return o;
}

static struct replay_options seeded(uint64_t seed, const char *more)
{
	char text[100];

	snprintf(text, sizeof(text), "%llu%s", (unsigned long long)seed, more);
	return options(text);
}

/* ---- programs ---- */

/* Works, spins now and then, sleeps and is woken by the next one; ends after a while. */
static unsigned mixed(struct sim *m, unsigned cpu)
{
	unsigned step = m->step[cpu]++, next = (cpu + 1) % m->cpus;

	/* nobody sleeps for ever: who ends wakes all */
	if (step == 3000) {
		end(m, cpu);
		for (unsigned i = 0; i < m->cpus; i++)
			wake(m, i);
		return REPLAY_POINT;
	}
	if (step % 50 == 7)
		wake(m, next);
	if (step % 400 == 99 && m->done == 0) {
		bool others = false;

		for (unsigned i = 0; i < m->cpus; i++)
			others |= i != cpu && !cpumask_test(&m->halted, i);
		if (others) {
			cpumask_clear(&m->pending, cpu);
			return REPLAY_HALT;
		}
	}
	return step % 31 == 5 ? REPLAY_SPIN : REPLAY_POINT;
}

/* The last CPU sets the flag after a while, all others wait for it: */
static unsigned wait_for_last(struct sim *m, unsigned cpu, unsigned how)
{
	if (cpu == m->cpus - 1) {
		if (m->step[cpu]++ == 100) {
			m->flag = 1;
			end(m, cpu);
		}
		return REPLAY_POINT;
	}
	if (m->flag) {
		end(m, cpu);
		return REPLAY_POINT;
	}
	return how;
}

static unsigned polite(struct sim *m, unsigned cpu)
{
	return wait_for_last(m, cpu, REPLAY_SPIN);
}

static unsigned rude(struct sim *m, unsigned cpu)
{
	return wait_for_last(m, cpu, REPLAY_POINT);
}

static unsigned busy(struct sim *m, unsigned cpu)
{
	(void)m, (void)cpu;
	return REPLAY_POINT;
}

/* CPU 0 looks at step 10 and acts at step 11; the bug is that all of CPU 1's 20 steps happen in between. */
static unsigned window(struct sim *m, unsigned cpu)
{
	unsigned step = m->step[cpu]++;

	if (cpu == 0 && step == 10)
		m->seen = m->step[1];
	if (cpu == 0 && step == 11 && m->seen == 0 && m->step[1] >= 20)
		m->order_bug = 1;
	if (step == 19)
		end(m, cpu);
	return REPLAY_POINT;
}

/* ---- tests ---- */

static const char *const strategies[] = { ",strategy=walk", ",strategy=pct,steps=5000" };

static void same_seed_same_run(void)
{
	static struct sim a, b;

	for (unsigned st = 0; st < 2; st++) {
		uint64_t hashes[100];
		unsigned distinct = 0;

		for (uint64_t seed = 0; seed < 100; seed++) {
			struct replay_options o = seeded(seed, strategies[st]);
			bool fresh = true;

			REQUIRE(run(&a, &o, CPUS, mixed, false, NO_LIMIT));
			REQUIRE(run(&b, &o, CPUS, mixed, false, NO_LIMIT));
			REQUIRE(a.hash == b.hash && a.n == b.n && a.switches == b.switches);
			hashes[seed] = a.hash;
			for (uint64_t i = 0; i < seed; i++)
				fresh &= hashes[i] != a.hash;
			distinct += fresh;
		}
		REQUIRE(distinct >= 95);
	}
}

static void list_is_the_run(void)
{
	static struct sim a, b;

	for (unsigned st = 0; st < 2; st++) {
		for (uint64_t seed = 0; seed < 100; seed++) {
			struct replay_options o = seeded(seed, strategies[st]);

			REQUIRE(run(&a, &o, CPUS, mixed, false, NO_LIMIT));
			REQUIRE(traced == a.switches && traced > CPUS);
			REQUIRE(run(&b, &o, CPUS, mixed, true, NO_LIMIT));
			REQUIRE(a.hash == b.hash && a.n == b.n);
			/* any part of a list is a schedule, too, and ends */
			traced = (unsigned)(seed % traced);
			REQUIRE(run(&b, &o, CPUS, mixed, true, NO_LIMIT));
			REQUIRE(run(&b, &o, CPUS, polite, true, NO_LIMIT));
			REQUIRE(run(&b, &o, CPUS, rude, true, NO_LIMIT));
		}
	}
}

static void waiters_let_others_run(void)
{
	static struct sim m;

	for (unsigned st = 0; st < 2; st++) {
		for (uint64_t seed = 0; seed < 300; seed++) {
			struct replay_options o = seeded(seed, strategies[st]);

			/* 100 turns of work; a stalled CPU (walk) may be left alone for as long as a stall lasts */
			REQUIRE(run(&m, &o, CPUS, polite, false, 20000000));
			REQUIRE(run(&m, &o, CPUS, rude, false, 20000000));
		}
	}
}

static void pct_keeps_its_bounds(void)
{
	static struct sim m;
	unsigned changed = 0, found = 0;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct replay_options o = seeded(seed, ",strategy=pct,depth=3,steps=20000");

		/* one window of points, nobody waits: at most 3 changes, and one when it begins */
		REQUIRE(!run(&m, &o, CPUS, busy, false, 1000 + 19000));
		REQUIRE(m.switches <= 4);
		changed += m.switches > 1;
	}
	REQUIRE(changed > 900);
	for (uint64_t seed = 0; seed < 8000; seed++) {
		struct replay_options o = seeded(seed, ",strategy=pct,depth=1,steps=40");

		REQUIRE(run(&m, &o, 2, window, false, NO_LIMIT));
		found += m.order_bug;
	}
	/* a bug of depth 2: at least 1 / (CPUs * steps) = 1 / 80, that is 100 of 8000; 70 is 3 standard deviations below */
	REQUIRE(found >= 70);
}

static void walk_changes_as_often_as_it_says(void)
{
	static struct sim m;
	unsigned means = 0;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct replay_options o = seeded(seed, ",strategy=walk");
		uint64_t points = 1000000, expected;

		REQUIRE(!run(&m, &o, CPUS, busy, false, 1000 + points));
		for (unsigned i = 0; i < CPUS; i++)
			REQUIRE(m.turns[i] > 0);
		/* one turn in 64 is 64 times as long */
		expected = points * 64 / (127 * m.s.mean);
		means |= 1u << __builtin_ctzll(m.s.mean);
		if (m.s.site_share)
			continue;
		REQUIRE(m.switches > expected * 6 / 10 && m.switches < expected * 16 / 10);
		for (unsigned i = 0; i < CPUS; i++)
			REQUIRE(m.turns[i] > points / CPUS / 3);
	}
	REQUIRE(__builtin_popcount(means) >= 4);
}

static void even_gives_each_the_same(void)
{
	static struct sim m;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct replay_options o = seeded(seed, ",strategy=even");
		uint64_t points = 100000;

		REQUIRE(!run(&m, &o, CPUS, busy, false, 1000 + points));
		for (unsigned i = 0; i < CPUS; i++)
			REQUIRE(m.turns[i] > points / CPUS * 9 / 10 && m.turns[i] < points / CPUS * 11 / 10);
		REQUIRE(m.switches > points / 12 && m.switches < points / 6);
	}
}

static void jumps_depend_on_the_seed_alone(void)
{
	struct replay_schedule a, b;
	unsigned with = 0, without = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct replay_options walk = seeded(seed, strategies[0]), pct = seeded(seed, strategies[1]);

		traced = listed = 0;
		replay_schedule_init(&a, &walk, 2, 77, NULL);
		replay_schedule_init(&b, &pct, CPUS, 77, from_trace);
		with += a.jump != REPLAY_NEVER;
		without += a.jump == REPLAY_NEVER;
		for (unsigned i = 0; i < 20; i++) {
			uint64_t was = a.jump;

			REQUIRE(a.jump == b.jump);
			replay_jumped(&a);
			replay_jumped(&b);
			REQUIRE(a.jump > was || was == REPLAY_NEVER);
		}
	}
	REQUIRE(with > 50 && without > 5);
}

static void keys(void)
{
	static const char *const wrong[] = { "x",
					     "1x",
					     "-1",
					     "1,",
					     "1,depth",
					     "1,depth=",
					     "1,depth=1001",
					     "1,strategy=fair",
					     "1,strategy=walking",
					     "1;out=3",
					     "1,out=3,",
					     "18446744073709551616" };
	struct replay_options o;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		REQUIRE(replay_parse(wrong[i], &o) != NULL);
	o = options("42");
	REQUIRE(o.seed == 42 && o.strategy == REPLAY_WALK && o.out == -1 && o.list == -1 && o.limit > 1000000);
	o = options("43");
	REQUIRE(o.seed == 43 && o.strategy == REPLAY_PCT);
	REQUIRE(!replay_parse(NULL, &o) && o.seed == 0);
	o = options("18446744073709551615,strategy=pct,depth=7,steps=1000,out=5,list=6,steps-limit=99");
	REQUIRE(o.seed == UINT64_MAX && o.strategy == REPLAY_PCT && o.depth == 7 && o.steps == 1000);
	REQUIRE(o.out == 5 && o.list == 6 && o.limit == 99);
	REQUIRE(!strcmp(replay_strategy_name(&o), "list"));
}

int main(void)
{
	keys();
	same_seed_same_run();
	list_is_the_run();
	waiters_let_others_run();
	pct_keeps_its_bounds();
	walk_changes_as_often_as_it_says();
	even_gives_each_the_same();
	jumps_depend_on_the_seed_alone();
	return 0;
}
