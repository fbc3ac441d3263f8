// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4,8 plat=host timeout=120 replay=12
// test: cpus=1,2,4 plat=vm sched=preempt,coop timeout=120
/*
 * RCU under load. Objects hang in slots; readers look at them in read sections of random length, writers take them out and put new
 * ones in. What is taken out is poisoned when its grace period has passed, by a callback or after synchronize(), and used again.
 *
 * Promises kept: a reader never sees poison, nor an object that changes under it (used again too early); a callback runs exactly
 * once; barrier() comes after all of them; no object is lost; the free list is never empty for ever, so grace periods end, whoever computes.
 */
#include <tutti/rcu.h>
#include <uk/spinlock.h>

#include "torture.h"

enum { SLOTS = 8, OBJECTS = 256, READERS = 3, WRITERS = 3, LIVE = 0x11fe, POISON = 0xdead, SECTION = 200 };

struct object {
	struct tutti_rcu_head rcu;
	struct object *next_free; /* [free.lock] */
	uint32_t state;		  /* [a] LIVE from before it is published until its grace period has passed */
	uint64_t value, copy;	  /* [I] while it is live: equal */
	uint32_t pending;	  /* [a] callbacks that are to come: 0 or 1 */
};

static struct object objects[OBJECTS];
static struct object *slots[SLOTS];
static struct {
	struct uk_spinlock lock;
	struct object *first;
	unsigned count;
} pool;
static uint64_t called, ran, waited;
static uint32_t writers_left = WRITERS;

/* Also from a kernel thread without thread-local storage: nothing of the C library here. */
static void give(struct object *o)
{
	uk_spin_lock(&pool.lock);
	o->next_free = pool.first;
	pool.first = o;
	pool.count++;
	uk_spin_unlock(&pool.lock);
}

static struct object *get(void)
{
	struct object *o;

	uk_spin_lock(&pool.lock);
	o = pool.first;
	if (o) {
		pool.first = o->next_free;
		pool.count--;
	}
	uk_spin_unlock(&pool.lock);
	return o;
}

static void poison(struct object *o)
{
	__atomic_store_n(&o->state, POISON, __ATOMIC_RELAXED);
	__atomic_store_n(&o->value, POISON, __ATOMIC_RELAXED);
	__atomic_store_n(&o->copy, ~(uint64_t)POISON, __ATOMIC_RELAXED);
	give(o);
}

static void passed(struct tutti_rcu_head *head)
{
	struct object *o = (struct object *)((char *)head - offsetof(struct object, rcu));

	if (__atomic_exchange_n(&o->pending, 0, __ATOMIC_RELAXED) != 1)
		__builtin_trap();
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	poison(o);
}

/* In a read section. Anything but 0 is a broken promise. */
static unsigned look(const struct object *o, unsigned turns)
{
	const uint64_t value = __atomic_load_n(&o->value, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < turns; i++) {
		if (__atomic_load_n(&o->state, __ATOMIC_RELAXED) != LIVE)
			return 1;
		if (__atomic_load_n(&o->value, __ATOMIC_RELAXED) != value ||
		    __atomic_load_n(&o->copy, __ATOMIC_RELAXED) != value)
			return 2;
	}
	return 0;
}

static void *reader(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);

	/* until the writers have done their operations */
	while (__atomic_load_n(&writers_left, __ATOMIC_ACQUIRE)) {
		const unsigned slot = torture_below(&rnd, SLOTS), turns = torture_below(&rnd, SECTION);
		const bool nest = torture_below(&rnd, 4) == 0;
		const struct object *o;
		unsigned wrong;

		tutti_rcu_read_lock();
		if (nest)
			tutti_rcu_read_lock();
		o = tutti_rcu_dereference(slots[slot]);
		wrong = look(o, turns);
		if (nest)
			tutti_rcu_read_unlock();
		wrong |= look(o, turns / 4) << 4;
		wrong |= tutti_rcu_read_held() ? 0 : 0x100;
		tutti_rcu_read_unlock();
		if (wrong)
			torture_fail("a reader saw %s (code 0x%x)",
				     wrong & 0x11 ? "poison" : "an object that was used again", wrong);
		/* some compute without a switch: they have to be asked */
		if (torture_below(&rnd, 8) == 0)
			sched_yield();
	}
	return arg;
}

static void *writer(void *arg)
{
	uint64_t rnd = torture_stream(100 + (unsigned)(uintptr_t)arg);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		struct object *o, *old;

		while (!(o = get())) {
			if (torture_below(&rnd, 4) == 0)
				tutti_rcu_barrier();
			else
				sched_yield();
		}
		o->value = o->copy = check_random(&rnd);
		o->state = LIVE;
		/* Release: publishes the new object. Writers of one slot exclude each other by this being one operation. */
		old = __atomic_exchange_n(&slots[torture_below(&rnd, SLOTS)], o, __ATOMIC_ACQ_REL);
		if (torture_below(&rnd, 64)) {
			CHECK_EQ(__atomic_exchange_n(&old->pending, 1, __ATOMIC_RELAXED), 0);
			__atomic_fetch_add(&called, 1, __ATOMIC_RELAXED);
			tutti_rcu_call(&old->rcu, passed);
		} else {
			tutti_rcu_synchronize();
			__atomic_fetch_add(&waited, 1, __ATOMIC_RELAXED);
			poison(old);
		}
		if (torture_below(&rnd, 256) == 0) {
			/* counted are calls just before they are made: each of the other writers may be at that point */
			const uint64_t before = __atomic_load_n(&called, __ATOMIC_ACQUIRE);

			tutti_rcu_barrier();
			TORTURE_CHECK(__atomic_load_n(&ran, __ATOMIC_RELAXED) + WRITERS > before);
		}
	}
	__atomic_fetch_sub(&writers_left, 1, __ATOMIC_RELEASE);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[READERS + WRITERS];

	torture_begin(argc, argv, 4000);
	for (unsigned i = 0; i < OBJECTS; i++)
		give(&objects[i]);
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i] = get();
		slots[i]->state = LIVE;
	}
	for (uintptr_t i = 0; i < READERS + WRITERS; i++)
		threads[i] = check_spawn(i < READERS ? reader : writer, (void *)i);
	for (unsigned i = 0; i < READERS + WRITERS; i++)
		check_join(threads[i]);
	tutti_rcu_barrier();
	TORTURE_CHECK(called == ran);
	TORTURE_CHECK(pool.count == OBJECTS - SLOTS);
	TORTURE_CHECK(called > 0 && waited > 0);
	return torture_end();
}
