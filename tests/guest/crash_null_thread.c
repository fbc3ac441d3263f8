// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=null_dereference
/* As crash_null, from a thread, while others run. */
#include "check.h"

__attribute__((noinline)) static int null_dereference(volatile int *p)
{
	return *p + 1;
}

static void *spin(void *arg)
{
	for (;;)
		check_pause();
	return arg;
}

static void *crash(void *arg)
{
	null_dereference(arg);
	return arg;
}

int main(void)
{
	check_spawn(spin, NULL);
	check_join(check_spawn(crash, (void *)8));
	return 0;
}
