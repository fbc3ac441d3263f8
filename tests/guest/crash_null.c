// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=null_dereference
/* A null dereference ends the machine with 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static int null_dereference(volatile int *p)
{
	return *p + 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return null_dereference((volatile int *)(uintptr_t)(argc / 1000 * 64));
}
