// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 args=first_argument
/* argv and environ have their C form; the argument of the directive arrives; the auxiliary data libc needs is sane. */
#include "check.h"

#include <sys/auxv.h>

extern char **environ;

int main(int argc, char **argv, char **envp)
{
	CHECK_EQ(argc, 2);
	CHECK(argv[0] && argv[0][0]);
	CHECK(strcmp(argv[1], "first_argument") == 0);
	CHECK(argv[argc] == NULL);
	CHECK(envp == environ);
	for (; *envp; envp++)
		CHECK(strchr(*envp, '='));
	CHECK_EQ(setenv("TUTTI_TEST_NAME", "a value", 1), 0);
	CHECK(getenv("TUTTI_TEST_NAME") && strcmp(getenv("TUTTI_TEST_NAME"), "a value") == 0);
	CHECK_EQ(unsetenv("TUTTI_TEST_NAME"), 0);
	CHECK(!getenv("TUTTI_TEST_NAME"));
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK(getauxval(AT_RANDOM) != 0);
	return 0;
}
