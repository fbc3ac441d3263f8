// SPDX-License-Identifier: BSD-3-Clause
/*
 * Bounded rings (tutti/ring.h) after D. Vyukov's array queue with a turn number in each place.
 *
 * Positions count from 0 and are never reused (64 bits); position p belongs to place p modulo capacity. A place's turn says what
 * can happen to it: turn == p, it is free for the element of p; turn == p + 1, it holds that element; then turn == p + capacity,
 * free for the next lap. With a capacity of 1 the last two were the same number, hence 2 at least.
 *
 * Claim: a producer that finds turn == p at p == push_at moves push_at to p + 1 by compare-and-swap. Only one can for each p, and
 * only while the place is free: nobody else changes the turn of a free place, so that what was seen before the exchange still
 * holds. It stores the element and publishes it by turn = p + 1. A consumer does the same with turn == p + 1 and pop_at, and gives the
 * place back by turn = p + capacity. So each element is taken once, by the one consumer that claimed its position.
 *
 * "Full" is said when turn < p: then nobody has filled p, so push_at, which only grows and was p, is still p, and the element of a
 * lap before is still there (or is just being taken). "Empty" likewise. turn > p: somebody was faster, look again; each such round
 * means that another call has made progress (lock-free, but for a claim that is not yet published, see the header).
 *
 * Order: turn is stored with release and loaded with acquire; these two pairs (publish to consumer, give back to the next lap's
 * producer) order all accesses of `element` and of what it points to. push_at and pop_at only hand out numbers: relaxed. The MPSC
 * ring's consumer is one context at a time, so its position needs no exchange; who hands that role on orders it.
 *
 * Any context, interrupts too (an interrupt in the middle of a push is like another CPU that stands still); no locks, no memory.
 */
#include "tutti/ring.h"

#include "lib/errno.h"
#include "lib/util.h"

static int cells_init(struct tutti_ring_cell *cells, size_t capacity)
{
	if (capacity < 2 || (capacity & (capacity - 1)))
		return -EINVAL;
	for (size_t i = 0; i < capacity; i++)
		__atomic_store_n(&cells[i].turn, i, __ATOMIC_RELAXED);
	return 0;
}

static bool push(struct tutti_ring_cell *cells, uint64_t mask, uint64_t *push_at, void *element)
{
	uint64_t p = __atomic_load_n(push_at, __ATOMIC_RELAXED);

	for (;;) {
		struct tutti_ring_cell *c = &cells[p & mask];
		/* pairs with the release of the consumer that gave the place back */
		int64_t ahead = (int64_t)(__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) - p);

		if (ahead < 0)
			return false;
		if (ahead > 0) {
			p = __atomic_load_n(push_at, __ATOMIC_RELAXED);
		} else if (__atomic_compare_exchange_n(push_at, &p, p + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			c->element = element;
			/* pairs with the acquire of who pops */
			__atomic_store_n(&c->turn, p + 1, __ATOMIC_RELEASE);
			return true;
		}
	}
}

int tutti_mpmc_init(struct tutti_mpmc *r, struct tutti_ring_cell *cells, size_t capacity)
{
	r->cells = cells;
	r->mask = capacity - 1;
	r->push_at = r->pop_at = 0;
	return cells_init(cells, capacity);
}

bool tutti_mpmc_try_push(struct tutti_mpmc *r, void *element)
{
	return push(r->cells, r->mask, &r->push_at, element);
}

bool tutti_mpmc_try_pop(struct tutti_mpmc *r, void **element)
{
	uint64_t p = __atomic_load_n(&r->pop_at, __ATOMIC_RELAXED);

	for (;;) {
		struct tutti_ring_cell *c = &r->cells[p & r->mask];
		/* pairs with the release in push() */
		int64_t ahead = (int64_t)(__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) - (p + 1));

		if (ahead < 0)
			return false;
		if (ahead > 0) {
			p = __atomic_load_n(&r->pop_at, __ATOMIC_RELAXED);
		} else if (__atomic_compare_exchange_n(&r->pop_at, &p, p + 1, true, __ATOMIC_RELAXED,
						       __ATOMIC_RELAXED)) {
			*element = c->element;
			/* pairs with the acquire in push() */
			__atomic_store_n(&c->turn, p + r->mask + 1, __ATOMIC_RELEASE);
			return true;
		}
	}
}

static size_t count(const uint64_t *push_at, const uint64_t *pop_at, uint64_t mask)
{
	/* in this order, each no later than the next: never a difference below 0 */
	uint64_t pop = __atomic_load_n(pop_at, __ATOMIC_ACQUIRE);
	uint64_t n = __atomic_load_n(push_at, __ATOMIC_RELAXED) - pop;

	return MIN(n, mask + 1);
}

size_t tutti_mpmc_count(const struct tutti_mpmc *r)
{
	return count(&r->push_at, &r->pop_at, r->mask);
}

int tutti_mpsc_init(struct tutti_mpsc *r, struct tutti_ring_cell *cells, size_t capacity)
{
	r->cells = cells;
	r->mask = capacity - 1;
	r->push_at = r->pop_at = 0;
	return cells_init(cells, capacity);
}

bool tutti_mpsc_try_push(struct tutti_mpsc *r, void *element)
{
	return push(r->cells, r->mask, &r->push_at, element);
}

bool tutti_mpsc_try_pop(struct tutti_mpsc *r, void **element)
{
	uint64_t p = __atomic_load_n(&r->pop_at, __ATOMIC_RELAXED);
	struct tutti_ring_cell *c = &r->cells[p & r->mask];

	/* pairs with the release in push() */
	if (__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) != p + 1)
		return false;
	*element = c->element;
	__atomic_store_n(&r->pop_at, p + 1, __ATOMIC_RELAXED);
	/* pairs with the acquire in push() */
	__atomic_store_n(&c->turn, p + r->mask + 1, __ATOMIC_RELEASE);
	return true;
}

size_t tutti_mpsc_count(const struct tutti_mpsc *r)
{
	return count(&r->push_at, &r->pop_at, r->mask);
}
