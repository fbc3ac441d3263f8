// SPDX-License-Identifier: BSD-3-Clause
/*
 * The contended half of the spin lock: a queue that waiters may leave.
 *
 * Word: held byte, and the last node of the queue (CPU and number; 0: no queue). Who finds the word other than 0 puts a node of its
 * CPU at the end of the queue and waits on that node (Mellor-Crummey and Scott, "Algorithms for scalable synchronization on
 * shared-memory multiprocessors", 1991). The front of the queue, the head, waits for the held byte; once it has the lock it makes the
 * next one the head and takes its node back. So the order is that of arrival and an unlock is one store. A CPU has NODES nodes, as
 * many as contexts can wait one inside the other (thread, interrupts) and nodes can be left behind.
 *
 * A hypervisor or the host may take a waiter's CPU away, and a queue waits for the slowest. So who has waited for SPIN_BOUND looks
 * leaves (Scott and Scherer, "Scalable queue-based spin locks with timeout", 2001; why under a hypervisor: Ouyang and Lange,
 * "Preemptable ticket spinlocks", 2013): it abandons its node and goes for the held byte itself, with random back-off; when that was
 * in vain for TAS_ROUNDS, or if its CPU has no free node, it tries the other way again. It may overtake those in the queue, only
 * after its bound, only as often as it wins against the head: unfairness is limited to what descheduled CPUs cost.
 *
 * States of a node: FREE, WAITING, HEAD, ABANDONED. FREE->WAITING by its CPU (compare-and-swap: an interrupt may come between look
 * and change), WAITING->HEAD by who passes the front on, WAITING->ABANDONED by the waiter; the last two are compare-and-swaps from the
 * same state, one of them wins. ->FREE once, by whoever is at that node in pass(), or by the successor that finds PASSED.
 *
 * Mutual exclusion: the held byte goes from 0 to 1 by compare-and-swap of the whole word only, and to 0 by its holder's store of that
 * byte alone, which cannot undo a change of the queue.
 * One head: being at the front is a duty that one context has: the head, after it the one that runs pass(). It ends in one of three
 * ways: the word's tail is this node and becomes 0 (nobody is behind; who comes later finds no queue and is head at once); the
 * successor's node becomes HEAD; or the link to the successor is not there yet and becomes PASSED by compare-and-swap. That is the
 * window between the exchange of the tail and the link: the successor links by an exchange and, finding PASSED, is the head. So
 * the holder of the lock never waits for a CPU that was stopped in that window, and no hand-over is lost: of link and PASSED one
 * comes first, and the other side sees it. Abandoned nodes are skipped in the same way, by the same three ends.
 * Reuse: a node becomes FREE after its link has been written and read, or after the tail has been moved away from it; until then
 * the tail or the predecessor's link names it and it is not free, so a name cannot come back for another turn while somebody
 * compares with it (no ABA). After its exchange of the link a successor touches its predecessor only if it found PASSED.
 * Liveness: the head never leaves, and the duty is passed by a context that runs. tests/models/spinlock.pml searches all of this.
 *
 * Enters with preemption off and leaves with the lock held, interrupts as they are. Any context but NMI, early boot included: needs the
 * CPU's own per-CPU area and no memory. Limit: CPUs times NODES fit 16 bits.
 */
/* With `pause` at every look where it costs nothing but time (see sync/spin.h). */
#ifndef SPIN_LOOKS_PER_PAUSE
#define SPIN_LOOKS_PER_PAUSE (config_replay || config_plat_host ? 1u : 1024u)
#endif

#include "uk/spinlock.h"

#include <arch/cpu.h>

#include "config.h"
#include "lib/util.h"
#include "sync/spin.h"

#define HELD	   1u
#define HELD_BITS  0xffffu /* the word but the tail */
#define TAIL_SHIFT 16
#define NODES	   4u
#define PASSED	   UINT32_MAX

/* Some ten microseconds on the host, where CPUs are threads; more than any section's time where they are a hypervisor's. */
#ifndef SPIN_BOUND
#define SPIN_BOUND (config_replay ? 200u : config_plat_host ? 1024u : 1u << 15)
#endif
#ifndef TAS_ROUNDS
#define TAS_ROUNDS 64u
#endif
/* In a replayed run each turn hands on the baton: few are enough. */
#define BACKOFF_MAX (config_replay ? 2u : 256u)

enum { FREE, WAITING, HEAD, ABANDONED };

struct node {
	uint32_t state; /* [a] */
	uint32_t next;	/* [a] name of the node behind this one, 0: none yet, or PASSED */
};

/* A CPU spins on one of its nodes at a time, so they share a line. */
static struct {
	struct node node[NODES];
	uint32_t random; /* [a] by its CPU; a value that an interrupt changed meanwhile is as good */
} __cacheline waiters[CONFIG_MAX_CPUS];

_Static_assert(CONFIG_MAX_CPUS *NODES <= UINT32_MAX >> TAIL_SHIFT, "a node's name fits the word");

static inline struct node *node_of(uint32_t name)
{
	return &waiters[(name - 1) / NODES].node[(name - 1) % NODES];
}

static inline void node_free(struct node *x)
{
	/* pairs with the acquire in node_claim() */
	__atomic_store_n(&x->state, FREE, __ATOMIC_RELEASE);
}

/* A node of this CPU, by name; 0 if none is free. */
static uint32_t node_claim(void)
{
	uint32_t name = cpu_id() * NODES;

	for (unsigned i = 0; i < NODES; i++) {
		struct node *x = node_of(++name);
		uint32_t state = FREE;

		/* pairs with the release in node_free() */
		if (__atomic_compare_exchange_n(&x->state, &state, WAITING, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			__atomic_store_n(&x->next, 0, __ATOMIC_RELAXED);
			return name;
		}
	}
	return 0;
}

/* Nobody is behind the node at the front: no queue any more. */
static bool queue_end(struct uk_spinlock *l, uint32_t name)
{
	uint32_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);

	while (w >> TAIL_SHIFT == name)
		/* orders nothing: who comes now shares no node with the caller */
		if (__atomic_compare_exchange_n(&l->word, &w, w & HELD_BITS, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* The caller was the head, has the lock and passes the front on. */
static void pass(struct uk_spinlock *l, uint32_t name)
{
	for (;;) {
		struct node *x = node_of(name);
		/* pairs with the release in follow() */
		uint32_t next = __atomic_load_n(&x->next, __ATOMIC_ACQUIRE), state = WAITING;

		if (!next) {
			if (queue_end(l, name)) {
				node_free(x);
				return;
			}
			/* pairs with the exchange in follow() */
			if (__atomic_compare_exchange_n(&x->next, &next, PASSED, false, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE))
				return;
		}
		node_free(x);
		/* pairs with the acquires in follow(); failing, with the release of who left */
		if (__atomic_compare_exchange_n(&node_of(next)->state, &state, HEAD, false, __ATOMIC_RELEASE,
						__ATOMIC_ACQUIRE))
			return;
		name = next;
	}
}

/* Waits behind another node. True: the caller is the head; false: it has left the queue. */
static bool follow(uint32_t prev, uint32_t name)
{
	struct node *p = node_of(prev), *me = node_of(name);
	unsigned looks = 0;

	/* pairs with the two accesses of `next` in pass() */
	if (__atomic_exchange_n(&p->next, name, __ATOMIC_ACQ_REL) == PASSED) {
		node_free(p);
		return true;
	}
	/* pairs with the release in pass() */
	while (__atomic_load_n(&me->state, __ATOMIC_ACQUIRE) != HEAD) {
		uint32_t state = WAITING;

		spin_wait(&looks);
		if (looks < SPIN_BOUND)
			continue;
		/* pairs with the failing compare-and-swap in pass() */
		if (__atomic_compare_exchange_n(&me->state, &state, ABANDONED, false, __ATOMIC_RELEASE,
						__ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

/* True: the caller has the lock. False: it has waited for long, or there was no node. */
static bool queue_up(struct uk_spinlock *l)
{
	uint32_t name = node_claim(), w = __atomic_load_n(&l->word, __ATOMIC_RELAXED), new;
	unsigned looks = 0;

	if (!name)
		return false;
	/* acquire: of the lock, pairs with the unlock; release: the node is ready before its name is known */
	do
		new = w ? (w & HELD_BITS) | name << TAIL_SHIFT : HELD;
	while (!__atomic_compare_exchange_n(&l->word, &w, new, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (!w) {
		node_free(node_of(name));
		return true;
	}
	if (w >> TAIL_SHIFT && !follow(w >> TAIL_SHIFT, name))
		return false;

	for (;;) {
		w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
		if (!(w & HELD)) {
			new = w >> TAIL_SHIFT == name ? HELD : w | HELD;
			/* pairs with the release in spin_unlock_word() */
			if (__atomic_compare_exchange_n(&l->word, &w, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
				break;
		}
		spin_wait(&looks);
		if (looks % SPIN_BOUND == 0)
			arch_cpu_yield();
	}
	if (new == HELD)
		node_free(node_of(name));
	else
		pass(l, name);
	return true;
}

/* A number from 1 to `limit`, another one for each CPU and call (Marsaglia, "Xorshift RNGs", 2003). */
static unsigned random_turns(unsigned limit)
{
	uint32_t *state = &waiters[cpu_id()].random;
	uint32_t r = __atomic_load_n(state, __ATOMIC_RELAXED);

	if (!r)
		r = 0x9e3779b9u * (cpu_id() + 1);
	r ^= r << 13;
	r ^= r >> 17;
	r ^= r << 5;
	__atomic_store_n(state, r, __ATOMIC_RELAXED);
	return 1 + r % limit;
}

/* Outside the queue. True: the caller has the lock. */
static bool test_and_set(struct uk_spinlock *l)
{
	unsigned limit = 1, looks = 0;

	for (unsigned round = 0; round < TAS_ROUNDS; round++) {
		uint32_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);

		/* pairs with the release in spin_unlock_word() */
		if (!(w & HELD) &&
		    __atomic_compare_exchange_n(&l->word, &w, w | HELD, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
		for (unsigned i = random_turns(limit); i; i--)
			spin_wait(&looks);
		if (limit < BACKOFF_MAX)
			limit *= 2;
		arch_cpu_yield();
	}
	return false;
}

__noinline void uk_spin_lock_slow(struct uk_spinlock *l)
{
	lock_hook_contended(&l->map, l);
	while (!queue_up(l) && !test_and_set(l))
		;
}

/* An invalid instruction, whose report names this function and its callers. */
__cold __noinline void uk_spin_assert_slow(const struct uk_spinlock *l)
{
	(void)l;
	__builtin_trap();
}
