// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=jump_to_data
/* Data cannot be run: 134 and a report with the caller in its backtrace. */
#include "check.h"

static unsigned char code[16] = { 0xc3, 0xc3, 0xc3, 0xc3 };

__attribute__((noinline)) static int jump_to_data(void (*volatile f)(void))
{
	f();
	return 1;
}

int main(void)
{
	return jump_to_data((void (*)(void))(uintptr_t)code) - 1;
}
