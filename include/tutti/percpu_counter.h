/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters that every CPU adds to without writing what another CPU reads or writes: a slot per CPU, and a total into which a slot is
 * emptied when it has reached `batch` in either direction. Two ways to look: the total alone, which is off by less than CPUs times
 * batch, and total plus slots. There are TUTTI_PERCPU_COUNTERS of them in a machine; their slots are static memory, so they work
 * from the first C instruction on.
 */
#pragma once

#include <stdint.h>

#include "sync/percpu.h"
#include "uk/spinlock.h"

#define TUTTI_PERCPU_COUNTERS 64

struct tutti_percpu_counter {
	int64_t total;		 /* [a] written under `lock` */
	int64_t batch;		 /* [I] */
	uint32_t number;	 /* [I] of its slots */
	struct uk_spinlock lock; /* slots are emptied, irq-safe */
};

/* Slots of one CPU: several counters in a line, but only one CPU. Element i is CPU i's. */
struct tutti_percpu_slots {
	int64_t value[TUTTI_PERCPU_COUNTERS]; /* [c] changed by one instruction each; read by others */
} __attribute__((aligned(64)));
extern struct tutti_percpu_slots tutti_percpu_slots[];

/**
 * Make `c` a counter that is 0. `batch`: what a CPU keeps to itself at most, 1 or more; larger is cheaper, smaller is a better
 * tutti_percpu_counter_read().
 * Context: any
 * Locks: none
 * Ownership: caller keeps `c`, until tutti_percpu_counter_destroy()
 * Errors: -EINVAL if `batch` is not positive, -ENOMEM if there are TUTTI_PERCPU_COUNTERS already
 */
int tutti_percpu_counter_init(struct tutti_percpu_counter *c, int64_t batch);

/**
 * Give the counter's slots back. Nobody adds to it any more.
 * Context: any
 * Locks: none
 * Ownership: `c` is the caller's alone again
 * Errors: none
 */
void tutti_percpu_counter_destroy(struct tutti_percpu_counter *c);

/* Empties the calling CPU's slot: the cold half of the next one. */
void tutti_percpu_counter_add_slow(struct tutti_percpu_counter *c);

/**
 * Add `n`, which may be negative and is small against 2^63.
 * Context: any
 * Locks: takes the counter's own spin lock (irq-safe), once in `batch`
 * Ownership: none
 * Errors: none
 */
static inline void tutti_percpu_counter_add(struct tutti_percpu_counter *c, int64_t n)
{
	int64_t *slot, had = n;

	preempt_disable();
	slot = &tutti_percpu_slots[cpu_id()].value[c->number];
	/* one instruction, not locked: an interrupt of this CPU comes before it or after it, and no other CPU writes here */
	__asm__ volatile("xaddq %0, %1" : "+r"(had), "+m"(*slot) : : "memory", "cc");
	had += n;
	if (__builtin_expect(had >= c->batch || -had >= c->batch, 0))
		tutti_percpu_counter_add_slow(c);
	preempt_enable();
}

/**
 * About how much it is: the total without what CPUs have kept to themselves. One load.
 * Context: any
 * Locks: none
 * Ownership: none
 * Errors: none
 */
static inline int64_t tutti_percpu_counter_read(const struct tutti_percpu_counter *c)
{
	return __atomic_load_n(&c->total, __ATOMIC_RELAXED);
}

/**
 * How much it is: every addition that happened before the call, none that begins after it, and of those in between some. Time
 * grows with the number of CPUs.
 * Context: any
 * Locks: takes the counter's own spin lock (irq-safe)
 * Ownership: none
 * Errors: none
 */
int64_t tutti_percpu_counter_sum(struct tutti_percpu_counter *c);
