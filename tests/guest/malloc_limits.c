// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 alloc=region,buddy,mallocng,mimalloc
/* Requests that nobody can meet get NULL and ENOMEM from every entry, whatever the arithmetic inside, and harm nothing. */
#include "check.h"

#include <malloc.h>

/* Hides the value from the compiler, which knows malloc's limits. */
static size_t hidden(size_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

int main(void)
{
	static const size_t sizes[] = {
		SIZE_MAX,	 SIZE_MAX - 1,	   SIZE_MAX - 15,   SIZE_MAX - 4095,  SIZE_MAX - 4096,
		SIZE_MAX - 4100, SIZE_MAX - 65536, SIZE_MAX / 2,    SIZE_MAX / 2 + 1, PTRDIFF_MAX,
		(size_t)1 << 62, (size_t)1 << 48,  (size_t)1 << 47,
	};
	unsigned char *keep = malloc(100), *p;
	size_t i, n;
	void *out;

	CHECK(keep);
	memset(keep, 0x77, 100);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = hidden(sizes[i]);

		errno = 0;
		CHECK(!malloc(size) && errno == ENOMEM);
		errno = 0;
		CHECK(!calloc(1, size) && errno == ENOMEM);
		errno = 0;
		CHECK(!realloc(NULL, size) && errno == ENOMEM);
		errno = 0;
		CHECK(!realloc(keep, size) && errno == ENOMEM);
		for (n = 0; n < 100; n++)
			CHECK_EQ(keep[n], 0x77);
		errno = 0;
		CHECK(!memalign(hidden(64), size) && errno == ENOMEM);
		CHECK_EQ(posix_memalign(&out, hidden(4096), size), ENOMEM);
	}
	errno = 0;
	CHECK(!calloc(hidden(SIZE_MAX / 2 + 2), 2) && errno == ENOMEM);
	errno = 0;
	CHECK(!calloc(hidden((size_t)1 << 32), hidden((size_t)1 << 32)) && errno == ENOMEM);
	errno = 0;
	CHECK(!calloc(hidden(3), hidden(SIZE_MAX / 3 + 1)) && errno == ENOMEM);
	for (i = 0; i < 1000; i++) { /* and life goes on */
		p = malloc(i);
		CHECK(p);
		memset(p, 1, i);
		free(p);
	}
	for (n = 0; n < 100; n++)
		CHECK_EQ(keep[n], 0x77);
	free(keep);
	return 0;
}
