// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 timeout=90
/* 10,000 threads, created and joined in waves of 100: each runs once, with its own argument, and nothing is used up. */
#include "check.h"

#include <stdatomic.h>

enum { WAVES = 100, WAVE = 100 };

static atomic_long sum;

static void *add(void *arg)
{
	atomic_fetch_add(&sum, (long)arg);
	return (void *)((long)arg * 2);
}

int main(void)
{
	static pthread_t threads[WAVE];
	long wave, i, expected = 0, waves = check_rounds(WAVES);

	for (wave = 0; wave < waves; wave++) {
		for (i = 0; i < WAVE; i++)
			threads[i] = check_spawn(add, (void *)(wave * WAVE + i));
		for (i = 0; i < WAVE; i++) {
			CHECK_EQ((long)check_join(threads[i]), 2 * (wave * WAVE + i));
			expected += wave * WAVE + i;
		}
	}
	CHECK_EQ(atomic_load(&sum), expected);
	return 0;
}
