// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134
/* abort() ends the machine with 134, whatever main's atexit functions would like. */
#include "check.h"

static void never(void)
{
	_exit(7);
}

int main(void)
{
	atexit(never);
	abort();
}
