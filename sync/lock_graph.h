/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which class of lock was ever taken while which other one was held: a graph without cycles, each edge with the places in the code where
 * it was seen first. The caller serializes changes and searches (validator.c); graph_seen() is for any context without.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sync/lock_class.h"

#ifdef __TUTTI_LOCK_HOOKS__

#ifndef LOCK_EDGES
#define LOCK_EDGES 1024u
#endif
#define LOCK_STACK_LONG 14
#define LOCK_PATH_MAX	8

struct lock_edge {
	uint16_t from, to;
	uint32_t held_at[LOCK_STACK_SHORT]; /* where `from` had been taken */
	uint32_t taken_at[LOCK_STACK_LONG]; /* where `to` was taken then */
};

extern uint64_t graph_seen_bits[LOCK_CLASSES][LOCK_CLASSES / 64];

/* Has the pair been looked at before? A stale no is as good. */
static inline bool graph_seen(unsigned from, unsigned to)
{
	return (__atomic_load_n(&graph_seen_bits[from][to / 64], __ATOMIC_RELAXED) >> (to % 64)) & 1;
}

void graph_mark_seen(unsigned from, unsigned to);
/* NULL: the table is full, the edge is not there. */
struct lock_edge *graph_add(unsigned from, unsigned to);
/* The edge, or NULL. */
const struct lock_edge *graph_edge(unsigned from, unsigned to);

/*
 * Search from `start` (itself included) along the edges, or against them, for the nearest class that want(class, arg) accepts: 0 if
 * there is none. path[0..*n) are the classes on the way, `start` first; a longer way is cut in the middle.
 */
unsigned graph_search(unsigned start, bool forward, bool (*want)(unsigned class, unsigned arg), unsigned arg,
		      uint16_t path[LOCK_PATH_MAX], unsigned *n);

#endif
