/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of leaf code, arch/ and plat/ share: a check that says what it saw, and reproducible numbers. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(x)                                                                         \
	do {                                                                              \
		if (!(x)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                          \
		}                                                                         \
	} while (0)
#define EXPECT_EQ(a, b)                                                                                             \
	do {                                                                                                        \
		unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);                      \
		if (a_ != b_) {                                                                                     \
			fprintf(stderr, "%s:%d: %s is 0x%llx, should be 0x%llx\n", __FILE__, __LINE__, #a, a_, b_); \
			exit(1);                                                                                    \
		}                                                                                                   \
	} while (0)

static inline uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}
