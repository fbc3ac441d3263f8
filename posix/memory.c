// SPDX-License-Identifier: BSD-3-Clause
/*
 * mmap() and relatives: argument checks as in Linux, then mm/. A mapping of a file is a private copy, made at once; as the
 * file tree is read-only a shared mapping that cannot be written looks the same, and a writable shared one is refused.
 * MM_MAP_HEAP may be given by the allocators' ports. No state; thread context; mm/ locks and says when memory is out.
 */
#include <arch/paging.h>

#include "mm/mm.h"
#include "posix/files.h"
#include "posix/posix.h"

static long map_file(uintptr_t addr, size_t len, int prot, int flags, int fd, uint64_t offset)
{
	size_t done = 0;
	long at, n = 0;

	if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE))
		return -EACCES;
	if (offset % PAGE_SIZE)
		return -EINVAL;
	n = posix_file_check_map(fd);
	if (n)
		return n;
	at = mm_mmap(addr, len, PROT_READ | PROT_WRITE, (flags & ~MAP_TYPE) | MAP_PRIVATE | MAP_ANONYMOUS);
	if (at < 0 && at > -4096)
		return at;
	while (done < len) {
		n = posix_file_pread(fd, (char *)at + done, len - done, offset + done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (n >= 0 && prot != (PROT_READ | PROT_WRITE))
		n = mm_mprotect((uintptr_t)at, len, prot);
	if (n < 0) {
		mm_munmap((uintptr_t)at, len);
		return n;
	}
	return at;
}

long sys_mmap(const long *a)
{
	uintptr_t addr = (uintptr_t)a[0];
	size_t len = ARG_SIZE(a, 1);
	int prot = ARG_INT(a, 2), flags = ARG_INT(a, 3);

	if (!len || (flags & MAP_TYPE) == 0 || ((flags & MAP_FIXED) && addr % PAGE_SIZE))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS))
		return map_file(addr, len, prot, flags, ARG_INT(a, 4), (uint64_t)a[5]);
	return mm_mmap(addr, len, prot, flags);
}

long sys_munmap(const long *a)
{
	return mm_munmap((uintptr_t)a[0], ARG_SIZE(a, 1));
}

long sys_mprotect(const long *a)
{
	return mm_mprotect_top((uintptr_t)a[0], ARG_SIZE(a, 1), ARG_INT(a, 2));
}

long sys_madvise(const long *a)
{
	return mm_madvise((uintptr_t)a[0], ARG_SIZE(a, 1), ARG_INT(a, 2));
}
