/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locking contracts of functions, checked by clang's -Wthread-safety (make lint); nothing for other compilers.
 *
 * They stand behind the parameters of a function's prototype, a static function's too, and name one of them: void f(struct x *l)
 * ACQUIRES(l); a definition with a body has no place for them, and LOCKS_UNCHECKED stands in front of it. What
 * the analysis cannot follow (a lock taken in a loop, handed over to another function by pointer, released by somebody
 * else) is marked LOCKS_UNCHECKED and says why.
 */
#pragma once

#if defined(__clang__)
#define lock_attribute_(x) __attribute__((x))
#else
#define lock_attribute_(x)
#endif

/* On a struct: an object of this type is a lock. */
#define LOCKABLE(kind) lock_attribute_(capability(kind))

/* The function returns with the lock held, gives it back, wants it held, must not be called with it held. */
#define ACQUIRES(...)	     lock_attribute_(acquire_capability(__VA_ARGS__))
#define ACQUIRES_SHARED(...) lock_attribute_(acquire_shared_capability(__VA_ARGS__))
#define RELEASES(...)	     lock_attribute_(release_capability(__VA_ARGS__))
#define RELEASES_SHARED(...) lock_attribute_(release_shared_capability(__VA_ARGS__))
#define REQUIRES(...)	     lock_attribute_(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) lock_attribute_(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...)	     lock_attribute_(locks_excluded(__VA_ARGS__))
/* Held if the function returns `value`. */
#define TRY_ACQUIRES(value, ...)	lock_attribute_(try_acquire_capability(value, __VA_ARGS__))
#define TRY_ACQUIRES_SHARED(value, ...) lock_attribute_(try_acquire_shared_capability(value, __VA_ARGS__))
/* After the call the lock is known to be held: uk_spin_assert_held() and its like. */
#define ASSERTS_HELD(...)	 lock_attribute_(assert_capability(__VA_ARGS__))
#define ASSERTS_HELD_SHARED(...) lock_attribute_(assert_shared_capability(__VA_ARGS__))
#define LOCKS_UNCHECKED		 lock_attribute_(no_thread_safety_analysis)
