// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 expect-report='^page fault: write to .*guard page.* descend' timeout=60
/*
 * Planted here: a stack overflow. A tree is walked by recursion, and its depth is what the input says; on a thread with a
 * small stack that is too deep. No detector is needed: below every stack lies a page that nobody may touch.
 */
#include "../guest/check.h"

#ifdef FIXED
enum { DEPTH = 100 };
#else
enum { DEPTH = 100000 };
#endif

static __attribute__((noinline)) long descend(volatile long depth)
{
	volatile char name[200];

	if (depth == 0)
		return 0;
	name[depth % 200] = (char)depth;
	return descend(depth - 1) + (name[depth % 200] == (char)depth);
}

static void *walk(void *arg)
{
	CHECK_EQ(descend(DEPTH), DEPTH);
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setstacksize(&attr, 65536));
	CHECK_OK(pthread_create(&thread, &attr, walk, NULL));
	check_join(thread);
	return 0;
}
