/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runnable threads of one CPU, without the one that runs, in the order in which they are to run. A data structure
 * and nothing else: the caller (sched.c) holds the CPU's lock around every call, except where a function says so.
 *
 * Real-time priorities 0 (most urgent) .. 98 come first, in the order of their arrival within a level. Behind them stand
 * the fair ones, by virtual runtime: nanoseconds of CPU time, scaled by 1024 / weight. With `fifo` (the `coop` mode)
 * virtual time stands still, so that the fair ones are served in the order of their arrival.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/rbtree.h"

#define RUNQ_PRIO_FAIR 100u /* nice -20; 120 is nice 0, 139 nice 19 */
#define RUNQ_PRIO_NONE 140u /* less urgent than everything */

#define RUNQ_SLICE_MIN_NS 2000000ull
#define RUNQ_SLICE_MAX_NS 10000000ull
/* Time in which each of a few fair threads runs once. */
#define RUNQ_PERIOD_NS 20000000ull
/* How far behind the others a thread that slept may be placed, at most. */
#define RUNQ_CREDIT_NS 3000000ull
/* A woken thread that is behind the running one by more than this preempts it. */
#define RUNQ_GRANULARITY_NS 1000000ull

struct runq {
	struct rb_tree tree;
	struct runq_entity *first; /* the tree's leftmost, or NULL */
	uint64_t min_vruntime;	   /* [a to read] never goes back; no fair thread is far behind it */
	uint64_t load;		   /* [a to read] sum of the weights in the tree */
	uint32_t count;		   /* [a to read] */
	bool fifo;		   /* [I] */
};

struct runq_entity {
	struct rb_node node;
	uint64_t vruntime;	  /* by the clock of `clock` */
	const struct runq *clock; /* NULL: has not been queued yet */
	uint32_t prio;		  /* 0 .. 139; changes only outside the tree */
	uint32_t weight;
};

enum runq_how {
	RUNQ_BACK,  /* behind its equals */
	RUNQ_FRONT, /* before its equals: it was interrupted, or only moves */
	RUNQ_WOKEN, /* has slept: behind its equals, with a bounded credit */
};

/* Weight of a priority, 1.25 times as much per step; `background` (SCHED_IDLE): less than any. */
uint32_t runq_weight(uint32_t prio, bool background);

void runq_init(struct runq *q, bool fifo);
/* Entity outside any tree; its virtual time is carried over from the queue where it was last. */
void runq_add(struct runq *q, struct runq_entity *e, enum runq_how how);
void runq_del(struct runq *q, struct runq_entity *e);
/* The ones in the tree from the first on; NULL at the end. */
static inline struct runq_entity *runq_first(const struct runq *q)
{
	return q->first;
}
struct runq_entity *runq_next(const struct runq_entity *e);

/* `e`, which is not in the tree, has run for `ns` on this CPU, while others waited for a slice of it at most. */
void runq_charge(struct runq *q, struct runq_entity *e, uint64_t ns);
/*
 * `e`, which runs, wants to be behind all of its kind. It is behind those that are less than RUNQ_PERIOD_NS of virtual time ahead, and
 * gets nearer to the others with each call: to wait for its turn behind one of little weight could take seconds.
 */
void runq_yield(struct runq *q, struct runq_entity *e);
/*
 * Is the first in the tree to run before `cur`, which was charged up to now and may go on? `turn_over`: a real-time `cur` has used up
 * its turn (RR, or a yield) and gives way to its equals.
 */
bool runq_first_goes(const struct runq *q, const struct runq_entity *cur, bool turn_over);
/* Should `woken`, just added, interrupt `cur`, which ran for `ns` since it was charged? */
bool runq_preempts(const struct runq *q, const struct runq_entity *woken, const struct runq_entity *cur, uint64_t ns);
/* Length of a fair thread's slice with what is queued now. Without the lock: as good as a moment ago. */
uint64_t runq_slice_ns(const struct runq *q);

/* Without the lock: hints. */
static inline uint32_t runq_count(const struct runq *q)
{
	return __atomic_load_n(&q->count, __ATOMIC_SEQ_CST);
}
static inline uint64_t runq_load(const struct runq *q)
{
	return __atomic_load_n(&q->load, __ATOMIC_RELAXED);
}
