// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1
/* Prints its environment, one variable a line, sorted by nobody: for the tests of the command line. */
#include <stdio.h>

extern char **environ;

int main(void)
{
	char **e;

	for (e = environ; *e; e++)
		puts(*e);
	return 0;
}
