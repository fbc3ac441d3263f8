// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 exit=200
/* exit() from a thread ends the machine while main and others sleep, spin and compute; buffered output is written. */
#include "check.h"

static void *spin(void *arg)
{
	for (;;)
		check_pause();
	return arg;
}

static void *quit(void *arg)
{
	exit(200);
	return arg;
}

int main(void)
{
	check_spawn(spin, NULL);
	check_spawn(spin, NULL);
	check_spawn(quit, NULL);
	for (;;)
		pause();
}
