// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=touch_unmapped
/* Memory that was unmapped is gone on every CPU: 134 and a report. */
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

__attribute__((noinline)) static int touch_unmapped(volatile int *p)
{
	return *p + 1;
}

static atomic_int gone;

/* Reads the page before it goes, so that this CPU, too, has its translation. */
static void *toucher(void *arg)
{
	volatile int *p = arg;

	CHECK_EQ(touch_unmapped(p), 2);
	atomic_store(&gone, 1);
	while (atomic_load(&gone) != 2)
		sched_yield();
	return (void *)(intptr_t)touch_unmapped(p);
}

int main(void)
{
	volatile int *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	CHECK(p != MAP_FAILED);
	*p = 1;
	thread = check_spawn(toucher, (void *)p);
	while (atomic_load(&gone) != 1)
		sched_yield();
	CHECK_EQ(munmap((void *)p, 4096), 0);
	atomic_store(&gone, 2);
	check_join(thread);
	return 0;
}
