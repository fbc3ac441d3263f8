// SPDX-License-Identifier: BSD-3-Clause
/*
 * Per-CPU counters (tutti/percpu_counter.h): which slots are taken, emptying a slot, and the sum.
 *
 * A slot is changed by its CPU only: tutti_percpu_counter_add() by one instruction with preemption off, fold() by one exchange with
 * 0, so an interrupt that adds to the same counter in between loses nothing. What fold() has taken out of a slot is in no place for
 * a moment; it holds the counter's lock until it is in the total, and sum() takes that lock: it counts each addition once or, if
 * it is made meanwhile, maybe not yet. Slots that are read one after the other belong to different moments within the call.
 *
 * A number of slots is taken and given back by compare-and-swap of a bit; the slots are 0 then: init() clears them, which the
 * acquire orders after the last use. Any context, early boot included; no memory. Limit: TUTTI_PERCPU_COUNTERS counters.
 */
#include "tutti/percpu_counter.h"

#include "config.h"
#include "lib/errno.h"
#include "lib/util.h"

struct tutti_percpu_slots tutti_percpu_slots[CONFIG_MAX_CPUS];

static struct {
	uint64_t taken; /* [a] a bit per number */
} counters;

_Static_assert(TUTTI_PERCPU_COUNTERS == 64, "one word of bits");

LOCK_CLASS(percpu_counter_class, "per-CPU counter", 110, LOCK_IRQ | LOCK_LEAF, "total while a slot is emptied");

int tutti_percpu_counter_init(struct tutti_percpu_counter *c, int64_t batch)
{
	uint64_t taken = __atomic_load_n(&counters.taken, __ATOMIC_RELAXED);
	unsigned number;

	if (batch <= 0)
		return -EINVAL;
	do {
		if (!~taken)
			return -ENOMEM;
		number = (unsigned)__builtin_ctzll(~taken);
		/* pairs with the release in tutti_percpu_counter_destroy() */
	} while (!__atomic_compare_exchange_n(&counters.taken, &taken, taken | 1ull << number, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++)
		__atomic_store_n(&tutti_percpu_slots[i].value[number], 0, __ATOMIC_RELAXED);
	c->total = 0;
	c->batch = batch;
	c->number = number;
	spin_init_class(&c->lock, &percpu_counter_class);
	return 0;
}

void tutti_percpu_counter_destroy(struct tutti_percpu_counter *c)
{
	/* pairs with the acquire in tutti_percpu_counter_init() */
	__atomic_fetch_and(&counters.taken, ~(1ull << c->number), __ATOMIC_RELEASE);
}

__noinline void tutti_percpu_counter_add_slow(struct tutti_percpu_counter *c)
{
	unsigned long flags;
	int64_t n;

	uk_spin_lock_irqsave(&c->lock, flags);
	n = __atomic_exchange_n(&tutti_percpu_slots[cpu_id()].value[c->number], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->total, c->total + n, __ATOMIC_RELAXED);
	uk_spin_unlock_irqrestore(&c->lock, flags);
}

int64_t tutti_percpu_counter_sum(struct tutti_percpu_counter *c)
{
	unsigned long flags;
	int64_t sum;

	uk_spin_lock_irqsave(&c->lock, flags);
	sum = c->total;
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++)
		sum += __atomic_load_n(&tutti_percpu_slots[i].value[c->number], __ATOMIC_RELAXED);
	uk_spin_unlock_irqrestore(&c->lock, flags);
	return sum;
}
