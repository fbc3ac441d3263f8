// SPDX-License-Identifier: BSD-3-Clause
// test: check=memory cpus=1,2 expect-report='heap-buffer-overflow: write of 1 byte.* 0 bytes after a block of 13 bytes(.*\n)+.*copy' timeout=60
/*
 * Planted here: a heap overflow by one. The end of a string is forgotten in its length. The byte lies in what the allocator rounds the
 * block up to, so nothing else would ever notice.
 */
#include "../guest/check.h"

static __attribute__((noinline)) char *copy(const char *s)
{
	size_t n = strlen(s);
#ifdef FIXED
	char *p = malloc(n + 1);
#else
	char *p = malloc(n);
#endif

	CHECK(p);
	for (size_t i = 0; i <= n; i++)
		p[i] = s[i];
	return p;
}

int main(void)
{
	char *p = copy("thirteen byte");

	CHECK_EQ(strlen(p), 13);
	free(p);
	return 0;
}
