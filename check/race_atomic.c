// SPDX-License-Identifier: BSD-3-Clause
/*
 * Atomic operations of instrumented code: look for a watched plain access that they meet, make them, and keep the books
 * on late accesses (race.c): an operation with release order ends it, before it is made; a write without one publishes what it
 * should not have, so the late access is watched after it.
 *
 * A compare-and-exchange counts as a write if it would have succeeded when it was looked at. Loads are as strong as the
 * processor makes them, read-modify-write operations always sequentially consistent; stores pay for the order they ask for.
 * Orders are those of <stdatomic.h>, which both compilers pass. No state; any context.
 */
#include "check/race.h"

typedef unsigned __int128 u128;

static inline bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static inline void after_write(int order)
{
	if (!releases(order))
		race_published();
}

static inline void before_write(int order)
{
	if (releases(order))
		race_release();
}

/* 16 bytes: the one instruction there is (cmpxchg16b, Intel SDM vol. 2), which also serves to load; the others build on it. */
static inline bool swap16(u128 *p, u128 *expected, u128 desired)
{
	u128 was = __sync_val_compare_and_swap(p, *expected, desired);
	bool done = was == *expected;

	*expected = was;
	return done;
}

#define LOOK(p, kind) race_marked((uintptr_t)(p), sizeof(*(p)), (kind), CALLER_PC(), CALLER_FP())

/* Add, or ..: by compare-and-exchange, in one way for all sizes. */
#define FETCH(bits, type, name, new)                                        \
	type __tsan_atomic##bits##_fetch_##name(type *p, type v, int order) \
	{                                                                   \
		type old = LOAD_##bits(p);                                  \
                                                                            \
		LOOK(p, RACE_WRITE);                                        \
		before_write(order);                                        \
		while (!cas_##bits(p, &old, (type)(new)))                   \
			;                                                   \
		after_write(order);                                         \
		return old;                                                 \
	}

#define LOAD_8(p)   __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define LOAD_16(p)  LOAD_8(p)
#define LOAD_32(p)  LOAD_8(p)
#define LOAD_64(p)  LOAD_8(p)
#define LOAD_128(p) __sync_val_compare_and_swap((p), 0, 0)

#define CAS(bits, type)                                                                                              \
	static inline bool cas_##bits(type *p, type *expected, type desired)                                         \
	{                                                                                                            \
		return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	}
CAS(8, uint8_t)
CAS(16, uint16_t)
CAS(32, uint32_t)
CAS(64, uint64_t)

static inline bool cas_128(u128 *p, u128 *expected, u128 desired)
{
	return swap16(p, expected, desired);
}

#define ATOMICS(bits, type)                                                                                     \
	type __tsan_atomic##bits##_load(const type *p, int order)                                               \
	{                                                                                                       \
		(void)order;                                                                                    \
		LOOK(p, 0);                                                                                     \
		return LOAD_##bits((type *)p);                                                                  \
	}                                                                                                       \
	type __tsan_atomic##bits##_exchange(type *p, type v, int order)                                         \
	{                                                                                                       \
		type old = LOAD_##bits(p);                                                                      \
                                                                                                                \
		LOOK(p, RACE_WRITE);                                                                            \
		before_write(order);                                                                            \
		while (!cas_##bits(p, &old, v))                                                                 \
			;                                                                                       \
		after_write(order);                                                                             \
		return old;                                                                                     \
	}                                                                                                       \
	FETCH(bits, type, add, old + v)                                                                         \
	FETCH(bits, type, sub, old - v)                                                                         \
	FETCH(bits, type, and, old &v)                                                                          \
	FETCH(bits, type, or, old | v)                                                                          \
	FETCH(bits, type, xor, old ^ v)                                                                         \
	FETCH(bits, type, nand, ~(old & v))                                                                     \
	int __tsan_atomic##bits##_compare_exchange_strong(type *p, type *expected, type v, int order, int fail) \
	{                                                                                                       \
		bool done;                                                                                      \
                                                                                                                \
		(void)fail;                                                                                     \
		LOOK(p, LOAD_##bits(p) == *expected ? RACE_WRITE : 0);                                          \
		before_write(order);                                                                            \
		done = cas_##bits(p, expected, v);                                                              \
		if (done)                                                                                       \
			after_write(order);                                                                     \
		return done;                                                                                    \
	}                                                                                                       \
	int __tsan_atomic##bits##_compare_exchange_weak(type *p, type *expected, type v, int order, int fail)   \
	{                                                                                                       \
		bool done;                                                                                      \
                                                                                                                \
		(void)fail;                                                                                     \
		LOOK(p, LOAD_##bits(p) == *expected ? RACE_WRITE : 0);                                          \
		before_write(order);                                                                            \
		done = cas_##bits(p, expected, v);                                                              \
		if (done)                                                                                       \
			after_write(order);                                                                     \
		return done;                                                                                    \
	}                                                                                                       \
	type __tsan_atomic##bits##_compare_exchange_val(type *p, type expected, type v, int order, int fail)    \
	{                                                                                                       \
		(void)fail;                                                                                     \
		LOOK(p, LOAD_##bits(p) == expected ? RACE_WRITE : 0);                                           \
		before_write(order);                                                                            \
		if (cas_##bits(p, &expected, v))                                                                \
			after_write(order);                                                                     \
		return expected;                                                                                \
	}

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)
ATOMICS(128, u128)

#define STORE(bits, type)                                            \
	void __tsan_atomic##bits##_store(type *p, type v, int order) \
	{                                                            \
		LOOK(p, RACE_WRITE);                                 \
		before_write(order);                                 \
		if (order == __ATOMIC_SEQ_CST)                       \
			__atomic_store_n(p, v, __ATOMIC_SEQ_CST);    \
		else                                                 \
			__atomic_store_n(p, v, __ATOMIC_RELEASE);    \
		after_write(order);                                  \
	}
STORE(8, uint8_t)
STORE(16, uint16_t)
STORE(32, uint32_t)
STORE(64, uint64_t)

void __tsan_atomic128_store(u128 *p, u128 v, int order)
{
	u128 old = LOAD_128(p);

	LOOK(p, RACE_WRITE);
	before_write(order);
	while (!cas_128(p, &old, v))
		;
	after_write(order);
}

void __tsan_atomic_thread_fence(int order)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	before_write(order);
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
