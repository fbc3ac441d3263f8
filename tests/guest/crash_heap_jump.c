// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=jump_to_heap
/* The heap cannot be run: 134 and a report. */
#include "check.h"

__attribute__((noinline)) static int jump_to_heap(void (*volatile f)(void))
{
	f();
	return 1;
}

int main(void)
{
	unsigned char *code = malloc(64);

	CHECK(code);
	memset(code, 0xc3, 64);
	return jump_to_heap((void (*)(void))(uintptr_t)code) - 1;
}
