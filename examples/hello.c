// SPDX-License-Identifier: BSD-3-Clause
/* The smallest program: ./tutti run examples/hello.c */
#include <stdio.h>

int main(int argc, char **argv)
{
	printf("hello, %s\n", argc > 1 ? argv[1] : "world");
	return 0;
}
