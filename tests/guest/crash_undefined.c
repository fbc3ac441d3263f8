// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=undefined_instruction
/* An undefined instruction: 134 and a report that names the function. */
#include "check.h"

__attribute__((noinline)) static void undefined_instruction(void)
{
	__asm__ volatile("ud2");
}

int main(void)
{
	undefined_instruction();
	return 0;
}
