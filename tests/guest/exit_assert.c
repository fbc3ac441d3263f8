// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=134 expect-stderr=Assertion.failed.*two_and_two_is_five
/* A failed assert() says what failed and ends the machine with 134. */
#include <assert.h>

int main(int argc, char **argv)
{
	int two_and_two_is_five = argc < 0 && argv;

	assert(two_and_two_is_five);
	return 0;
}
