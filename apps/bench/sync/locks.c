// SPDX-License-Identifier: BSD-3-Clause
/*
 * Locks of POSIX: taken by nobody else, by several at once, and by several that have nothing to do with each other. Every
 * section counts in a variable that only the lock protects, and the sum is checked.
 *
 * Contended: threads without a CPU of their own take one mutex over and over, with about as much to do outside as inside. Every 64th
 * time the holder yields, so that on one CPU, too, the others find the mutex taken and have to sleep.
 *
 * Scaling figures have as many threads as CPUs, each on its own. Their time per operation is that of all together: on two
 * CPUs it is half of what it is on one if nothing is in the way.
 */
#define _GNU_SOURCE
#include "sync.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define YIELD_EVERY 64
#define WORK	    16

static struct {
	_Alignas(SYNC_CACHE_LINE) pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	pthread_spinlock_t spin;
	sem_t sem;
	_Alignas(SYNC_CACHE_LINE) uint64_t counter;
	uint64_t words[WORK];
} shared = { .mutex = PTHREAD_MUTEX_INITIALIZER, .rwlock = PTHREAD_RWLOCK_INITIALIZER };

/* ---- one thread ------------------------------------------------------------------------------------------------- */

#define UNCONTENDED(name, take, release)          \
	static void name##_work(struct member *m) \
	{                                         \
		for (long i = 0; i < m->n; i++) { \
			take;                     \
			shared.counter++;         \
			release;                  \
		}                                 \
	}                                         \
	static void name(struct round *r)         \
	{                                         \
		alone(r, name##_work);            \
	}

static void alone(struct round *r, void (*work)(struct member *m))
{
	bool ok;

	shared.counter = 0;
	team_run(r, 1, ONE_CPU, work, NULL, &ok);
	round_done(r, (uint64_t)r->n, ok && shared.counter == (uint64_t)r->n);
}

UNCONTENDED(mutex, pthread_mutex_lock(&shared.mutex), pthread_mutex_unlock(&shared.mutex))
UNCONTENDED(rwlock_read, pthread_rwlock_rdlock(&shared.rwlock), pthread_rwlock_unlock(&shared.rwlock))
UNCONTENDED(rwlock_write, pthread_rwlock_wrlock(&shared.rwlock), pthread_rwlock_unlock(&shared.rwlock))
UNCONTENDED(spin_pair, pthread_spin_lock(&shared.spin), pthread_spin_unlock(&shared.spin))
UNCONTENDED(sem_pair, sem_post(&shared.sem), sem_wait(&shared.sem))

static void spin(struct round *r)
{
	pthread_spin_init(&shared.spin, PTHREAD_PROCESS_PRIVATE);
	spin_pair(r);
}

static void sem(struct round *r)
{
	int left = -1;

	sem_init(&shared.sem, 0, 0);
	sem_pair(r);
	sem_getvalue(&shared.sem, &left);
	r->ok = r->ok && left == 0;
	sem_destroy(&shared.sem);
}

/* ---- several threads and one lock ------------------------------------------------------------------------------- */

static void contended_work(struct member *m)
{
	volatile uint64_t own[WORK] = { 0 };

	for (long i = 0; i < m->n; i++) {
		pthread_mutex_lock(&shared.mutex);
		for (unsigned k = 0; k < WORK; k++)
			shared.words[k]++;
		shared.counter++;
		if (i % YIELD_EVERY == 0)
			sched_yield();
		pthread_mutex_unlock(&shared.mutex);
		for (unsigned k = 0; k < WORK; k++)
			own[k]++;
	}
	m->ok = own[WORK - 1] == (uint64_t)m->n;
}

static void contended(struct round *r, unsigned threads)
{
	uint64_t want = (uint64_t)r->n * threads;
	bool ok;

	shared.counter = 0;
	for (unsigned k = 0; k < WORK; k++)
		shared.words[k] = 0;
	team_run(r, threads, ANYWHERE, contended_work, NULL, &ok);
	for (unsigned k = 0; k < WORK; k++)
		ok = ok && shared.words[k] == want;
	round_done(r, want, ok && shared.counter == want);
}

static void mutex_2_threads(struct round *r)
{
	contended(r, 2);
}

static void mutex_4_threads(struct round *r)
{
	contended(r, 4);
}

/* ---- scaling ---------------------------------------------------------------------------------------------------- */

static void pairs_work(struct member *m)
{
	_Alignas(SYNC_CACHE_LINE) pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	volatile uint64_t counter = 0;

	for (long i = 0; i < m->n; i++) {
		pthread_mutex_lock(&own);
		counter++;
		pthread_mutex_unlock(&own);
	}
	m->count = counter;
}

static void read_work(struct member *m)
{
	for (long i = 0; i < m->n; i++) {
		pthread_rwlock_rdlock(&shared.rwlock);
		m->count += shared.counter;
		pthread_rwlock_unlock(&shared.rwlock);
	}
}

static void each_cpu(struct round *r, void (*work)(struct member *m))
{
	uint64_t want = (uint64_t)r->n * r->cpus;
	bool ok;

	shared.counter = 1;
	round_done(r, want, team_run(r, r->cpus, EACH_OWN, work, NULL, &ok) == want && ok);
	r->ns = (double)r->elapsed / (double)want;
}

static void pairs_scaling(struct round *r)
{
	each_cpu(r, pairs_work);
}

static void rwlock_read_scaling(struct round *r)
{
	each_cpu(r, read_work);
}

const struct figure lock_figures[] = {
	{ "mutex", "lock and unlock, nobody else wants it", 1, 1, mutex },
	{ "rwlock_read", "read lock and unlock, nobody else wants it", 1, 1, rwlock_read },
	{ "rwlock_write", "write lock and unlock, nobody else wants it", 1, 1, rwlock_write },
	{ "semaphore", "post and wait, nobody else wants it", 1, 1, sem },
	{ "spin", "pthread_spin lock and unlock, nobody else wants it", 1, 1, spin },
	{ "mutex_2_threads", "lock and unlock of a mutex that 2 threads want", 1, 2, mutex_2_threads },
	{ "mutex_4_threads", "lock and unlock of a mutex that 4 threads want", 1, 2, mutex_4_threads },
	{ "pairs_scaling", "lock and unlock, a mutex and a thread for each CPU", 1, 2, pairs_scaling },
	{ "rwlock_read_scaling", "read lock and unlock of one rwlock, a thread for each CPU", 1, 2,
	  rwlock_read_scaling },
	{ NULL, NULL, 0, 0, NULL },
};
