// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=recurse_forever
/* As crash_stack, in a thread with a small stack. */
#include "check.h"

__attribute__((noinline)) static int recurse_forever(volatile int depth)
{
	volatile char frame[512];

	if (depth < 0)
		return 0;
	frame[depth % 512] = (char)depth;
	return recurse_forever(depth + 1) + frame[(depth + 1) % 512];
}

static void *overflow(void *arg)
{
	return (void *)(intptr_t)(recurse_forever((int)(intptr_t)arg));
}

int main(void)
{
	check_join(check_spawn(overflow, NULL));
	return 0;
}
