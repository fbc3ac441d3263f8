// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=not_canonical
/* An address that cannot exist: 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static int not_canonical(volatile int *p)
{
	return *p + 1;
}

int main(void)
{
	return not_canonical((volatile int *)0x8000000000000000u);
}
