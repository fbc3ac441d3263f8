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

/*
 * Spin loops of musl look a hundred times before they sleep. Its `pause` is meant for that, but under QEMU's emulator each one leaves the
 * generated code and takes the machine's global lock, for most of a microsecond (sync/spin.h): the whole spin took longer than two
 * sleeps and wake-ups. `lfence` lets a processor wait as well, until the look before it is done, so that it does not run ahead
 * with further ones; four take about as long as a `pause`, and the emulator makes nothing of them.
 */
static inline void tutti_a_spin(void)
{
	__asm__ __volatile__("lfence; lfence; lfence; lfence" : : : "memory");
}
#undef a_spin
#define a_spin tutti_a_spin
