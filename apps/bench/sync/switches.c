// SPDX-License-Identifier: BSD-3-Clause
/*
 * Switching between threads: yield, condition, futex, thread creation, a pipeline of semaphores. On one CPU the threads of a pair
 * are both bound to the first; on two, each to its own, so that every wake-up goes to a CPU that has gone idle. create_join and
 * pipeline leave the placement to the scheduler.
 *
 * yield counts the calls after which the other thread had been there in between: the time is per switch, and calls that come back at
 * once are a part of it. It begins when both have seen each other. wake takes a time stamp right before FUTEX_WAKE and one when FUTEX_WAIT has returned in the other thread; a round's
 * figure is the median. A try that finds nobody asleep is repeated with a new stamp, so every sample is of a thread that slept.
 * On one CPU the waker then blocks, which lets the other run; on two it lets 100 us pass first, for the other
 * CPU to go idle. Stamps are of the time stamp counter, whose rate is taken from CLOCK_MONOTONIC in the same round: a guest's clock
 * may cost more than what is measured.
 */
#define _GNU_SOURCE
#include "sync.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/futex.h, which is not with every C library */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

#define SLEEPY_NS 100000
#define STAGES	  4
#define DEPTH	  8

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static enum placement pair_place(const struct round *r)
{
	return r->cpus > 1 ? EACH_OWN : ONE_CPU;
}

/* ---- yield ------------------------------------------------------------------------------------------------------ */

#define WARM_UP	    8
#define MOST_YIELDS 1000 /* for one switch */

static struct {
	unsigned last; /* [a] who ran last */
	bool over;     /* [a] one has finished */
} turns;

/* Yields until the other thread has been there `n` times, or has finished; adds the times to m->count. */
static void yield_times(struct member *m, long n)
{
	uint64_t goal = m->count + (uint64_t)n;
	long calls = 0;

	while (m->count < goal) {
		__atomic_store_n(&turns.last, m->index, __ATOMIC_RELAXED);
		sched_yield();
		if (__atomic_load_n(&turns.over, __ATOMIC_RELAXED))
			return; /* alone from here on */
		m->count += __atomic_load_n(&turns.last, __ATOMIC_RELAXED) != m->index;
		if (++calls > MOST_YIELDS * (n + WARM_UP)) {
			m->ok = false;
			return;
		}
	}
}

static void yield_work(struct member *m)
{
	yield_times(m, WARM_UP);
	m->start = now();
	m->count = 0;
	yield_times(m, m->n);
	__atomic_store_n(&turns.over, true, __ATOMIC_RELAXED);
}

static void yield_switch(struct round *r)
{
	uint64_t switches;
	bool ok;

	turns.last = 2;
	turns.over = false;
	switches = team_run(r, 2, ONE_CPU, yield_work, NULL, &ok);
	/* Each counts the way there of its own calls: together, all switches. The one that is not first misses a few at most. */
	round_done(r, switches, ok && switches >= (uint64_t)r->n);
}

/* ---- condition -------------------------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t turned[2];
	unsigned turn;	/* [l] */
	uint64_t trips; /* [l] */
} court = { .lock = PTHREAD_MUTEX_INITIALIZER, .turned = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER } };

static void cond_work(struct member *m)
{
	for (long i = 0; i < m->n; i++) {
		pthread_mutex_lock(&court.lock);
		while (court.turn != m->index)
			pthread_cond_wait(&court.turned[m->index], &court.lock);
		court.turn = !m->index;
		court.trips += m->index;
		pthread_cond_signal(&court.turned[!m->index]);
		pthread_mutex_unlock(&court.lock);
	}
}

static void cond_round_trip(struct round *r)
{
	bool ok;

	court.turn = 0;
	court.trips = 0;
	team_run(r, 2, pair_place(r), cond_work, NULL, &ok);
	round_done(r, court.trips, ok && court.trips == (uint64_t)r->n);
}

/* ---- futex ------------------------------------------------------------------------------------------------------ */

#define MAX_SAMPLES 65536

static struct {
	_Alignas(SYNC_CACHE_LINE) uint32_t word; /* [I] 0: whoever waits on it sleeps until it is woken */
	uint64_t sent;				 /* [a] stamp before the latest try to wake */
	_Alignas(SYNC_CACHE_LINE)
		uint32_t ready; /* [a] wake-ups that the sleeper has taken, plus one: it goes to sleep */
	double *samples;	/* the sleeper's, until it has ended */
	size_t count;
} wake;

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void sleeper_work(struct member *m)
{
	for (uint32_t i = 1; i <= m->n; i++) {
		uint64_t woken;

		__atomic_store_n(&wake.ready, i, __ATOMIC_SEQ_CST); /* the waker may change `sent` from here on */
		futex(&wake.ready, FUTEX_WAKE_PRIVATE, 1);	    /* finds someone on one CPU only */
		while (futex(&wake.word, FUTEX_WAIT_PRIVATE, 0))
			; /* a signal */
		woken = stamp();
		m->count++;
		if (wake.count < MAX_SAMPLES)
			wake.samples[wake.count++] = (double)(woken - __atomic_load_n(&wake.sent, __ATOMIC_RELAXED));
	}
	__atomic_store_n(&wake.ready, (uint32_t)m->n + 1, __ATOMIC_SEQ_CST);
	futex(&wake.ready, FUTEX_WAKE_PRIVATE, 1);
}

static void waker_work(struct member *m)
{
	bool alone = *(bool *)m->arg;

	for (uint32_t i = 1; i <= m->n; i++) {
		uint32_t seen;

		while ((seen = __atomic_load_n(&wake.ready, __ATOMIC_SEQ_CST)) != i) {
			if (alone)
				futex(&wake.ready, FUTEX_WAIT_PRIVATE, seen);
			else
				cpu_relax();
		}
		if (!alone)
			for (uint64_t until = now() + SLEEPY_NS; now() < until;)
				cpu_relax();
		for (;;) {
			__atomic_store_n(&wake.sent, stamp(), __ATOMIC_RELAXED);
			if (futex(&wake.word, FUTEX_WAKE_PRIVATE, 1) == 1)
				break;
			if (alone)
				sched_yield(); /* it was interrupted right before it slept */
			else
				cpu_relax();
		}
	}
}

static void wake_work(struct member *m)
{
	if (m->index)
		sleeper_work(m);
	else
		waker_work(m);
}

static void wake_to_run(struct round *r)
{
	bool ok, alone = r->cpus == 1;
	uint64_t woken, clock, counter;

	if (!wake.samples)
		wake.samples = malloc(MAX_SAMPLES * sizeof(*wake.samples));
	if (!wake.samples)
		die("malloc", errno);
	wake.ready = 0;
	wake.count = 0;
	clock = now();
	counter = stamp();
	woken = team_run(r, 2, pair_place(r), wake_work, &alone, &ok);
	clock = now() - clock;
	counter = stamp() - counter;
	round_done(r, woken, ok && woken == (uint64_t)r->n && wake.count > 0);
	if (r->ok)
		r->ns = median(wake.samples, wake.count) * (double)clock / (double)counter;
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

static void *nothing(void *arg)
{
	++*(uint64_t *)arg;
	return NULL;
}

static void create_work(struct member *m)
{
	for (long i = 0; i < m->n; i++) {
		pthread_t id;
		int error = pthread_create(&id, NULL, nothing, &m->count);

		if (error)
			die("pthread_create", error);
		pthread_join(id, NULL);
	}
}

static void create_join(struct round *r)
{
	uint64_t created;
	bool ok;

	created = team_run(r, 1, ANYWHERE, create_work, NULL, &ok);
	round_done(r, created, ok && created == (uint64_t)r->n);
}

/* ---- pipeline --------------------------------------------------------------------------------------------------- */

/* Between stage i and stage i+1: at most DEPTH items; put by one thread, taken by one. */
static struct belt {
	_Alignas(SYNC_CACHE_LINE) sem_t items;
	sem_t spaces;
	uint64_t slots[DEPTH];
} belts[STAGES - 1];

static void pipeline_work(struct member *m)
{
	struct belt *from = m->index ? &belts[m->index - 1] : NULL;
	struct belt *to = m->index < STAGES - 1 ? &belts[m->index] : NULL;

	for (long i = 0; i < m->n; i++) {
		uint64_t item = 0;

		if (from) {
			sem_wait(&from->items);
			item = from->slots[i % DEPTH];
			sem_post(&from->spaces);
		}
		item += (uint64_t)i;
		if (to) {
			sem_wait(&to->spaces);
			to->slots[i % DEPTH] = item;
			sem_post(&to->items);
		} else {
			m->ok = m->ok && item == (uint64_t)i * STAGES;
			m->count++;
		}
	}
}

static void pipeline(struct round *r)
{
	uint64_t through;
	bool ok;

	for (unsigned i = 0; i < STAGES - 1; i++) {
		sem_init(&belts[i].items, 0, 0);
		sem_init(&belts[i].spaces, 0, DEPTH);
	}
	through = team_run(r, STAGES, ANYWHERE, pipeline_work, NULL, &ok);
	round_done(r, through, ok && through == (uint64_t)r->n);
	for (unsigned i = 0; i < STAGES - 1; i++) {
		sem_destroy(&belts[i].items);
		sem_destroy(&belts[i].spaces);
	}
}

const struct figure switch_figures[] = {
	{ "yield", "sched_yield from one thread to another", 1, 1, yield_switch },
	{ "condition", "two threads pass the turn and get it back", 1, 2, cond_round_trip },
	{ "wake", "FUTEX_WAKE to the woken thread's next instruction", 1, 2, wake_to_run },
	{ "create_join", "pthread_create and pthread_join of an empty thread", 1, 2, create_join },
	{ "pipeline", "an item through 4 threads, semaphores between them", 1, 2, pipeline },
	{ NULL, NULL, 0, 0, NULL },
};
