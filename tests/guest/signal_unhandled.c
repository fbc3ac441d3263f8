// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=143
/* An unhandled SIGTERM ends the program; its status is the shell's for that, 128 + 15. */
#include "check.h"

#include <signal.h>

int main(void)
{
	raise(SIGTERM);
	return 1;
}
