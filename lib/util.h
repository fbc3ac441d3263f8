/* SPDX-License-Identifier: BSD-3-Clause */
/* Small helpers every module may use. Leaf: no locks, no allocation, any context. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)		      (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define likely(x)		      __builtin_expect(!!(x), 1)
#define unlikely(x)		      __builtin_expect(!!(x), 0)
#define __noinline		      __attribute__((noinline))
/* Runs once or never: built small, away from the rest. At boot an emulator translates each instruction before it runs it. */
#define __cold	    __attribute__((cold))
#define __cacheline __attribute__((aligned(64)))
#define __used	    __attribute__((used))

/* `a` must be a power of two. */
#define ALIGN_UP(x, a)	 (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})
