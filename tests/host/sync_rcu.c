// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/rcu.c cflags=-Itests/host/fake_rcu -Itests/host/fake -D_GNU_SOURCE,-pthread sanitize=address,undefined,thread timeout=120
/*
 * The core of RCU (sync/rcu.c) with host threads as CPUs: they read, replace objects, switch, halt, take interrupts while they are halted, and
 * come late; one of them runs grace periods as sched/rcu.c does. Objects are read and poisoned by plain accesses, so under TSan every
 * missing order is a race that is reported, whether it did harm or not.
 *
 * Promises kept: nobody reads poison; all callbacks run; those of one CPU in order; the end of each grace period is announced. And the
 * test can fail: with grace periods that end at once (a child of its own) poison is seen or a race is reported.
 */
#include "sync/rcu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "sync/upcall.h"

enum { CPUS = 4, OBJECTS = 128, SLOTS = 4, LIVE = 0x11fe, POISON = 0xdead };

struct object {
	struct tutti_rcu_head rcu;
	struct object *next_free;
	unsigned state;	 /* plain, on purpose */
	unsigned cpu;	 /* whose list it was put on */
	uint64_t number; /* the how manieth of that CPU */
};

struct percpu percpu_areas[CONFIG_MAX_CPUS];
__thread struct percpu *host_cpu;

static struct object objects[OBJECTS], *slots[SLOTS], *pool;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t announced, periods, ran, pushed[CPUS], expected[CPUS];
static uint32_t stop, broken;
static long operations = 30000;

static void done(void)
{
	__atomic_fetch_add(&announced, 1, __ATOMIC_SEQ_CST);
}

const struct tutti_upcalls tutti_upcalls = { .rcu_done = done };

static void fail(const char *what)
{
	fprintf(stderr, "sync_rcu: %s\n", what);
	_exit(1);
}

static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

static struct object *get(void)
{
	struct object *o;

	pthread_mutex_lock(&pool_lock);
	o = pool;
	if (o)
		pool = o->next_free;
	pthread_mutex_unlock(&pool_lock);
	return o;
}

static void put(struct object *o)
{
	pthread_mutex_lock(&pool_lock);
	o->next_free = pool;
	pool = o;
	pthread_mutex_unlock(&pool_lock);
}

static void passed(struct tutti_rcu_head *head)
{
	struct object *o = container_of(head, struct object, rcu);

	if (o->number != expected[o->cpu]++)
		fail("callbacks of one CPU out of order");
	ran++;
	o->state = POISON;
	put(o);
}

static void read_some(uint64_t *rnd)
{
	struct object *o;

	tutti_rcu_read_lock();
	o = tutti_rcu_dereference(slots[next(rnd) % SLOTS]);
	for (uint64_t n = next(rnd) % 16; n; n--) {
		if (o->state != LIVE)
			fail("a reader saw poison");
		if (n == 8)
			sched_yield();
	}
	tutti_rcu_read_unlock();
}

static void replace(uint64_t *rnd)
{
	struct object *o = get(), *old;

	if (!o)
		return;
	o->state = LIVE;
	old = __atomic_exchange_n(&slots[next(rnd) % SLOTS], o, __ATOMIC_ACQ_REL);
	old->cpu = cpu_id();
	old->number = pushed[old->cpu]++;
	rcu_push(&old->rcu, passed);
}

/* Handlers read, too, and find out whether they came to a quiescent state. */
static void interrupt(uint64_t *rnd)
{
	__atomic_store_n(&host_cpu->in_irq, 1, __ATOMIC_RELAXED);
	rcu_interrupt();
	read_some(rnd);
	__atomic_store_n(&host_cpu->in_irq, 0, __ATOMIC_RELAXED);
}

static void halt(uint64_t *rnd)
{
	uint32_t before, after;

	rcu_quiescent();
	if (!rcu_idle_enter())
		return;
	if (!rcu_cpu_idle(cpu_id(), &before))
		fail("an idle CPU does not show as one");
	sched_yield();
	if (next(rnd) % 2)
		interrupt(rnd);
	rcu_idle_leave();
	if (rcu_cpu_idle(cpu_id(), &after))
		fail("a CPU that runs shows as idle");
	if (percpu_read(idle_seq) != before + 1)
		fail("leaving the idle state is not counted once");
}

static void *cpu(void *arg)
{
	const unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t rnd = 88172645463325252ull + me * 7919;

	host_cpu = &percpu_areas[me];
	/* the last one is late */
	if (me == CPUS - 1)
		usleep(2000);
	rcu_cpu_online();
	for (long i = 0; i < operations; i++) {
		switch (next(&rnd) % 8) {
		case 0:
			rcu_quiescent();
			break;
		case 1:
			halt(&rnd);
			break;
		case 2:
			replace(&rnd);
			break;
		case 3:
			interrupt(&rnd);
			break;
		default:
			read_some(&rnd);
		}
	}
	/* nothing to do any more: halted */
	do
		rcu_quiescent();
	while (!rcu_idle_enter());
	return NULL;
}

/* The thread of sched/rcu.c, on CPU 0. */
static void *grace(void *arg)
{
	uint64_t rnd = 5;

	host_cpu = &percpu_areas[0];
	rcu_cpu_online();
	for (;;) {
		const bool last = __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
		struct tutti_rcu_head *h = rcu_take(CPUS);

		if (h && !broken) {
			uint64_t before = __atomic_load_n(&announced, __ATOMIC_SEQ_CST);

			rcu_gp_begin(CPUS);
			if (rcu_gp_done())
				before--; /* all were idle, or quick */
			while (!rcu_gp_done())
				sched_yield();
			while (__atomic_load_n(&announced, __ATOMIC_SEQ_CST) == before)
				sched_yield(); /* a lost announcement hangs: time-out */
			periods++;
		}
		for (struct tutti_rcu_head *n; h; h = n) {
			n = h->next;
			h->fn(h);
		}
		if (last && !rcu_any(CPUS))
			return arg;
		read_some(&rnd);
	}
}

static void run(void)
{
	pthread_t t[CPUS];
	uint64_t all = 0;

	for (unsigned i = 0; i < CPUS; i++)
		percpu_areas[i].idx = i;
	for (unsigned i = 0; i < OBJECTS; i++)
		put(&objects[i]);
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i] = get();
		slots[i]->state = LIVE;
	}
	pthread_create(&t[0], NULL, grace, NULL);
	for (uintptr_t i = 1; i < CPUS; i++)
		pthread_create(&t[i], NULL, cpu, (void *)i);
	for (unsigned i = 1; i < CPUS; i++)
		pthread_join(t[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(t[0], NULL);
	for (unsigned i = 0; i < CPUS; i++)
		all += pushed[i];
	if (ran != all || !ran)
		fail("not every callback has run");
	if (!broken && !periods)
		fail("there was no grace period");
}

int main(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		/* what it has to say is for nobody */
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		broken = 1;
		operations *= 10;
		run();
		_exit(0);
	}
	run();
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		fail("grace periods that end at once are not found out");
	printf("%llu callbacks, %llu grace periods\n", (unsigned long long)ran, (unsigned long long)periods);
	return 0;
}
