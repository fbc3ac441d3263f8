// SPDX-License-Identifier: BSD-3-Clause
/*
 * What only tutti has: its own spin lock and the read side of its RCU, with a thread for each CPU. As a Linux program this file
 * has no figures.
 */
#include "sync.h"

#if __has_include(<uk/spinlock.h>)
#include <uk/spinlock.h>

static struct {
	_Alignas(SYNC_CACHE_LINE) struct uk_spinlock lock;
	uint64_t counter; /* [l] */
} own = { .lock = UK_SPINLOCK_INITIALIZER() };

static void spin_work(struct member *m)
{
	for (long i = 0; i < m->n; i++) {
		uk_spin_lock(&own.lock);
		own.counter++;
		uk_spin_unlock(&own.lock);
	}
}

static void tutti_spin(struct round *r)
{
	bool ok;

	own.counter = 0;
	team_run(r, 1, ONE_CPU, spin_work, NULL, &ok);
	round_done(r, (uint64_t)r->n, ok && own.counter == (uint64_t)r->n);
}
#endif

#if __has_include(<tutti/rcu.h>)
#include <tutti/rcu.h>

static struct {
	_Alignas(SYNC_CACHE_LINE) uint64_t value;
	uint64_t *pointer; /* [r] */
} published = { .value = 1, .pointer = &published.value };

static void rcu_work(struct member *m)
{
	for (long i = 0; i < m->n; i++) {
		tutti_rcu_read_lock();
		m->count += *(volatile uint64_t *)tutti_rcu_dereference(published.pointer);
		tutti_rcu_read_unlock();
	}
}

static void rcu_read(struct round *r)
{
	uint64_t want = (uint64_t)r->n * r->cpus;
	bool ok;

	round_done(r, want, team_run(r, r->cpus, EACH_OWN, rcu_work, NULL, &ok) == want && ok);
	r->ns = (double)r->elapsed / (double)want;
}
#endif

const struct figure tutti_figures[] = {
#if __has_include(<uk/spinlock.h>)
	{ "tutti_spin", "uk_spin lock and unlock, nobody else wants it", 1, 1, tutti_spin },
#endif
#if __has_include(<tutti/rcu.h>)
	{ "rcu_read_scaling", "RCU read section, a thread for each CPU", 1, 2, rcu_read },
#endif
	{ NULL, NULL, 0, 0, NULL },
};
