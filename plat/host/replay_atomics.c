// SPDX-License-Identifier: BSD-3-Clause
/*
 * The atomic operations of code built with -fsanitize=thread, in replay images: a change point, then the operation, made by one
 * instruction: a page fault inside of it leaves it undone. The order that is asked for does not matter: all CPUs are one thread of the
 * host, so every run is sequentially consistent. That is a limit of replay: what only a weaker order shows is for the race
 * detector to find. (Points without an operation: replay_points.S.)
 *
 * Names and types: gcc's sanitizer.def, clang's tsan interface. Any context. Not instrumented itself.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/host/replay.h"

/* Tells the schedule whose operation it is. */
#define REPLAY_POINT_HERE()                                                   \
	do {                                                                  \
		if (__builtin_expect(--replay_points_left <= 0, 0)) {         \
			replay_site = (uintptr_t)__builtin_return_address(0); \
			replay_slow(REPLAY_POINT);                            \
		}                                                             \
	} while (0)

#define FETCH(bits, type, name, builtin)                                        \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order); \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)  \
	{                                                                       \
		(void)order;                                                    \
		REPLAY_POINT_HERE();                                            \
		return builtin(p, v, __ATOMIC_SEQ_CST);                         \
	}

#define ATOMICS(bits, type)                                                                                       \
	type __tsan_atomic##bits##_load(const volatile type *p, int order);                                       \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order);                                    \
	bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int success, \
							   int failure);                                          \
	bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int success,   \
							 int failure);                                            \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int success,     \
							int failure);                                             \
	type __tsan_atomic##bits##_load(const volatile type *p, int order)                                        \
	{                                                                                                         \
		(void)order;                                                                                      \
		REPLAY_POINT_HERE();                                                                              \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                      \
	}                                                                                                         \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                                     \
	{                                                                                                         \
		(void)order;                                                                                      \
		REPLAY_POINT_HERE();                                                                              \
		__atomic_store_n(p, v, __ATOMIC_RELAXED);                                                         \
	}                                                                                                         \
	bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int success, \
							   int failure)                                           \
	{                                                                                                         \
		(void)success, (void)failure;                                                                     \
		REPLAY_POINT_HERE();                                                                              \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
	}                                                                                                         \
	bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int success,   \
							 int failure)                                             \
	{                                                                                                         \
		(void)success, (void)failure;                                                                     \
		REPLAY_POINT_HERE();                                                                              \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
	}                                                                                                         \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int success,     \
							int failure)                                              \
	{                                                                                                         \
		(void)success, (void)failure;                                                                     \
		REPLAY_POINT_HERE();                                                                              \
		__atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
		return expected;                                                                                  \
	}                                                                                                         \
	FETCH(bits, type, exchange, __atomic_exchange_n)                                                          \
	FETCH(bits, type, fetch_add, __atomic_fetch_add)                                                          \
	FETCH(bits, type, fetch_sub, __atomic_fetch_sub)                                                          \
	FETCH(bits, type, fetch_and, __atomic_fetch_and)                                                          \
	FETCH(bits, type, fetch_or, __atomic_fetch_or)                                                            \
	FETCH(bits, type, fetch_xor, __atomic_fetch_xor)                                                          \
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
	REPLAY_POINT_HERE();
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
