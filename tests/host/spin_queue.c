// SPDX-License-Identifier: BSD-3-Clause
// host: cflags=-Itests/host/fake_spin,-Itests/host/fake,-D_GNU_SOURCE,-DFAKE_SPIN_REAL,-DSPIN_LOOKS_PER_PAUSE=1u sanitize=address,undefined,thread timeout=120
/*
 * sync/spinlock.c with host threads for CPUs. First each way in which the front of the queue can be passed on, set up by hand: nobody
 * behind, a waiter, one that has not linked itself yet, abandoned ones in between, no free node. Then the order of arrival. Then
 * threads that all want two locks, with a bound of a few looks, so that most waiters leave, and with "interrupts" that take a
 * third one in the middle of a wait. In the end every node is free and every word 0; what the locks protect are plain variables,
 * so the thread sanitizer sees a section that is not ordered after the one before.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static unsigned bound = 3;
#define SPIN_BOUND bound
#define TAS_ROUNDS 2u

#include "fake_plat/expect.h"
#include "sync/spinlock.c"

#define THREADS 6
#define ROUNDS	10000

static struct uk_spinlock a, b, irq_lock;
static long a_count, b_count, irq_count;
static unsigned long yields, interrupts;
static __thread unsigned turns;

/* Every few turns of a wait an interrupt, if they are on; it may have to wait, too. */
void fake_relax(void)
{
	unsigned long flags;

	turns++;
	if (turns % 2 == 0 && !arch_irqs_disabled()) {
		uk_spin_lock_irqsave(&irq_lock, flags);
		irq_count++;
		uk_spin_unlock_irqrestore(&irq_lock, flags);
		__atomic_fetch_add(&interrupts, 1, __ATOMIC_RELAXED);
	}
	if (turns % 3 == 0)
		sched_yield();
}

void fake_yield(void)
{
	__atomic_fetch_add(&yields, 1, __ATOMIC_RELAXED);
	sched_yield();
}

static void all_free(void)
{
	for (unsigned c = 0; c < CONFIG_MAX_CPUS; c++)
		for (unsigned i = 0; i < NODES; i++)
			EXPECT(waiters[c].node[i].state == FREE);
	EXPECT(a.word == 0 && b.word == 0 && irq_lock.word == 0);
	EXPECT(fake_preempt_count() == 0);
}

/* A node of CPU `cpu` at the end of a's queue, as far as the exchange of the tail. */
static uint32_t arrive(unsigned cpu)
{
	uint32_t name;

	fake_set_cpu(cpu);
	name = node_claim();
	EXPECT(name != 0);
	a.word = (a.word & HELD_BITS) | name << TAIL_SHIFT;
	return name;
}

static void link_to(uint32_t prev, uint32_t name)
{
	EXPECT(node_of(prev)->next == 0);
	node_of(prev)->next = name;
}

static void passes(void)
{
	uint32_t x, y, z;

	/* nobody behind */
	a.word = HELD;
	x = arrive(1);
	pass(&a, x);
	EXPECT(a.word == HELD && node_of(x)->state == FREE);
	/* one that waits */
	x = arrive(1);
	y = arrive(2);
	link_to(x, y);
	pass(&a, x);
	EXPECT(node_of(x)->state == FREE && node_of(y)->state == HEAD && a.word == (y << TAIL_SHIFT | HELD));
	/* that one passes on to one that has not linked itself yet, which is the head as soon as it does */
	z = arrive(3);
	pass(&a, y);
	EXPECT(node_of(y)->state == HEAD && node_of(y)->next == PASSED);
	EXPECT(follow(y, z) && node_of(y)->state == FREE && node_of(z)->state == WAITING);
	/* behind it two that have left, and nobody */
	x = arrive(1);
	EXPECT(!follow(z, x) && node_of(x)->state == ABANDONED && node_of(z)->next == x);
	y = arrive(2);
	EXPECT(!follow(x, y) && node_of(y)->state == ABANDONED);
	pass(&a, z);
	EXPECT(a.word == HELD);
	for (uint32_t i = 0; i < 3; i++)
		EXPECT(node_of((uint32_t[]){ x, y, z }[i])->state == FREE);
	/* one that has left, and then one that waits */
	x = arrive(1);
	y = arrive(2);
	EXPECT(!follow(x, y));
	z = arrive(2);
	EXPECT(z != y);
	link_to(y, z);
	pass(&a, x);
	EXPECT(node_of(x)->state == FREE && node_of(y)->state == FREE && node_of(z)->state == HEAD);
	/* one that has left, and then one that has not linked itself yet */
	y = arrive(1);
	EXPECT(!follow(z, y));
	x = arrive(4);
	pass(&a, z);
	EXPECT(node_of(z)->state == FREE && node_of(y)->state == ABANDONED && node_of(y)->next == PASSED);
	EXPECT(follow(y, x) && node_of(y)->state == FREE);
	pass(&a, x);
	/* promoted while it was about to leave: it stays */
	x = arrive(1);
	y = arrive(2);
	node_of(y)->state = HEAD;
	EXPECT(follow(x, y) && node_of(x)->next == y);
	node_free(node_of(x));
	pass(&a, y);
	EXPECT(a.word == HELD);
	a.word = 0;
	all_free();
}

static void no_node(void)
{
	uint32_t name[NODES];

	fake_set_cpu(5);
	for (unsigned i = 0; i < NODES; i++) {
		name[i] = node_claim();
		EXPECT(name[i] - 1 == 5 * NODES + i);
	}
	EXPECT(node_claim() == 0 && !queue_up(&a));
	/* free by now; held by somebody, and in vain; waited for by a queue, which it overtakes */
	EXPECT(test_and_set(&a) && a.word == HELD);
	EXPECT(!test_and_set(&a) && a.word == HELD);
	a.word = name[0] << TAIL_SHIFT;
	EXPECT(test_and_set(&a) && a.word == (name[0] << TAIL_SHIFT | HELD));
	spin_unlock_word(&a);
	EXPECT(a.word == name[0] << TAIL_SHIFT && !uk_spin_trylock(&a) && !uk_spin_is_locked(&a));
	uk_spin_init(&a);
	uk_spin_lock_slow(&a);
	EXPECT(a.word == HELD);
	spin_unlock_word(&a);
	for (unsigned i = 0; i < NODES; i++)
		node_free(node_of(name[i]));
	/* the highest name fits */
	fake_set_cpu(CONFIG_MAX_CPUS - 1);
	a.word = HELD;
	name[0] = arrive(CONFIG_MAX_CPUS - 1);
	EXPECT(a.word >> TAIL_SHIFT == name[0] && (a.word & HELD_BITS) == HELD);
	pass(&a, name[0]);
	a.word = 0;
	all_free();
}

/* ---- order of arrival ---- */

static long order[THREADS], entered;

static void *in_line(void *arg)
{
	fake_set_cpu(10 + (unsigned)(long)arg);
	arch_irq_disable();
	uk_spin_lock(&a);
	order[entered++] = (long)arg;
	uk_spin_unlock(&a);
	arch_irq_enable();
	return NULL;
}

static void fifo(void)
{
	pthread_t t[THREADS];

	bound = UINT32_MAX;
	fake_set_cpu(0);
	uk_spin_lock(&a);
	for (long i = 0; i < THREADS; i++) {
		EXPECT(!pthread_create(&t[i], NULL, in_line, (void *)i));
		while (__atomic_load_n(&a.word, __ATOMIC_RELAXED) >> TAIL_SHIFT != (10 + (unsigned)i) * NODES + 1)
			sched_yield();
	}
	uk_spin_unlock(&a);
	for (int i = 0; i < THREADS; i++)
		EXPECT(!pthread_join(t[i], NULL));
	for (int i = 0; i < THREADS; i++)
		EXPECT(order[i] == i);
	all_free();
}

/* ---- all against all ---- */

static pthread_barrier_t start;

/* The holder's CPU is slow, or taken away: long enough for the others to queue up. */
static void hold(int i)
{
	for (volatile int n = 0; n < 200; n++)
		;
	if (i % 8 < 4)
		sched_yield();
}

static void *worker(void *arg)
{
	unsigned long flags;

	pthread_barrier_wait(&start);
	fake_set_cpu(20 + (unsigned)(long)arg);
	for (int i = 0; i < ROUNDS; i++) {
		switch ((i + (int)(long)arg) % 4) {
		case 0:
			uk_spin_lock(&a);
			a_count++;
			hold(i);
			uk_spin_lock(&b);
			b_count++;
			uk_spin_unlock(&b);
			uk_spin_unlock(&a);
			break;
		case 1:
			uk_spin_lock_irqsave(&b, flags);
			b_count++;
			uk_spin_unlock_irqrestore(&b, flags);
			break;
		case 2:
			while (!uk_spin_trylock(&a))
				sched_yield();
			a_count++;
			uk_spin_unlock(&a);
			break;
		default:
			uk_spin_lock(&a);
			EXPECT(uk_spin_is_locked(&a));
			uk_spin_assert_held(&a);
			a_count++;
			hold(i);
			uk_spin_unlock(&a);
		}
		EXPECT(fake_preempt_count() == 0 && !arch_irqs_disabled());
	}
	return NULL;
}

static void storm(unsigned looks)
{
	pthread_t t[THREADS];

	bound = looks;
	a_count = b_count = irq_count = 0;
	interrupts = yields = 0;
	EXPECT(!pthread_barrier_init(&start, NULL, THREADS));
	for (long i = 0; i < THREADS; i++)
		EXPECT(!pthread_create(&t[i], NULL, worker, (void *)i));
	for (int i = 0; i < THREADS; i++)
		EXPECT(!pthread_join(t[i], NULL));
	EXPECT(a_count == (long)THREADS * ROUNDS * 3 / 4 && b_count == (long)THREADS * ROUNDS / 2);
	EXPECT(irq_count == (long)interrupts);
	all_free();
	printf("bound %u: %lu turns outside the queue, %lu interrupts\n", looks, yields, interrupts);
}

int main(void)
{
	unsigned long left = 0, interrupted = 0;

	passes();
	no_node();
	fifo();
	/* on a computer with other things to do the threads may run one after the other: what counts is all storms together */
	for (int i = 0; i < 100 && (left < 50 || interrupted < 50); i++) {
		storm(1);
		left += yields;
		interrupted += interrupts;
	}
	EXPECT(left >= 50 && interrupted >= 50);
	storm(5);
	storm(1000);
	return 0;
}
