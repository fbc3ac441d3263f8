// SPDX-License-Identifier: BSD-3-Clause
// test: plant=tls_late plat=host cpus=2 replay=20 seed=7 expect-report='page fault: read of .*null page.*tls_late.c' timeout=120
/*
 * Planted in posix/process.c: uninitialised TLS. clone() starts the new thread and gives it its thread pointer afterwards; a
 * CPU that is quick enough runs the thread with none, and its first look at itself faults.
 *
 * Threads are made one after the other; each checks that its own variables begin as they should and are its own.
 */
#include "../guest/check.h"

enum { THREADS = 400, INITIAL = 0x5eed };

static __thread uintptr_t set = INITIAL, zero;

static void *start(void *arg)
{
	CHECK_EQ(set, INITIAL);
	CHECK_EQ(zero, 0);
	set = zero = (uintptr_t)arg;
	sched_yield();
	CHECK_EQ(set, (uintptr_t)arg);
	CHECK_EQ(zero, (uintptr_t)arg);
	return arg;
}

int main(void)
{
	for (uintptr_t i = 1; i <= THREADS; i++)
		CHECK_EQ((uintptr_t)check_join(check_spawn(start, (void *)i)), i);
	CHECK_EQ(set, INITIAL);
	return 0;
}
