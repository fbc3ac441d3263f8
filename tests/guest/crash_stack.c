// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=recurse_forever
/* A stack overflow of main meets the guard page: 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static int recurse_forever(volatile int depth)
{
	volatile char frame[512];

	if (depth < 0)
		return 0;
	frame[depth % 512] = (char)depth;
	return recurse_forever(depth + 1) + frame[(depth + 1) % 512];
}

int main(void)
{
	return recurse_forever(0) & 0;
}
