// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which CPU goes on, as a function of a seed.
 *
 * A run is a sequence of numbered points. At each point one CPU has the baton; choose() says who has it afterwards. It is asked at
 * every point that s->next names, whenever somebody halts or spins, and at once after somebody has woken up; in between the
 * answer is "the same", so the caller need not ask. Same seed and same questions, same answers.
 *
 * walk: a random walk. The baton changes after a random number of points, geometrically distributed, to any other
 * runnable CPU. The mean is drawn from the seed: 2 finds windows of a few instructions, 512 finds what needs long undisturbed
 * runs on one side. One turn in LONG_TURN is as many times as long: where CPUs of the same speed would undo each other's work for ever,
 * one of them gets through. A CPU that wakes up goes on at once in one case of four. And for most seeds there are places where CPUs stall: at
 * one change point of the code in so many, chosen by its address, mostly in the program and its C library, whoever comes there may
 * be left behind for a long time while the others go on. That finds a window that is passed once in a long run: places are fewer
 * than points by far (the idea of DataCollider: Erickson et al., "Effective data-race detection for the kernel", OSDI 2010).
 *
 * even: the same walk with a mean of EVEN_MEAN, no long turns and nobody left behind: CPUs of about the same speed, for what has to
 * be fair among such.
 *
 * pct: priorities with few changes (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic
 * guarantees of finding bugs", ASPLOS 2010). Each CPU has a random priority, the highest runnable one runs; at `depth` points that
 * are drawn among `steps`, the running one becomes the lowest of all. Runs of unknown length: another `depth` points are
 * drawn for every further `steps`. Who spins becomes the lowest, too, and so does who has run BOUND points while others could:
 * a loop that waits without saying so cannot keep the one it waits for from running.
 *
 * A list: exactly these switches. Where it says nothing and somebody else has to go on, it is the lowest runnable CPU after a
 * halt, the next one in a circle after a spin; the same after LIST_BOUND points without a switch, which no recorded
 * run has.
 *
 * Time jumps (replay.c) are drawn here, from a stream of their own: they depend on the seed alone.
 *
 * No locks, no memory, integers only; one caller at a time.
 */
#include "plat/host/replay.h"

#include "lib/string.h"
#include "lib/util.h"

#define DEFAULT_LIMIT 2000000000ull
#define BOUND	      30000u
#define LONG_TURN     64u /* one turn in so many is so many times as long */
#define EVEN_MEAN     8u
#define STALL_MIN     1024ull
#define STALL_SIZES   11u /* up to STALL_MIN << 10 */
#define LIST_BOUND    1000000u

/* What the streams of a seed are for. */
#define STREAM_PARAMETERS 1
#define STREAM_SCHEDULE	  2
#define STREAM_JUMPS	  3

/* ---- options ---- */

static const char *number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (v > (max - digit) / 10)
			return NULL;
		v = v * 10 + digit;
	}
	*out = v;
	return s;
}

const char *replay_parse(const char *text, struct replay_options *o)
{
	const char *s = text ? text : "";
	uint64_t n = 0;

	*o = (struct replay_options){ .limit = DEFAULT_LIMIT, .out = -1, .list = -1 };
	if (*s && !(s = number(s, UINT64_MAX, &o->seed)))
		return "tutti.replay: a seed is wanted, a decimal number";
	o->strategy = o->seed & 1 ? REPLAY_PCT : REPLAY_WALK;
	while (*s == ',') {
		s++;
		if (str_has_prefix(s, "strategy=walk")) {
			s += str_len("strategy=walk");
			o->strategy = REPLAY_WALK;
		} else if (str_has_prefix(s, "strategy=even")) {
			s += str_len("strategy=even");
			o->strategy = REPLAY_EVEN;
		} else if (str_has_prefix(s, "strategy=pct")) {
			s += str_len("strategy=pct");
			o->strategy = REPLAY_PCT;
		} else if (str_has_prefix(s, "depth=")) {
			s = number(s + str_len("depth="), REPLAY_DEPTH_MAX, &n);
			o->depth = (unsigned)n;
		} else if (str_has_prefix(s, "steps=")) {
			s = number(s + str_len("steps="), UINT64_MAX / 2, &o->steps);
		} else if (str_has_prefix(s, "steps-limit=")) {
			s = number(s + str_len("steps-limit="), UINT64_MAX / 2, &o->limit);
		} else if (str_has_prefix(s, "out=")) {
			s = number(s + str_len("out="), 1 << 20, &n);
			o->out = (int)n;
		} else if (str_has_prefix(s, "list=")) {
			s = number(s + str_len("list="), 1 << 20, &n);
			o->list = (int)n;
		} else {
			s = NULL;
		}
		if (!s)
			break;
	}
	if (!s || *s)
		return "tutti.replay: after the seed come strategy=walk|pct|even, depth=N (up to 1000), steps=N, steps-limit=N, out=FD, "
		       "list=FD";
	return NULL;
}

const char *replay_strategy_name(const struct replay_options *o)
{
	static const char *const names[] = { [REPLAY_WALK] = "walk", [REPLAY_PCT] = "pct", [REPLAY_EVEN] = "even" };

	return o->list >= 0 ? "list" : names[o->strategy];
}

/* ---- numbers ---- */

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

uint64_t replay_random(struct replay_random *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return mix(r->state);
}

struct replay_random replay_random_stream(uint64_t seed, unsigned stream)
{
	return (struct replay_random){ mix(seed + 1) ^ mix(~(uint64_t)stream) };
}

uint64_t replay_hash(uint64_t hash, uint64_t event)
{
	return mix(hash + 0x9e3779b97f4a7c15ull) ^ mix(event + 1);
}

/* 0 .. n - 1 */
static uint64_t below(struct replay_random *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)replay_random(r) * n >> 64);
}

/*
 * At least 1; geometric with about this mean: the integer part of an exponential, which is -ln(u) * mean for a uniform u. The
 * logarithm to base 2 is the number of leading zeros and a straight line in between.
 */
static uint64_t distance(struct replay_random *r, uint64_t mean)
{
	uint64_t u = replay_random(r) | 1;
	unsigned zeros = (unsigned)__builtin_clzll(u);
	/* 16 bits behind the point; the highest bit of the mantissa is always set */
	uint64_t mantissa = (u << zeros) >> 47 & 0xffff;
	uint64_t log2 = ((uint64_t)zeros << 16) + (0x10000 - mantissa);

	/* ln 2 = 45426 / 65536 */
	return 1 + ((log2 * 45426 >> 16) * (mean - 1) >> 16);
}

/* ---- sets ---- */

static unsigned nth(const struct cpumask *m, uint64_t n)
{
	int cpu = cpumask_next(m, 0);

	while (n--)
		cpu = cpumask_next(m, (unsigned)cpu + 1);
	return (unsigned)cpu;
}

static unsigned next_in_circle(const struct cpumask *m, unsigned me)
{
	int cpu = cpumask_next(m, me + 1);

	return (unsigned)(cpu >= 0 ? cpu : cpumask_next(m, 0));
}

/* ---- walk ---- */

/* Points until the baton goes on. */
static uint64_t turn(struct replay_schedule *s)
{
	uint64_t points = distance(&s->random, s->mean);

	return s->even || below(&s->random, LONG_TURN) ? points : points * LONG_TURN;
}

/* Does a CPU that gets here stall? Likely at a new place, less and less at one that has been seen often. */
static bool stalls_here(struct replay_schedule *s, uintptr_t site)
{
	uint64_t h;
	uint16_t *visits;

	if (!s->site_share || !site)
		return false;
	h = mix(site ^ s->site_salt);
	if (h % s->site_share)
		return false;
	visits = &s->visits[h / s->site_share % REPLAY_SITES];
	*visits += *visits < UINT16_MAX;
	return !below(&s->random, 2 + *visits / 4u);
}

static void stall(struct replay_schedule *s, unsigned cpu, uint64_t n)
{
	cpumask_set(&s->stalled, cpu);
	s->stall_end[cpu] = n + (STALL_MIN << below(&s->random, STALL_SIZES));
}

/* The stalled CPU of these whose time comes first goes on. */
static unsigned end_a_stall(struct replay_schedule *s, const struct cpumask *stalled)
{
	int first = cpumask_next(stalled, 0);

	cpumask_foreach(cpu, stalled) if (s->stall_end[cpu] < s->stall_end[first]) first = cpu;
	cpumask_clear(&s->stalled, (unsigned)first);
	return (unsigned)first;
}

static unsigned choose_walk(struct replay_schedule *s, unsigned kind, uint64_t n, unsigned me,
			    const struct cpumask *runnable, uintptr_t site)
{
	struct cpumask others = *runnable, waiting = { { 0 } };
	bool stays = cpumask_test(runnable, me);
	unsigned count, to;

	cpumask_clear(&others, me);
	if (cpumask_empty(&others)) {
		cpumask_clear_all(&s->stalled);
		s->next = REPLAY_NEVER;
		return me;
	}
	cpumask_foreach(cpu, &s->stalled)
	{
		if (s->stall_end[cpu] <= n) {
			cpumask_clear(&s->stalled, (unsigned)cpu);
		} else if (cpumask_test(&others, (unsigned)cpu)) {
			cpumask_set(&waiting, (unsigned)cpu);
			cpumask_clear(&others, (unsigned)cpu);
		}
	}
	if (kind == REPLAY_POINT && stalls_here(s, site)) {
		stall(s, me, n);
	} else if (kind == REPLAY_POINT && n < s->turn_end) {
		s->next = s->site_share ? n + 1 : s->turn_end;
		return me;
	}
	count = cpumask_weight(&others);
	if (!count && kind == REPLAY_POINT && !cpumask_test(&s->stalled, me))
		to = me; /* the others stall */
	else if (!count)
		to = end_a_stall(s, &waiting);
	else if (kind == REPLAY_HALT && stays && !below(&s->random, count + 1))
		to = me; /* a halted CPU that has been woken meanwhile is one of those that may go on */
	else
		to = nth(&others, below(&s->random, count));
	s->turn_end = n + turn(s);
	s->next = s->site_share ? n + 1 : s->turn_end;
	return to;
}

/* ---- pct ---- */

static void draw_changes(struct replay_schedule *s)
{
	for (unsigned i = 0; i < s->depth; i++) {
		uint64_t at = s->window + below(&s->random, s->steps);
		unsigned k = i;

		for (; k && s->change[k - 1] > at; k--)
			s->change[k] = s->change[k - 1];
		s->change[k] = at;
	}
	s->changes_taken = 0;
	s->window += s->steps;
}

static bool change_due(struct replay_schedule *s, uint64_t n)
{
	bool due = false;

	for (;;) {
		if (s->changes_taken == s->depth)
			draw_changes(s);
		if (s->change[s->changes_taken] > n)
			return due;
		s->changes_taken++;
		due = true;
	}
}

static unsigned choose_pct(struct replay_schedule *s, unsigned kind, uint64_t n, unsigned me,
			   const struct cpumask *runnable)
{
	struct cpumask others = *runnable;
	unsigned best = me;

	cpumask_clear(&others, me);
	s->alone = cpumask_empty(&others);
	if (s->alone)
		s->since = n;
	if (change_due(s, n) || (kind == REPLAY_SPIN && !s->alone) || n - s->since >= BOUND)
		s->priority[me] = --s->lowest;
	if (!cpumask_test(runnable, me))
		best = (unsigned)cpumask_next(runnable, 0);
	cpumask_foreach(cpu, &others) if (s->priority[cpu] > s->priority[best]) best = (unsigned)cpu;
	if (best != me)
		s->since = n;
	s->next = s->change[s->changes_taken];
	if (!s->alone)
		s->next = MIN(s->next, s->since + BOUND);
	return best;
}

/* ---- list ---- */

static void next_entry(struct replay_schedule *s)
{
	if (!s->list(&s->list_point, &s->list_cpu))
		s->list_point = REPLAY_NEVER;
}

static unsigned choose_listed(struct replay_schedule *s, unsigned kind, uint64_t n, unsigned me,
			      const struct cpumask *runnable)
{
	bool stays = cpumask_test(runnable, me);
	unsigned to = me;

	/* entries that nobody asked about are for a run that went another way */
	while (s->list_point < n)
		next_entry(s);
	if (s->list_point == n && s->list_cpu < s->cpus && cpumask_test(runnable, s->list_cpu))
		to = s->list_cpu;
	else if (!stays)
		to = (unsigned)cpumask_next(runnable, 0);
	else if (kind == REPLAY_SPIN || n - s->since >= LIST_BOUND)
		to = next_in_circle(runnable, me);
	if (s->list_point == n)
		next_entry(s);
	s->alone = stays && cpumask_weight(runnable) == 1;
	if (to != me || s->alone)
		s->since = n;
	s->next = s->list_point;
	if (!s->alone)
		s->next = MIN(s->next, s->since + LIST_BOUND);
	return to;
}

/* ---- all ---- */

void replay_schedule_init(struct replay_schedule *s, const struct replay_options *o, unsigned cpus, uint64_t n,
			  replay_list_fn list)
{
	static const unsigned means[] = { 2, 8, 32, 128, 512 };
	static const unsigned jumps[] = { 1024, 4096, 16384, 65536, 0 };
	/* a program has some hundred places, the kernel thousands */
	static const struct {
		unsigned share;
		bool app;
	} sites[] = { { 0, false }, { 0, false }, { 0, false }, { 64, false }, { 512, false },
		      { 4, true },  { 8, true },  { 16, true }, { 32, true },  { 64, true } };
	struct replay_random r = replay_random_stream(o->seed, STREAM_PARAMETERS);
	unsigned kind;

	*s = (struct replay_schedule){ .cpus = cpus, .pct = o->strategy == REPLAY_PCT, .list = list };
	s->random = replay_random_stream(o->seed, STREAM_SCHEDULE);
	s->jump_random = replay_random_stream(o->seed, STREAM_JUMPS);
	/* the same numbers are drawn whatever they are for, so a listed run has the jumps of the run that it lists */
	s->mean = means[below(&r, ARRAY_SIZE(means))];
	s->jump_mean = jumps[below(&r, ARRAY_SIZE(jumps))];
	s->depth = 1 + (unsigned)below(&r, 5);
	s->steps = 1ull << (12 + below(&r, 9));
	kind = (unsigned)below(&r, ARRAY_SIZE(sites));
	s->site_share = sites[kind].share;
	s->sites_app = sites[kind].app;
	s->site_salt = replay_random(&r);
	if (o->strategy == REPLAY_EVEN && !list) {
		s->even = true;
		s->mean = EVEN_MEAN;
		s->site_share = 0;
	}
	if (o->depth)
		s->depth = o->depth;
	if (o->steps)
		s->steps = o->steps;
	s->jump = n;
	replay_jumped(s);
	s->since = n;
	s->next = n + 1;
	if (list) {
		next_entry(s);
	} else if (s->pct) {
		/* a random order: Fisher and Yates */
		for (unsigned i = 0; i < cpus; i++) {
			unsigned k = (unsigned)below(&s->random, i + 1);

			s->priority[i] = s->priority[k];
			s->priority[k] = (int64_t)i;
		}
		s->window = n;
		draw_changes(s);
	}
}

unsigned replay_choose(struct replay_schedule *s, unsigned kind, uint64_t n, unsigned me,
		       const struct cpumask *runnable, uintptr_t site)
{
	if (s->list)
		return choose_listed(s, kind, n, me, runnable);
	if (s->pct)
		return choose_pct(s, kind, n, me, runnable);
	return choose_walk(s, kind, n, me, runnable, site);
}

void replay_woken(struct replay_schedule *s, uint64_t n)
{
	if (s->alone)
		s->since = n;
	s->alone = false;
	if (s->list)
		s->next = MIN(s->list_point, s->since + LIST_BOUND);
	else if (s->pct)
		s->next = n + 1;
	else if (!(replay_random(&s->random) & 3))
		s->next = s->turn_end = n + 1;
	else if (s->next == REPLAY_NEVER) {
		s->turn_end = n + turn(s);
		s->next = s->site_share ? n + 1 : s->turn_end;
	}
}

void replay_jumped(struct replay_schedule *s)
{
	s->jump = s->jump_mean ? s->jump + distance(&s->jump_random, s->jump_mean) : REPLAY_NEVER;
}
