// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,4 exit=255
/* All eight bits of the status arrive, and exit() works from deep inside. */
#include <stdlib.h>

int main(void)
{
	exit(-1);
}
