// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1
/* Prints each argument with its length: for the tests of the command line, which compare it byte for byte. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		printf("%d %zu %s\n", i, strlen(argv[i]), argv[i]);
	return 0;
}
