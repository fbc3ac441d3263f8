/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shadow memory of CHECK=memory: what its bytes mean, and how they are read and written. Between the files of check/ that serve
 * it. Any context; nothing here takes a lock: each byte of shadow belongs to whoever owns the memory.
 *
 * A byte stands for 8 bytes of memory at a multiple of 8: 0, all may be used; 1..7, only so many; otherwise none, and why. The
 * values for stacks and globals are the compiler's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/internal.h"
#include "check/shadow.h"
#include "lib/util.h"

#define GRANULE 8ul

enum {
	SHADOW_ALLOCA_LEFT = 0xca,
	SHADOW_ALLOCA_RIGHT = 0xcb,
	SHADOW_STACK_LEFT = 0xf1,
	SHADOW_STACK_MIDDLE = 0xf2,
	SHADOW_STACK_RIGHT = 0xf3,
	SHADOW_SCOPE = 0xf8,
	SHADOW_GLOBAL = 0xf9,
	SHADOW_HEAP_LEFT = 0xfa, /* in front of a block: its description */
	SHADOW_HEAP_RIGHT = 0xfb,
	SHADOW_FREED = 0xfd, /* a block in quarantine */
	SHADOW_TAKEN = 0xfe, /* frames, slab objects, stacks that nobody has */
};

/* There is a shadow for the lower half only. */
static inline bool shadow_has(uintptr_t addr)
{
	return addr < CHECK_SHADOW_SIZE * GRANULE;
}

static inline uint8_t *shadow_of(uintptr_t addr)
{
	return (uint8_t *)(CHECK_SHADOW_START + addr / GRANULE);
}

static inline void shadow_fill(uint8_t *s, uint8_t value, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(s), "+c"(n) : "a"(value) : "memory");
}

/* No byte of [addr, addr + len) may be used; addr on a multiple of 8, the rest of the last 8 bytes goes with it. */
static inline void shadow_poison(uintptr_t addr, size_t len, uint8_t why)
{
	shadow_fill(shadow_of(addr), why, (len + GRANULE - 1) / GRANULE);
}

/* Exactly these bytes may be used, of the last 8 only the first ones; addr on a multiple of 8. */
static inline void shadow_unpoison(uintptr_t addr, size_t len)
{
	shadow_fill(shadow_of(addr), 0, len / GRANULE);
	if (len % GRANULE)
		*shadow_of(addr + len) = (uint8_t)(len % GRANULE);
}

/* First byte of [addr, addr + size) that may not be used, or 0. */
uintptr_t memory_first_bad(uintptr_t addr, size_t size);
/* The access is wrong at `bad`: report it. Returns only while another report is being made. */
void memory_report(uintptr_t addr, size_t size, bool write, uintptr_t bad, uintptr_t pc, uintptr_t fp);

/* Look at an access before it is made (or after, if only then its size is known). */
static inline void memory_range(const void *p, size_t size, bool write, uintptr_t pc, uintptr_t fp)
{
	uintptr_t bad = memory_first_bad((uintptr_t)p, size);

	if (unlikely(bad))
		memory_report((uintptr_t)p, size, write, bad, pc, fp);
}

/* ---- heap.c, for the report ---- */

#define HEAP_DEPTH 10

struct heap_block {
	uintptr_t start;
	size_t size;
	bool freed;
	struct stack allocated_by, freed_by;
};
/* The block that an address with a heap value in its shadow belongs to, or the nearest one. False: none found. */
bool heap_find(uintptr_t addr, struct heap_block *b);
