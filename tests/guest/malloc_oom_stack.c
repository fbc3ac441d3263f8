// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 alloc=mimalloc,mallocng,buddy,region mem=16M
/*
 * After malloc() has returned NULL the program goes on: what it touches of its own stack is backed, and a thread can be
 * created and joined. Heaps must leave room for that.
 */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static void *run(void *arg)
{
	volatile char room[8192];

	for (size_t i = 0; i < sizeof(room); i += 512)
		room[i] = 1;
	return arg;
}

static int deep(int n)
{
	volatile char room[4096];

	for (size_t i = 0; i < sizeof(room); i += 512)
		room[i] = (char)n;
	return n ? deep(n - 1) + room[512] : 0;
}

int main(void)
{
	pthread_t thread;
	void *back = NULL;

	for (size_t size = 4000; size >= 16; size /= 2)
		while (malloc(size))
			;
	CHECK(deep(8) > 0);
	CHECK(!pthread_create(&thread, NULL, run, &back));
	CHECK(!pthread_join(thread, &back));
	CHECK(back == &back);
	return 0;
}
