// SPDX-License-Identifier: BSD-3-Clause
/*
 * What code built with -fsanitize=thread calls, in replay images: each access and each atomic operation is a change point, taken before
 * the access. Atomic operations are made here, by one instruction each: a page fault inside of one leaves it undone.
 *
 * Functions are points where they begin, so that code between two accesses that only touches per-CPU words or flags by inline
 * assembly can be interrupted, too. Fences order nothing here: all CPUs are one thread, so every run is sequentially consistent.
 * That is the limit of it: what only a weaker order shows is for the race detector.
 *
 * Names and types: gcc's sanitizer.def (and clang's tsan interface). Any context. Not instrumented itself.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/host/replay.h"

typedef unsigned __int128 u128;

void __tsan_point(void);
void __tsan_nothing(void);

void __tsan_point(void)
{
	replay_point();
}

void __tsan_nothing(void)
{
}

/* All of these take what they like and return nothing, so one function serves. */
#define POINT(name)                    \
	void __tsan_##name(void);      \
	void __tsan_##name(void) __attribute__((alias("__tsan_point")));
#define NOTHING(name)                  \
	void __tsan_##name(void);      \
	void __tsan_##name(void) __attribute__((alias("__tsan_nothing")));

#define POINTS(size)                       \
	POINT(read##size)                  \
	POINT(write##size)                 \
	POINT(volatile_read##size)         \
	POINT(volatile_write##size)        \
	POINT(unaligned_read##size)        \
	POINT(unaligned_write##size)       \
	POINT(unaligned_volatile_read##size) \
	POINT(unaligned_volatile_write##size) \
	POINT(read_write##size)            \
	POINT(unaligned_read_write##size)

POINTS(1)
POINTS(2)
POINTS(4)
POINTS(8)
POINTS(16)
POINT(read_range)
POINT(write_range)
POINT(vptr_read)
POINT(vptr_update)
POINT(func_entry)
NOTHING(func_exit)
NOTHING(init)

#define FETCH(bits, type, name, builtin)                                         \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order);  \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)   \
	{                                                                        \
		(void)order;                                                     \
		replay_point();                                                  \
		return builtin(p, v, __ATOMIC_SEQ_CST);                          \
	}

#define ATOMICS(bits, type)                                                                                         \
	type __tsan_atomic##bits##_load(const volatile type *p, int order);                                         \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order);                                      \
	bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int success,   \
							   int failure);                                            \
	bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int success,     \
							 int failure);                                              \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int success,       \
							int failure);                                               \
	type __tsan_atomic##bits##_load(const volatile type *p, int order)                                          \
	{                                                                                                           \
		(void)order;                                                                                        \
		replay_point();                                                                                     \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                        \
	}                                                                                                           \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                                       \
	{                                                                                                           \
		(void)order;                                                                                        \
		replay_point();                                                                                     \
		__atomic_store_n(p, v, __ATOMIC_RELAXED);                                                           \
	}                                                                                                           \
	bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int success,   \
							   int failure)                                             \
	{                                                                                                           \
		(void)success, (void)failure;                                                                       \
		replay_point();                                                                                     \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
	}                                                                                                           \
	bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int success,     \
							 int failure)                                               \
	{                                                                                                           \
		(void)success, (void)failure;                                                                       \
		replay_point();                                                                                     \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
	}                                                                                                           \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int success,       \
							int failure)                                                \
	{                                                                                                           \
		(void)success, (void)failure;                                                                       \
		replay_point();                                                                                     \
		__atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
		return expected;                                                                                    \
	}                                                                                                           \
	FETCH(bits, type, exchange, __atomic_exchange_n)                                                            \
	FETCH(bits, type, fetch_add, __atomic_fetch_add)                                                            \
	FETCH(bits, type, fetch_sub, __atomic_fetch_sub)                                                            \
	FETCH(bits, type, fetch_and, __atomic_fetch_and)                                                            \
	FETCH(bits, type, fetch_or, __atomic_fetch_or)                                                              \
	FETCH(bits, type, fetch_xor, __atomic_fetch_xor)                                                            \
	FETCH(bits, type, fetch_nand, __atomic_fetch_nand)

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	replay_point();
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
