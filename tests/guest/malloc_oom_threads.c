// SPDX-License-Identifier: BSD-3-Clause
// test: replay=4 cpus=2,4 mem=32M alloc=buddy,mallocng,mimalloc
/* All threads run out of memory at once, free what they have and go on, several times; nobody's objects suffer. */
#include "check.h"

enum { THREADS = 4, OBJECTS = 20000 };

static void *exhaust(void *arg)
{
	unsigned char byte = (unsigned char)(uintptr_t)arg;
	static unsigned char *lists[THREADS + 1][OBJECTS];
	unsigned char **list = lists[byte];
	int round;

	for (round = 0; round < 3; round++) {
		size_t size = round == 1 ? 40000 : 3000;
		long count = 0, i;

		while (count < OBJECTS) {
			errno = 0;
			list[count] = malloc(size);
			if (!list[count]) {
				CHECK_EQ(errno, ENOMEM);
				break;
			}
			memset(list[count++], byte, size);
		}
		for (i = 0; i < count; i++) {
			CHECK_EQ(list[i][0], byte);
			CHECK_EQ(list[i][size / 2], byte);
			CHECK_EQ(list[i][size - 1], byte);
			free(list[i]);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	intptr_t i;
	void *p;

	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(exhaust, (void *)(i + 1));
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	p = malloc(100000);
	CHECK(p);
	free(p);
	return 0;
}
