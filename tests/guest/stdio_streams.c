// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 machine=microvm,q35
/* stdio: buffered output from several threads stays in whole lines, formats work, standard input reaches its end. */
#include "check.h"

#include <sys/stat.h>
#include <sys/uio.h>

static void *print(void *arg)
{
	int i;

	for (i = 0; i < 50; i++)
		printf("line %d of thread %d\n", i, (int)(intptr_t)arg);
	return NULL;
}

int main(void)
{
	struct iovec pieces[2] = { { (void *)"two ", 4 }, { (void *)"pieces\n", 7 } };
	pthread_t threads[4];
	char text[200], byte;
	struct stat st;
	intptr_t i;

	snprintf(text, sizeof(text), "%d %5.2f %s %x %lld %c %p %Lg %e", -5, 3.14159, "word", 0xbeef, 1LL << 40, 'z',
		 (void *)16, 1.5L, 12345.678);
	CHECK(strcmp(text, "-5  3.14 word beef 1099511627776 z 0x10 1.5 1.234568e+04") == 0);
	CHECK(strtod("2.5e3", NULL) == 2500.0);
	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(print, (void *)i);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);
	CHECK_EQ(fflush(stdout), 0);
	CHECK_EQ(writev(1, pieces, 2), 11);
	CHECK_EQ(write(1, "", 0), 0);
	while (read(0, &byte, 1) == 1)
		;
	CHECK_EQ(read(0, &byte, 1), 0);
	CHECK_EQ(getchar(), EOF);
	CHECK(feof(stdin) && !ferror(stdin));
	CHECK_ERRNO(write(77, "x", 1), EBADF);
	CHECK_ERRNO(read(1000000, &byte, 1), EBADF);
	CHECK_ERRNO(close(77), EBADF);
	CHECK_EQ(fstat(1, &st), 0);
	CHECK_EQ(isatty(77), 0);
	CHECK(errno == EBADF);
	return 0;
}
