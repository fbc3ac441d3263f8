// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* main's stack holds 7 MiB of frames (8 MiB are promised), a thread's what its attribute says; all of it on demand. */
#include "check.h"

__attribute__((noinline)) static unsigned long descend(const char *top, unsigned long depth)
{
	volatile unsigned char frame[1000];
	unsigned long below = 0;

	frame[0] = (unsigned char)depth;
	frame[999] = (unsigned char)(depth >> 8);
	if ((uintptr_t)top - (uintptr_t)frame < depth)
		below = descend(top, depth);
	CHECK_EQ(frame[0], (unsigned char)depth);
	CHECK_EQ(frame[999], (unsigned char)(depth >> 8));
	return below + 1;
}

static void *descend_thread(void *arg)
{
	char top = 0;

	return (void *)descend(&top, (unsigned long)(uintptr_t)arg);
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *frames;
	char top = 0;

	CHECK(descend(&top, 7 << 20) > 6000);
	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setstacksize(&attr, 4 << 20));
	CHECK_OK(pthread_create(&thread, &attr, descend_thread, (void *)((4 << 20) - 65536)));
	CHECK_OK(pthread_join(thread, &frames));
	CHECK((unsigned long)frames > 3000);
	return 0;
}
