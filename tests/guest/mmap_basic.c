// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 machine=microvm,q35
/*
 * Anonymous mappings: zero at first, kept where asked, split and joined by munmap and mprotect, zero again after
 * MADV_DONTNEED, hints honoured, reservations far larger than memory free of charge, bad requests refused.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static const size_t page = 4096;

static bool all_bytes(const volatile unsigned char *p, size_t size, unsigned char byte)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static unsigned char *map(void *hint, size_t size, int protection, int flags)
{
	void *p = mmap(hint, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ((uintptr_t)p % page, 0);
	return p;
}

int main(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	unsigned char *p, *q;
	size_t huge = (size_t)1 << 40, i;

	p = map(NULL, 64 * page, rw, 0);
	CHECK(all_bytes(p, 64 * page, 0));
	memset(p, 0x5a, 64 * page);
	CHECK_EQ(madvise(p + 8 * page, 8 * page, MADV_DONTNEED), 0);
	CHECK(all_bytes(p, 8 * page, 0x5a));
	CHECK(all_bytes(p + 8 * page, 8 * page, 0));
	CHECK(all_bytes(p + 16 * page, 48 * page, 0x5a));

	CHECK_EQ(munmap(p + 20 * page, 4 * page), 0); /* a hole; both sides stay */
	CHECK(all_bytes(p + 16 * page, 4 * page, 0x5a));
	CHECK(all_bytes(p + 24 * page, 40 * page, 0x5a));
	q = map(p + 20 * page, 4 * page, rw, MAP_FIXED); /* the hole filled with zeros */
	CHECK(q == p + 20 * page);
	CHECK(all_bytes(q, 4 * page, 0));
	q = map(p + 30 * page, 2 * page, rw, MAP_FIXED); /* over what was there */
	CHECK(q == p + 30 * page && all_bytes(q, 2 * page, 0));
	CHECK(all_bytes(p + 32 * page, 32 * page, 0x5a));

	CHECK_EQ(mprotect(p + 32 * page, 16 * page, PROT_READ), 0);
	CHECK(all_bytes(p + 32 * page, 16 * page, 0x5a));
	CHECK_EQ(mprotect(p + 36 * page, 4 * page, PROT_NONE), 0);
	CHECK_EQ(mprotect(p + 32 * page, 16 * page, rw), 0); /* over pieces of different protection */
	CHECK(all_bytes(p + 32 * page, 16 * page, 0x5a));    /* nothing was lost */
	memset(p + 32 * page, 1, 16 * page);
	CHECK_EQ(munmap(p, 64 * page), 0);
	CHECK_EQ(munmap(p, 64 * page), 0); /* nothing there: not an error */

	q = map((void *)0x3d692000000, 32 << 20, PROT_NONE, MAP_NORESERVE); /* a free hint is honoured */
	CHECK(q == (void *)0x3d692000000);
	CHECK_EQ(mprotect(q + (1 << 20), 1 << 20, rw), 0); /* and committed in pieces */
	CHECK(all_bytes(q + (1 << 20), 1 << 20, 0));
	memset(q + (1 << 20), 7, 1 << 20);
	CHECK_EQ(munmap(q, 32 << 20), 0);
	q = map((void *)0x7f0000000123, page, rw, 0); /* a hint that is no page: rounded or not, never an error */
	CHECK_EQ(munmap(q, page), 0);

	p = map(NULL, huge, PROT_NONE, MAP_NORESERVE);
	q = map(NULL, huge, rw, MAP_NORESERVE);
	for (i = 0; i < 50; i++)
		q[i * (huge / 50)] = (unsigned char)i;
	for (i = 0; i < 50; i++)
		CHECK_EQ(q[i * (huge / 50)], (unsigned char)i);
	CHECK_EQ(madvise(q, huge, MADV_DONTNEED), 0);
	CHECK_EQ(q[huge / 50], 0);
	CHECK_EQ(munmap(p, huge), 0);
	CHECK_EQ(munmap(q, huge), 0);

	CHECK(mmap(NULL, 0, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap((void *)123, page, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
	      errno == EINVAL);
	CHECK(mmap(NULL, (size_t)1 << 62, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED &&
	      errno == ENOMEM);
	CHECK(mmap(NULL, page, rw, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	p = map(NULL, 4 * page, rw, 0);
	CHECK_ERRNO(munmap(p + 1, page), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_mprotect, p + 1, page, rw), EINVAL); /* libc's function rounds */
	CHECK_EQ(munmap(p + page, page), 0);
	CHECK_ERRNO(mprotect(p, 3 * page, rw), ENOMEM); /* there is a hole in it */
	return 0;
}
