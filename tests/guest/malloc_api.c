// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 alloc=region,buddy,mallocng,mimalloc
/* malloc and its relatives keep their contracts: alignment, contents through realloc, zeros from calloc, sizes, errors. */
#include "check.h"

#include <malloc.h>

static void fill(unsigned char *p, size_t size, unsigned char seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (unsigned char)(seed + i);
}

static void check_fill(const unsigned char *p, size_t size, unsigned char seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != (unsigned char)(seed + i))
			check_failed(__FILE__, __LINE__, "byte %zu of %zu is %#x", i, size, p[i]);
}

int main(void)
{
	static const size_t sizes[] = { 0,   1,	  7,	8,    15,   16,	  17,	 31,	33,
					100, 255, 1000, 4095, 4096, 4097, 10000, 65536, 300000 };
	enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
	unsigned char *all[SIZES], *p, *q;
	size_t i, n, alignment;
	void *out;

	for (i = 0; i < SIZES; i++) {
		all[i] = malloc(sizes[i]);
		CHECK(all[i]); /* malloc(0) is an object of its own here */
		CHECK_EQ((uintptr_t)all[i] % (sizes[i] >= 16 ? 16 : 8), 0);
		CHECK(malloc_usable_size(all[i]) >= sizes[i]);
		fill(all[i], sizes[i], (unsigned char)i);
	}
	for (i = 0; i < SIZES; i++)
		check_fill(all[i], sizes[i], (unsigned char)i);
	for (i = 0; i < SIZES; i++)
		free(all[i]);
	free(NULL);

	for (i = 0; i < SIZES; i++) {
		p = malloc(sizes[i]);
		CHECK(p);
		memset(p, 0xff, sizes[i]);
		free(p);
		p = calloc(sizes[i], 1); /* likely the same memory, and zero again */
		CHECK(p);
		for (n = 0; n < sizes[i]; n++)
			CHECK_EQ(p[n], 0);
		free(p);
		p = calloc(3, sizes[i]);
		CHECK(p);
		for (n = 0; n < 3 * sizes[i]; n++)
			CHECK_EQ(p[n], 0);
		free(p);
	}

	p = realloc(NULL, 1);
	CHECK(p);
	fill(p, 1, 3);
	for (i = 1; i < SIZES; i++) { /* grow through all sizes, then shrink */
		p = realloc(p, sizes[i]);
		CHECK(p);
		check_fill(p, i > 1 ? sizes[i - 1] : 1, 3);
		fill(p, sizes[i], 3);
	}
	for (i = SIZES - 1; i-- > 1;) {
		p = realloc(p, sizes[i]);
		CHECK(p);
		check_fill(p, sizes[i], 3);
	}
	free(p);

	for (alignment = 8; alignment <= 65536; alignment *= 2)
		for (i = 1; i < SIZES; i += 4) {
			CHECK_OK(posix_memalign(&out, alignment, sizes[i]));
			CHECK(out && (uintptr_t)out % alignment == 0);
			fill(out, sizes[i], 9);
			p = aligned_alloc(alignment, (sizes[i] + alignment - 1) / alignment * alignment);
			CHECK(p && (uintptr_t)p % alignment == 0);
			fill(p, sizes[i], 10);
			q = memalign(alignment, sizes[i]);
			CHECK(q && (uintptr_t)q % alignment == 0);
			fill(q, sizes[i], 11);
			check_fill(out, sizes[i], 9);
			check_fill(p, sizes[i], 10);
			CHECK(malloc_usable_size(out) >= sizes[i]);
			out = realloc(out, sizes[i] + 1000); /* an aligned object may be resized and freed as any */
			CHECK(out);
			check_fill(out, sizes[i], 9);
			free(out);
			free(p);
			check_fill(q, sizes[i], 11);
			free(q);
		}
	CHECK_EQ(posix_memalign(&out, 3, 16), EINVAL);
	CHECK_EQ(posix_memalign(&out, 4, 16), EINVAL);
	CHECK_EQ(posix_memalign(&out, 24, 16), EINVAL);

	p = (unsigned char *)strdup("a string");
	CHECK(p && strcmp((char *)p, "a string") == 0);
	free(p);
	return 0;
}
