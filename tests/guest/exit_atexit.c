// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 exit=0
/*
 * Constructors run before main in the order of their priority and with a working C library; then main, then the atexit
 * functions in reverse order, then the destructors. main returns 3: only the last destructor turns that into 0.
 */
#include "check.h"

static int step;
static char *early;

__attribute__((constructor(101))) static void first(void)
{
	CHECK_EQ(step++, 0);
	early = malloc(100);
	CHECK(early);
	strcpy(early, "from the first constructor");
}

__attribute__((constructor(102))) static void second(void)
{
	CHECK_EQ(step++, 1);
	CHECK(getenv("A_VARIABLE_THAT_DOES_NOT_EXIST") == NULL);
}

__attribute__((constructor)) static void third(void)
{
	_Alignas(16) volatile float aligned[4] = { 1, 2, 3, 4 };

	CHECK_EQ((uintptr_t)aligned % 16, 0);
	CHECK_EQ(step++, 2);
}

static void registered_first(void)
{
	CHECK_EQ(step++, 5);
}

static void registered_second(void)
{
	CHECK_EQ(step++, 4);
}

__attribute__((destructor)) static void last(void)
{
	CHECK_EQ(step++, 6);
	CHECK(strcmp(early, "from the first constructor") == 0);
	_exit(0);
}

int main(void)
{
	CHECK_EQ(step++, 3);
	CHECK_EQ(atexit(registered_first), 0);
	CHECK_EQ(atexit(registered_second), 0);
	return 3;
}
