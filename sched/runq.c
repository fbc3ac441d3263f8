/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One CPU's runnable threads in order (runq.h).
 *
 * One red-black tree with its leftmost node at hand. Order: real time before fair; real time by priority; fair by virtual
 * runtime; equals in the order of their arrival, because a new one goes to the right of those it equals. A list and a bitmap
 * per real-time level would save a few comparisons and cost 1.6 KiB per possible CPU.
 *
 * Fair: the thread with the least virtual runtime runs; running makes it grow by time * 1024 / weight, so over time each gets
 * CPU in proportion to its weight (as in Linux' CFS; the idea is Stride scheduling, Waldspurger and Weihl, 1995). Invariants:
 *   min_vruntime never goes back, and is no larger than the virtual runtime of the running fair thread and of the first
 *   one in the tree, except that of one placed behind it with credit.
 *   A thread is placed at min_vruntime - RUNQ_CREDIT_NS or where it was, whichever is later, so sleeping earns
 *   no more than that and nobody starves: whoever waits has a fixed virtual runtime, which min_vruntime passes after
 *   finite time, and from then on only threads with credit stand before it, each for no longer than the credit lasts.
 *   (Who does not come from sleep is never further behind, unless its old queue's clock jumped on while it moved.)
 *   While anybody waits a slice ends after RUNQ_SLICE_MAX_NS. A thread that is charged for more while others wait had the CPU
 *   for itself before they came, and they were placed by a clock that had not moved meanwhile: it pays for one slice. Else
 *   it would starve for as long as it was alone.
 *   Virtual runtimes are compared by the sign of their difference and may wrap.
 *
 * Each CPU's virtual clock goes at its own rate; on a move the distance to min_vruntime is what counts (runq_add()). The old
 * queue's clock is read without its lock: an old value is as good, it moves on all the time.
 *
 * Concurrency: the caller's lock. No memory, no time is read, any context.
 */
#include "sched/runq.h"

#include <stddef.h>

#include "lib/util.h"

/* 1024 * 1.25^-nice. */
static const uint32_t weights[40] = {
	88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921, /* nice -20 */
	9537,  7629,  6104,  4883,  3906,  3125,  2500,	 2000,	1600,  1280,  /* -10 */
	1024,  819,   655,   524,   419,   336,	  268,	 215,	172,   137,   /* 0 */
	110,   88,    70,    56,    45,	   36,	  29,	 23,	18,    15,    /* 10 */
};
#define WEIGHT_UNIT	  1024u
#define WEIGHT_BACKGROUND 3u

uint32_t runq_weight(uint32_t prio, bool background)
{
	if (prio < RUNQ_PRIO_FAIR)
		return weights[0];
	return background ? WEIGHT_BACKGROUND : weights[MIN(prio - RUNQ_PRIO_FAIR, ARRAY_SIZE(weights) - 1)];
}

static inline bool is_fair(const struct runq_entity *e)
{
	return e->prio >= RUNQ_PRIO_FAIR;
}

static inline bool earlier(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static inline uint64_t later_of(uint64_t a, uint64_t b)
{
	return earlier(a, b) ? b : a;
}

static inline bool before(const struct runq_entity *a, const struct runq_entity *b)
{
	if (!is_fair(a) || !is_fair(b))
		return a->prio < b->prio && !(is_fair(a) && is_fair(b));
	return earlier(a->vruntime, b->vruntime);
}

static inline struct runq_entity *entity_of(const struct rb_node *n)
{
	return n ? container_of((char *)n, struct runq_entity, node) : NULL;
}

static inline uint64_t scaled(const struct runq_entity *e, uint64_t ns)
{
	return e->weight == WEIGHT_UNIT ? ns : ns * WEIGHT_UNIT / e->weight;
}

void runq_init(struct runq *q, bool fifo)
{
	*q = (struct runq){ .fifo = fifo };
}

struct runq_entity *runq_next(const struct runq_entity *e)
{
	return entity_of(rb_next(&e->node));
}

/* The queue's clock follows the one that is furthest behind, `cur` or in the tree. */
static void advance_clock(struct runq *q, const struct runq_entity *cur)
{
	const struct runq_entity *first = q->first;
	uint64_t v = cur->vruntime;

	if (first && is_fair(first) && earlier(first->vruntime, v))
		v = first->vruntime;
	if (earlier(q->min_vruntime, v))
		__atomic_store_n(&q->min_vruntime, v, __ATOMIC_RELAXED);
}

static void place(struct runq *q, struct runq_entity *e)
{
	if (!e->clock)
		e->vruntime = q->min_vruntime;
	else if (e->clock != q)
		e->vruntime += q->min_vruntime - __atomic_load_n(&e->clock->min_vruntime, __ATOMIC_RELAXED);
	e->clock = q;
	e->vruntime = later_of(e->vruntime, q->min_vruntime - RUNQ_CREDIT_NS);
}

void runq_add(struct runq *q, struct runq_entity *e, enum runq_how how)
{
	struct rb_node **link = &q->tree.root, *parent = NULL;
	bool leftmost = true;

	if (!q->fifo)
		place(q, e);
	if (!q->count) {
		e->node = (struct rb_node){ 0 };
		q->tree.root = &e->node;
		q->first = e;
		goto added;
	}
	while (*link) {
		const struct runq_entity *p = entity_of(*link);

		parent = *link;
		if (how == RUNQ_FRONT ? !before(p, e) : before(e, p)) {
			link = &parent->left;
		} else {
			link = &parent->right;
			leftmost = false;
		}
	}
	rb_insert(&q->tree, &e->node, parent, link);
	if (leftmost)
		q->first = e;
added:
	__atomic_store_n(&q->load, q->load + e->weight, __ATOMIC_RELAXED);
	__atomic_store_n(&q->count, q->count + 1, __ATOMIC_RELAXED);
}

void runq_del(struct runq *q, struct runq_entity *e)
{
	if (q->first == e)
		q->first = q->count == 1 ? NULL : runq_next(e);
	if (q->count == 1)
		q->tree.root = NULL;
	else
		rb_erase(&q->tree, &e->node);
	__atomic_store_n(&q->load, q->load - e->weight, __ATOMIC_RELAXED);
	__atomic_store_n(&q->count, q->count - 1, __ATOMIC_RELAXED);
}

void runq_charge(struct runq *q, struct runq_entity *e, uint64_t ns)
{
	if (q->fifo || !is_fair(e))
		return;
	e->vruntime += scaled(e, q->count ? MIN(ns, RUNQ_SLICE_MAX_NS) : ns);
	advance_clock(q, e);
}

void runq_yield(struct runq *q, struct runq_entity *e)
{
	const uint64_t most = q->min_vruntime + RUNQ_PERIOD_NS;
	const struct runq_entity *last;

	if (q->fifo || !is_fair(e) || !q->first)
		return;
	last = q->count == 1 ? q->first : entity_of(rb_last(&q->tree));
	/* One with little weight may be seconds ahead. */
	if (is_fair(last))
		e->vruntime = later_of(e->vruntime, earlier(most, last->vruntime) ? most : last->vruntime);
}

bool runq_first_goes(const struct runq *q, const struct runq_entity *cur, bool turn_over)
{
	const struct runq_entity *first = q->first;

	if (!first)
		return false;
	/* Fair equals take turns. */
	return before(first, cur) || ((is_fair(cur) || turn_over) && !before(cur, first));
}

bool runq_preempts(const struct runq *q, const struct runq_entity *woken, const struct runq_entity *cur, uint64_t ns)
{
	if (!is_fair(woken) || !is_fair(cur))
		return woken->prio < cur->prio && !(is_fair(woken) && is_fair(cur));
	if (q->fifo)
		return false;
	return earlier(woken->vruntime + RUNQ_GRANULARITY_NS, cur->vruntime + scaled(cur, ns));
}

uint64_t runq_slice_ns(const struct runq *q)
{
	uint64_t slice = RUNQ_PERIOD_NS / (__atomic_load_n(&q->count, __ATOMIC_RELAXED) + 1);

	return MIN(MAX(slice, RUNQ_SLICE_MIN_NS), RUNQ_SLICE_MAX_NS);
}
