// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/rwspin.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-pthread sanitize=address,undefined,thread timeout=120
/*
 * sync/rwspin.c with host threads for CPUs. First the order, set up step by step: a waiting writer holds back new readers, the writer
 * that leaves lets in the readers that wait and not the next writer, each unlock says whether somebody may go on. Then all against all
 * around plain variables, with waiters that halt as sync/rwspin.h allows: one wake-up lost, and the test does not end.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "fake_plat/expect.h"
#include "sync/percpu.h"
#include "sync/rwspin.h"

#define THREADS 5
#define ROUNDS	4000

static struct rwspin lock = RWSPIN_INITIALIZER();

/* ---- the order ---- */

static struct step {
	pthread_t id;
	bool writer;
	uint32_t waits, inside, leave, said; /* [a] */
} steps[4];

static __thread struct step *self;

static uint32_t get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void set(uint32_t *p)
{
	__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
}

static void await(const uint32_t *p)
{
	while (!get(p))
		sched_yield();
}

/* Called between two looks, so the waiter is counted in the word by now. */
static void tell(const struct rwspin *l, uint64_t seen, unsigned looks)
{
	(void)l, (void)seen;
	EXPECT(looks > 0 && fake_preempt_count() == 1);
	set(&self->waits);
	sched_yield();
}

static void *step_main(void *arg)
{
	bool said;

	self = arg;
	if (self->writer)
		rwspin_write_lock(&lock, tell);
	else
		rwspin_read_lock(&lock, tell);
	EXPECT(rwspin_is_write_locked(&lock) == self->writer);
	set(&self->inside);
	await(&self->leave);
	said = self->writer ? rwspin_write_unlock(&lock) : rwspin_read_unlock(&lock);
	EXPECT(fake_preempt_count() == 1);
	preempt_enable_no_resched();
	self->said = said;
	return NULL;
}

static struct step *begin(unsigned i, bool writer)
{
	steps[i] = (struct step){ .writer = writer };
	EXPECT(!pthread_create(&steps[i].id, NULL, step_main, &steps[i]));
	return &steps[i];
}

/* What its unlock said. */
static bool leave(struct step *s)
{
	set(&s->leave);
	EXPECT(!pthread_join(s->id, NULL));
	return s->said;
}

static void order(void)
{
	struct step *w1, *w2, *r1, *r2;

	/* nobody waits: nobody is to be woken */
	EXPECT(rwspin_read_trylock(&lock) && rwspin_read_trylock(&lock));
	EXPECT(!rwspin_read_unlock(&lock) && !rwspin_read_unlock(&lock));
	rwspin_write_lock(&lock, NULL);
	EXPECT(!rwspin_read_trylock(&lock) && rwspin_is_write_locked(&lock) && !rwspin_write_unlock(&lock));
	EXPECT(fake_preempt_count() == 3);
	for (int i = 0; i < 3; i++)
		preempt_enable_no_resched();

	EXPECT(rwspin_read_trylock(&lock));
	w1 = begin(0, true);
	await(&w1->waits);
	EXPECT(!rwspin_read_trylock(&lock));
	r1 = begin(1, false);
	await(&r1->waits);
	EXPECT(!get(&w1->inside) && !get(&r1->inside));
	EXPECT(rwspin_read_unlock(&lock));
	preempt_enable_no_resched();
	await(&w1->inside);
	w2 = begin(2, true);
	await(&w2->waits);
	r2 = begin(3, false);
	await(&r2->waits);
	EXPECT(!get(&r1->inside) && leave(w1));
	/* both readers, although a writer waited before the second */
	await(&r1->inside);
	await(&r2->inside);
	EXPECT(!leave(r1) && !get(&w2->inside) && !rwspin_read_trylock(&lock));
	EXPECT(leave(r2));
	await(&w2->inside);
	EXPECT(!leave(w2));
	EXPECT(fake_preempt_count() == 0);
}

/* ---- all against all ---- */

static struct {
	uint32_t halted; /* [a] 1: about to wait for `go`; whoever sets it to 0 posts */
	sem_t go;
} __attribute__((aligned(64))) cpus[THREADS];

static __thread unsigned me;
static pthread_barrier_t start;
static unsigned values[3], writes;
static uint32_t halts; /* [a] */

static void halt(const struct rwspin *l, uint64_t seen, unsigned looks)
{
	if (looks < 2)
		return;
	__atomic_exchange_n(&cpus[me].halted, 1, __ATOMIC_SEQ_CST);
	if (rwspin_word(l) != seen && __atomic_exchange_n(&cpus[me].halted, 0, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_add(&halts, 1, __ATOMIC_RELAXED);
	while (sem_wait(&cpus[me].go))
		;
}

static void unlocked(bool somebody)
{
	for (unsigned i = 0; somebody && i < THREADS; i++)
		if (__atomic_exchange_n(&cpus[i].halted, 0, __ATOMIC_SEQ_CST))
			sem_post(&cpus[i].go);
	preempt_enable_no_resched();
	EXPECT(fake_preempt_count() == 0);
}

static void *worker(void *arg)
{
	uint64_t s;

	me = (unsigned)(uintptr_t)arg;
	s = 0x9e3779b97f4a7c15ull * (me + 1);
	pthread_barrier_wait(&start);
	for (int r = 0; r < ROUNDS; r++) {
		unsigned how = next_random(&s) % 8;

		if (how < 3) {
			rwspin_write_lock(&lock, halt);
			EXPECT(rwspin_is_write_locked(&lock));
			for (int k = 0; k < 3; k++)
				values[k]++;
			writes++;
			if (how == 0)
				sched_yield();
			unlocked(rwspin_write_unlock(&lock));
			continue;
		}
		if (how == 3)
			while (!rwspin_read_trylock(&lock))
				sched_yield();
		else
			rwspin_read_lock(&lock, halt);
		EXPECT(values[0] == values[1] && values[1] == values[2] && !rwspin_is_write_locked(&lock));
		if (how == 4)
			sched_yield();
		unlocked(rwspin_read_unlock(&lock));
	}
	return NULL;
}

static void storm(void)
{
	pthread_t t[THREADS];

	writes = values[0] = values[1] = values[2] = 0;
	EXPECT(!pthread_barrier_init(&start, NULL, THREADS));
	for (uintptr_t i = 0; i < THREADS; i++)
		EXPECT(!pthread_create(&t[i], NULL, worker, (void *)i));
	for (int i = 0; i < THREADS; i++)
		EXPECT(!pthread_join(t[i], NULL));
	EXPECT(writes > 0 && writes == values[0] && writes == values[2]);
	EXPECT(!(rwspin_word(&lock) & ((1ull << 49) - 1)));
}

int main(void)
{
	order();
	for (int i = 0; i < THREADS; i++)
		EXPECT(!sem_init(&cpus[i].go, 0, 0));
	/* on a computer with other things to do the threads may run one after the other */
	for (int i = 0; i < 100 && halts < 50; i++)
		storm();
	EXPECT(halts >= 50);
	return 0;
}
