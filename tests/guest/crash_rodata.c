// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=write_to_constant
/* Constants cannot be written: 134 and a report that names the function. */
#include "check.h"

static const int constants[4] = { 5, 6, 7, 8 };

__attribute__((noinline)) static void write_to_constant(volatile int *p)
{
	*p = 6;
}

int main(void)
{
	write_to_constant((volatile int *)(uintptr_t)&constants[1]);
	return 0;
}
