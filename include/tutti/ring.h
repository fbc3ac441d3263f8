/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounded rings of pointers in memory of the caller: `struct tutti_mpmc` for many producers and many consumers, `struct tutti_mpsc`
 * for many producers and one consumer at a time, which then needs no atomic exchange. First in, first out: elements come out in the
 * order in which their places were claimed, so those of one producer in its order. Nobody ever waits: a ring that is full or empty says
 * so. Implemented by lib/ring.c, which also has the argument why it is right.
 *
 * A producer first claims a place, then publishes the element. One that is stopped between the two (preempted, or its CPU taken
 * away by a hypervisor) delays what is behind it: consumers see an empty ring until it goes on, producers a full one once they
 * have come round to its place. Likewise a consumer between claim and release of a place. Nothing is lost and nobody hangs, but
 * who must not meet that turns preemption off around the call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One place of a ring. */
struct tutti_ring_cell {
	uint64_t turn; /* [a] position p: free for p; p + 1: holds the element of p */
	void *element; /* owned by who claimed the position, then published by `turn` */
};

struct tutti_mpmc {
	struct tutti_ring_cell *cells;		       /* [I] */
	uint64_t mask;				       /* [I] capacity - 1 */
	uint64_t push_at __attribute__((aligned(64))); /* [a] next position to fill */
	uint64_t pop_at __attribute__((aligned(64)));  /* [a] next position to empty */
} __attribute__((aligned(64)));

struct tutti_mpsc {
	struct tutti_ring_cell *cells;		       /* [I] */
	uint64_t mask;				       /* [I] capacity - 1 */
	uint64_t push_at __attribute__((aligned(64))); /* [a] next position to fill */
	uint64_t pop_at __attribute__((aligned(64)));  /* [a] next position to empty; written by the consumer only */
} __attribute__((aligned(64)));

/**
 * Make `r` an empty ring of `capacity` elements in the array `cells`, which has as many. `capacity` is a power of two, 2 at least.
 * Context: any; before anybody else knows `r`
 * Locks: none
 * Ownership: caller keeps `r` and `cells`, which must outlive the last use
 * Errors: -EINVAL if `capacity` is not such a number
 * Source: D. Vyukov, "Bounded MPMC queue", 1024cores.net, 2010
 */
int tutti_mpmc_init(struct tutti_mpmc *r, struct tutti_ring_cell *cells, size_t capacity);
int tutti_mpsc_init(struct tutti_mpsc *r, struct tutti_ring_cell *cells, size_t capacity);

/**
 * Put `element`, NULL too, at the end. False: the ring was full at some moment of the call, nothing has changed.
 * Context: any; does not sleep or wait
 * Locks: none
 * Ownership: who pops the element owns it; what was written to it before is seen by that one
 * Errors: none
 */
bool tutti_mpmc_try_push(struct tutti_mpmc *r, void *element);
bool tutti_mpsc_try_push(struct tutti_mpsc *r, void *element);

/**
 * Take the oldest element out. False: the ring was empty at some moment of the call, or its oldest element was not yet published.
 * Context: any; does not sleep or wait; tutti_mpsc: by one context at a time
 * Locks: none
 * Ownership: the caller owns *element
 * Errors: none
 */
bool tutti_mpmc_try_pop(struct tutti_mpmc *r, void **element);
bool tutti_mpsc_try_pop(struct tutti_mpsc *r, void **element);

/**
 * Number of elements, those that are just being pushed or popped included; a hint while others use the ring.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
size_t tutti_mpmc_count(const struct tutti_mpmc *r);
size_t tutti_mpsc_count(const struct tutti_mpsc *r);
