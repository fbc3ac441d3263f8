// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 mem=16M alloc=buddy,mallocng,mimalloc
/* Each allocator boots and works in a machine of 16 MiB, with threads. */
#include "check.h"

static void *work(void *arg)
{
	uintptr_t i;

	for (i = 0; i < 2000; i++) {
		unsigned char *p = malloc(i % 700 + 1);

		CHECK(p);
		memset(p, (int)i, i % 700 + 1);
		CHECK_EQ(p[i % 700], (unsigned char)i);
		free(p);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(work, NULL);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);
	return 0;
}
