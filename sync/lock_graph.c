// SPDX-License-Identifier: BSD-3-Clause
/*
 * The order graph of lock classes: a bit matrix and a table of edges.
 *
 * Two matrices: `after` holds the edges, `seen` the pairs that have been looked at, which are the edges and what was reported instead of
 * becoming one; bits only come. `seen` is read without a lock on every acquisition, all else under the validator's raw lock. Searching is
 * breadth first over the matrix with a queue of all classes, both static: the caller's lock protects them, too. It is done once per new
 * edge, of which a program makes a few hundred in its life.
 *
 * Full table of edges: graph_add() returns NULL and the pair is not in the graph, so that each edge in it can be shown with its places.
 */
#include "sync/lock_graph.h"

#ifdef __TUTTI_LOCK_HOOKS__

#include "lib/util.h"

#define WORDS (LOCK_CLASSES / 64)

_Static_assert(LOCK_CLASSES % 64 == 0 && LOCK_CLASSES <= UINT16_MAX, "bit matrix, numbers of 16 bits");

uint64_t graph_seen_bits[LOCK_CLASSES][WORDS];

static struct {
	uint64_t after[LOCK_CLASSES][WORDS]; /* [to] of [from] */
	struct lock_edge edge[LOCK_EDGES];
	unsigned edges;
	uint16_t queue[LOCK_CLASSES]; /* of a search */
	uint16_t prev[LOCK_CLASSES];  /* where a class was reached from; itself: the start; 0: not reached */
} graph;

void graph_mark_seen(unsigned from, unsigned to)
{
	__atomic_fetch_or(&graph_seen_bits[from][to / 64], 1ull << (to % 64), __ATOMIC_RELAXED);
}

static bool has(unsigned from, unsigned to)
{
	return (graph.after[from][to / 64] >> (to % 64)) & 1;
}

struct lock_edge *graph_add(unsigned from, unsigned to)
{
	struct lock_edge *e;

	if (graph.edges == LOCK_EDGES)
		return NULL;
	e = &graph.edge[graph.edges++];
	e->from = (uint16_t)from;
	e->to = (uint16_t)to;
	graph.after[from][to / 64] |= 1ull << (to % 64);
	return e;
}

const struct lock_edge *graph_edge(unsigned from, unsigned to)
{
	for (unsigned i = 0; i < graph.edges; i++)
		if (graph.edge[i].from == from && graph.edge[i].to == to)
			return &graph.edge[i];
	return NULL;
}

/* Classes from `start` to `end` in the order they were reached. */
static unsigned way(unsigned end, uint16_t path[LOCK_PATH_MAX])
{
	unsigned n = 1, skip;

	for (unsigned c = end; graph.prev[c] != c; c = graph.prev[c])
		n++;
	skip = n > LOCK_PATH_MAX ? n - LOCK_PATH_MAX : 0;
	for (unsigned c = end, i = n; i-- > 0; c = graph.prev[c]) {
		/* too long: the start and the last ones stay */
		if (i == 0)
			path[0] = (uint16_t)c;
		else if (i > skip)
			path[i - skip] = (uint16_t)c;
	}
	return n - skip;
}

unsigned graph_search(unsigned start, bool forward, bool (*want)(unsigned class, unsigned arg), unsigned arg,
		      uint16_t path[LOCK_PATH_MAX], unsigned *n)
{
	const unsigned classes = lock_class_count();
	unsigned head = 0, tail = 0;

	for (unsigned i = 0; i <= classes; i++)
		graph.prev[i] = 0;
	graph.queue[tail++] = (uint16_t)start;
	graph.prev[start] = (uint16_t)start;
	while (head < tail) {
		unsigned c = graph.queue[head++];

		if (want(c, arg)) {
			*n = way(c, path);
			return c;
		}
		for (unsigned d = 1; d <= classes; d++) {
			if (graph.prev[d] || !(forward ? has(c, d) : has(d, c)))
				continue;
			graph.prev[d] = (uint16_t)c;
			graph.queue[tail++] = (uint16_t)d;
		}
	}
	return 0;
}

#endif
