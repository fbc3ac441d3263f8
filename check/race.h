/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast path of the race detector, for the calls of plain (race.c) and atomic (race_atomic.c) accesses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/internal.h"
#include "config.h"
#include "lib/util.h"
#include "sync/percpu.h"

enum {
	RACE_WRITE = 1u << 0,
	RACE_MARKED = 1u << 1, /* atomic or volatile: may meet others of its kind */
	RACE_LATE = 1u << 2,   /* a plain access that was made, but that other CPUs need not see yet */
};

struct race_access {
	uintptr_t addr;
	size_t size;
	unsigned kind;
	uintptr_t pc, fp; /* of the function that makes it */
};

/* [c], but also changed by a thread that has just been moved to another CPU: see the prologue of race.c. */
struct race_cpu {
	uint32_t late_set; /* 1: `late` is an access of `late_by`; 2: and a volatile write came after it */
	int32_t skip;	   /* accesses until the next one that is watched */
	uint32_t busy;	   /* inside the detector */
	uint32_t random;
	struct uk_thread *late_by;
	struct race_access late;
} __attribute__((aligned(128)));

#define RACE_SLOTS 128u
#define RACE_LINE  64u

/* One watched access, packed: [0..47] address, [48..54] bytes (1..64), [55] it is a write. 0: free. */
#define RACE_ADDRESS  0xfffffffffffful
#define RACE_SIZE_AT  48
#define RACE_WRITE_AT 55
#define RACE_FOUND    (~0ul)

struct race_state {
	bool on;						 /* changes at boot, and in a report */
	uint64_t watch[RACE_SLOTS] __attribute__((aligned(64))); /* [a] by line of memory */
};
extern struct race_state race;
extern struct race_cpu race_cpus[CONFIG_MAX_CPUS];

void race_found_slow(const struct race_access *a);
void race_watch_slow(const struct race_access *a);
void race_publish_slow(void);

static inline unsigned race_slot(uintptr_t addr)
{
	return (unsigned)(addr / RACE_LINE ^ addr / (RACE_LINE * RACE_SLOTS)) % RACE_SLOTS;
}

static inline struct race_cpu *race_this_cpu(void)
{
	return &race_cpus[cpu_id()];
}

/* Does the watched access meet this one? At least one of two writes; marked ones only meet plain ones, and all watched ones are. */
static inline bool race_meets(uint64_t w, uintptr_t addr, size_t size, unsigned kind)
{
	uintptr_t at = w & RACE_ADDRESS;
	size_t n = w >> RACE_SIZE_AT & 127;

	addr &= RACE_ADDRESS;
	return w && w != RACE_FOUND && ((w >> RACE_WRITE_AT & 1) || (kind & RACE_WRITE)) && addr < at + n &&
	       at < addr + size;
}

/* Is somebody about to make an access that this one must not meet? */
static inline __attribute__((always_inline)) void race_look(uintptr_t addr, size_t size, unsigned kind, uintptr_t pc,
							    uintptr_t fp)
{
	uint64_t w = __atomic_load_n(&race.watch[race_slot(addr)], __ATOMIC_RELAXED);

	if (unlikely(w || addr % RACE_LINE + size > RACE_LINE)) {
		struct race_access a = { addr, size, kind, pc, fp };

		race_found_slow(&a);
	}
}

/* An access is about to be made. */
static inline __attribute__((always_inline)) void race_plain(uintptr_t addr, size_t size, unsigned kind, uintptr_t pc,
							     uintptr_t fp)
{
	struct race_cpu *c;

	if (unlikely(!race.on))
		return;
	race_look(addr, size, kind, pc, fp);
	c = race_this_cpu();
	if (unlikely(--c->skip < 0)) {
		struct race_access a = { addr, size, kind, pc, fp };

		race_watch_slow(&a);
	}
}

static inline __attribute__((always_inline)) void race_marked(uintptr_t addr, size_t size, unsigned kind, uintptr_t pc,
							      uintptr_t fp)
{
	if (likely(race.on))
		race_look(addr, size, kind | RACE_MARKED, pc, fp);
}

/* Everything this thread did before may be seen by whoever sees what it does next. */
static inline void race_release(void)
{
	struct race_cpu *c = race_this_cpu();

	if (unlikely(c->late_set > 1))
		race_publish_slow();
	c->late_set = 0;
}

/* A marked write without release order has been made. */
static inline void race_published(void)
{
	if (unlikely(race_this_cpu()->late_set))
		race_publish_slow();
}
