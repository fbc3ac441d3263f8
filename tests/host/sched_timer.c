// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sched/timer.c,lib/rbtree.c cflags=-Itests/host/sched_fake,-pthread sanitize=address,undefined,thread
/*
 * The timer wheel against a list of what is armed: random arms, cancels and jumps of the clock, with deadlines from the past
 * to the end of time, on slot boundaries and beside them, and many equal ones. A timer fires once, not before its deadline,
 * never while an earlier one is armed, and not late: the one-shot is never set after the earliest deadline, and to no earlier
 * one when there are few timers. An interrupt does a bounded amount of work. Then four host threads as CPUs: each arms
 * timers on itself and cancels those it finds, wherever they were armed and while they fire; what was cancelled does not run,
 * what was not has run once when cancel returns, and its memory is poisoned then.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mm/slab.h"
#include "plat/plat.h"
#include "sched/timer.h"
#include "sync/percpu.h"

#define CPUS	 4
#define GRAIN	 16
#define GROUP	 6
#define ARMED	 0x600d
#define POISONED 0xdead

struct percpu percpu_areas[CONFIG_MAX_CPUS];
__thread struct percpu *host_cpu;
static uint64_t shots[CPUS]; /* [c] */
static uint64_t fake_now;
static bool real_clock;

#define CHECK(x)                                                                          \
	do {                                                                              \
		if (!(x)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                          \
		}                                                                         \
	} while (0)

/* ---- the machine ---- */

unsigned long arch_irq_flags(void)
{
	return host_cpu->irq_on;
}

void arch_irq_disable(void)
{
	host_cpu->irq_on = 0;
}

void arch_irq_enable(void)
{
	host_cpu->irq_on = 1;
}

void preempt_resched_slow(void)
{
}

void uk_spin_lock_slow(struct uk_spinlock *l)
{
	while (!spin_try_word(l))
		sched_yield();
}

unsigned plat_cpu_count(void)
{
	return CPUS;
}

uint64_t plat_monotonic_ns(void)
{
	struct timespec ts;

	if (!real_clock)
		return fake_now;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void plat_timer_arm(uint64_t deadline_ns)
{
	CHECK(!host_cpu->irq_on);
	shots[host_cpu->idx] = deadline_ns;
}

void plat_crash(struct trap_frame *f, const char *fmt, ...)
{
	(void)f;
	fprintf(stderr, "crash: %s\n", fmt);
	abort();
}

void plat_boot_error(const char *fmt, ...)
{
	fprintf(stderr, "boot: %s\n", fmt);
	abort();
}

void *slab_alloc(struct slab_cache *c)
{
	return aligned_alloc(16, c->size);
}

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 8;
}

/* What the timer upcall does. */
static void interrupt(void)
{
	arch_irq_disable();
	shots[host_cpu->idx] = UINT64_MAX;
	timer_hw_fired();
	timer_run_due();
	timer_program();
	arch_irq_enable();
}

/* ---- one CPU against the reference ---- */

#define MODEL	 400
#define MANY	 20000
#define PER_SHOT 128

struct model {
	struct timer timer;
	uint64_t deadline;
	bool armed;
};

static struct model models[MANY];
static unsigned model_count, model_armed, fired_now;
static uint64_t total_fired, last_fired;
static bool exact; /* the one-shot is the earliest deadline itself */
static uint64_t seed;

/* Earliest armed deadline. */
static uint64_t model_first(void)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < model_count; i++)
		if (models[i].armed && models[i].deadline < first)
			first = models[i].deadline;
	return first;
}

static void model_arm(struct model *m, uint64_t deadline)
{
	CHECK(!m->armed);
	m->deadline = deadline;
	m->armed = true;
	model_armed++;
	timer_arm(&m->timer, deadline);
}

static void model_fired(struct timer *t)
{
	struct model *m = container_of(t, struct model, timer);

	CHECK(m->armed);
	CHECK(m->deadline == t->deadline);
	CHECK(m->deadline <= fake_now);
	if (model_count <= MODEL)
		CHECK(m->deadline == model_first());
	else
		CHECK(m->deadline >= last_fired);
	last_fired = m->deadline;
	CHECK(timer_any_armed());
	m->armed = false;
	model_armed--;
	fired_now++;
	total_fired++;
	/* some callbacks arm again: themselves or another one, in the past too */
	if (model_count <= MODEL && rnd(&seed) % 4 == 0) {
		struct model *other = &models[rnd(&seed) % model_count];

		if (!other->armed)
			model_arm(other, fake_now + rnd(&seed) % 100000);
	}
}

static void model_cancel(struct model *m)
{
	bool was = m->armed;

	if (was) {
		model_armed--;
		exact = false;
	}
	m->armed = false;
	if (rnd(&seed) % 2)
		CHECK(timer_cancel(&m->timer) == was);
	else
		CHECK(timer_try_cancel(&m->timer) == was);
}

static uint64_t some_deadline(void)
{
	uint64_t far = fake_now + (rnd(&seed) >> (rnd(&seed) % 56));
	unsigned shift;

	switch (rnd(&seed) % 8) {
	case 0: /* a boundary of some level, and its neighbours */
		shift = GRAIN + GROUP * (unsigned)(rnd(&seed) % 8);
		far = ((fake_now >> shift) + rnd(&seed) % 70) << shift;
		return far + rnd(&seed) % 3 - 1;
	case 1: /* equal ones */
		return (fake_now | 0xfffff) + 1;
	case 2: /* past */
		return fake_now - rnd(&seed) % (fake_now + 1);
	case 3:
		return UINT64_MAX - 1 - rnd(&seed) % 2;
	case 4: /* near */
		return fake_now + rnd(&seed) % 200000;
	}
	return far < fake_now ? UINT64_MAX - 1 : far;
}

/* Interrupts until nothing is due any more. */
static void take_interrupts(void)
{
	while (shots[0] <= fake_now) {
		fired_now = 0;
		interrupt();
		exact = true;
		CHECK(fired_now <= PER_SHOT);
	}
	CHECK(model_first() > fake_now);
}

static void model_run(uint64_t start, unsigned count, unsigned steps)
{
	fake_now = start;
	exact = false;
	model_count = count;
	for (unsigned i = 0; i < count; i++) {
		timer_init(&models[i].timer, model_fired);
		models[i].armed = false;
		CHECK(!timer_cancel(&models[i].timer));
	}
	for (unsigned step = 0; step < steps; step++) {
		struct model *m = &models[rnd(&seed) % count];
		uint64_t was;

		switch (rnd(&seed) % 8) {
		case 0:
		case 1:
		case 2:
		case 3:
			if (m->armed)
				model_cancel(m);
			model_arm(m, some_deadline());
			break;
		case 4:
			model_cancel(m);
			break;
		default:
			was = fake_now;
			fake_now += rnd(&seed) % 4 ? rnd(&seed) % 300000 : rnd(&seed) >> (10 + rnd(&seed) % 40);
			if (rnd(&seed) % 4 == 0 && shots[0] != UINT64_MAX && shots[0] > was)
				fake_now = shots[0];
			if (fake_now < was || fake_now >= UINT64_MAX / 4 * 3)
				fake_now = was;
			take_interrupts();
		}
		/* never late; and nothing cancelled since an interrupt looked, with few in a slot: not early either */
		CHECK(shots[0] <= model_first());
		if (exact && count <= 8)
			CHECK(shots[0] == model_first());
		CHECK(timer_any_armed() == (model_armed != 0));
	}
	for (unsigned i = 0; i < count; i++)
		if (models[i].armed)
			model_cancel(&models[i]);
	CHECK(!timer_any_armed());
	/* one that finds nothing, and then none */
	if (shots[0] < UINT64_MAX / 4 * 3) {
		fake_now = MAX(fake_now, shots[0]);
		take_interrupts();
	}
	CHECK(shots[0] >= UINT64_MAX / 4 * 3);
}

/* More timers in one slot than an interrupt may move or fire: all fire, in order, PER_SHOT at a time, some cancelled meanwhile. */
static void model_bounds(void)
{
	uint64_t width = 1ull << (GRAIN + 3 * GROUP), base = fake_now + 5 * width;
	unsigned interrupts = 0, cancelled = 0, moved = 0, most = 0;
	static uint16_t places[MANY];

	base -= base % width;
	CHECK(base > fake_now);
	model_count = MANY;
	last_fired = 0;
	total_fired = 0;
	for (unsigned i = 0; i < MANY; i++) {
		timer_init(&models[i].timer, model_fired);
		models[i].armed = false;
		model_arm(&models[i], base + rnd(&seed) % (i % 2 ? width : 1000));
	}
	CHECK(shots[0] <= model_first());
	/* some by their own interrupts */
	for (unsigned i = 0; i < 300 && shots[0] < base + 500; i++) {
		fake_now = MAX(fake_now, shots[0]);
		fired_now = 0;
		for (unsigned k = 0; k < MANY; k++)
			places[k] = models[k].timer.where;
		interrupt();
		for (unsigned k = 0; k < MANY; k++)
			moved += models[k].armed && places[k] != models[k].timer.where;
		CHECK(moved <= PER_SHOT);
		CHECK(fired_now <= PER_SHOT);
		CHECK(shots[0] <= model_first());
		most = MAX(most, moved);
		moved = 0;
	}
	CHECK(most > PER_SHOT / 2); /* some of those moved have fired at once */
	/* the rest late */
	fake_now = base + width;
	while (shots[0] <= fake_now) {
		fired_now = 0;
		interrupt();
		CHECK(fired_now <= PER_SHOT);
		interrupts++;
		if (interrupts % 4 == 0) {
			struct model *m = &models[rnd(&seed) % MANY];

			cancelled += m->armed;
			model_cancel(m);
		}
		CHECK(interrupts < 10 * MANY);
	}
	CHECK(total_fired + cancelled == MANY);
	CHECK(cancelled > 0);
	CHECK(!timer_any_armed());
}

/* Timers that only look after something do not count as armed. */
static void model_background(void)
{
	model_count = 1;
	timer_init(&models[0].timer, model_fired);
	models[0].timer.background = true;
	model_arm(&models[0], fake_now + 1000);
	CHECK(!timer_any_armed());
	model_cancel(&models[0]);
	CHECK(!timer_any_armed());
}

/* ---- real threads ---- */

#define SLOTS  64
#define ROUNDS 6000

struct shared {
	struct timer timer;
	uint64_t deadline;
	unsigned magic, fired; /* [a] */
};

static struct shared *slots[SLOTS]; /* [a] a pointer belongs to whoever exchanged it out */
static unsigned races, on_time, again, running = CPUS;

static void shared_fired(struct timer *t)
{
	struct shared *s = container_of(t, struct shared, timer);

	CHECK(__atomic_load_n(&s->magic, __ATOMIC_RELAXED) == ARMED);
	CHECK(plat_monotonic_ns() >= s->deadline);
	if (s->deadline % 4 == 0)
		sched_yield();
	if (s->deadline % 8 == 1 && !s->fired) {
		s->deadline += 20000;
		timer_arm(t, s->deadline);
		__atomic_fetch_add(&again, 1, __ATOMIC_RELAXED);
	} else {
		CHECK(!__atomic_load_n(&s->fired, __ATOMIC_RELAXED));
		__atomic_store_n(&s->fired, 1, __ATOMIC_RELAXED);
	}
	CHECK(__atomic_load_n(&s->magic, __ATOMIC_RELAXED) == ARMED);
}

static void take_back(struct shared *s, uint64_t *state)
{
	bool cancelled;

	if (rnd(state) % 2) {
		int r;

		while ((r = timer_try_cancel(&s->timer)) < 0) {
			__atomic_fetch_add(&races, 1, __ATOMIC_RELAXED);
			sched_yield();
		}
		cancelled = r;
	} else {
		cancelled = timer_cancel(&s->timer);
	}
	CHECK(__atomic_load_n(&s->fired, __ATOMIC_RELAXED) == !cancelled);
	__atomic_fetch_add(&on_time, !cancelled, __ATOMIC_RELAXED);
	__atomic_store_n(&s->magic, POISONED, __ATOMIC_RELAXED);
	memset(&s->timer, 0x5a, sizeof(s->timer));
	free(s);
}

static void *cpu_main(void *arg)
{
	uint64_t state = 0x9e3779b97f4a7c15ull + seed + (uintptr_t)arg;

	host_cpu = &percpu_areas[(uintptr_t)arg];
	host_cpu->irq_on = 1;
	for (unsigned r = 0; r < ROUNDS; r++) {
		unsigned at = (unsigned)rnd(&state) % SLOTS;
		struct shared *s = malloc(sizeof(*s)), *old;

		if (shots[host_cpu->idx] <= plat_monotonic_ns())
			interrupt();
		CHECK(s);
		timer_init(&s->timer, shared_fired);
		s->deadline = plat_monotonic_ns() + rnd(&state) % (r % 4 ? 200000 : 20000000);
		s->fired = 0;
		s->magic = ARMED;
		timer_arm(&s->timer, s->deadline);
		/* release: the timer; acquire: the other one's */
		old = __atomic_exchange_n(&slots[at], s, __ATOMIC_ACQ_REL);
		if (old)
			take_back(old, &state);
	}
	/* what is due fires as long as others may wait for it */
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		if (shots[host_cpu->idx] <= plat_monotonic_ns())
			interrupt();
	return NULL;
}

int main(int argc, char **argv)
{
	static const uint64_t starts[] = { 0, 1, 0xffff, (1ull << 40) - 3, (1ull << 58) - 1000, 1ull << 62 };
	uint64_t first_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	pthread_t threads[CPUS];

	printf("seed %llu\n", (unsigned long long)first_seed);
	for (unsigned i = 0; i < CPUS; i++) {
		percpu_areas[i].idx = i;
		shots[i] = UINT64_MAX;
	}
	host_cpu = &percpu_areas[0];
	timer_subsystem_init();
	arch_irq_enable();
	/* the clock of a run never goes back: each start has a process and fresh wheels */
	fflush(stdout);
	for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			seed = first_seed * 0x9e3779b97f4a7c15ull + i + 1;
			model_run(starts[i], 1, 2000);
			model_run(fake_now, 8, 6000);
			model_run(fake_now, 60, 6000);
			model_run(fake_now, MODEL, 6000);
			CHECK(total_fired > 1000);
			model_bounds();
			model_background();
			exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}

	real_clock = true;
	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&threads[i], NULL, cpu_main, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		if (slots[i])
			take_back(slots[i], &seed);
	CHECK(!timer_any_armed());
	CHECK(on_time > 0);
	fprintf(stderr, "%u fired, %u armed again, %u cancels met a callback\n", on_time, again, races);
	return 0;
}
