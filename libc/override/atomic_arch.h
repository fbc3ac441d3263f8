/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * musl's atomics as they are, but for the way it stops a program that has damaged itself: a_crash() is a `hlt`, which is a
 * fault in a Linux process and merely a halt in ring 0. Here it is an instruction that is invalid everywhere.
 */
#include_next <atomic_arch.h>

static inline void tutti_a_crash(void)
{
	__asm__ __volatile__("ud2" : : : "memory");
}
#undef a_crash
#define a_crash tutti_a_crash
