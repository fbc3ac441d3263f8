// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=divide_by_zero
/* A division by zero: 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static int divide_by_zero(volatile int divisor)
{
	return 42 / divisor;
}

int main(int argc, char **argv)
{
	(void)argv;
	return divide_by_zero(argc / 1000);
}
