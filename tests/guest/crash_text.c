// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=write_to_text
/* Text cannot be written: 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static void write_to_text(volatile unsigned char *p)
{
	*p = 0xc3;
}

int main(void)
{
	write_to_text((volatile unsigned char *)(uintptr_t)main);
	return 0;
}
