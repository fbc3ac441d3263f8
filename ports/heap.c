/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heap memory for allocators (heap.h): system calls with the flag that makes a mapping a heap's.
 *
 * Upstream allocators are compiled with mmap and its relatives renamed to these; the boot choices `region` and `buddy`
 * commit through them too. The one variable is set before any other CPU runs. While init() of an allocator runs, the
 * boot CPU is on its kernel stack and there is no system call yet: the two functions for that time call mm directly.
 */
#include "ports/heap.h"

#include <stdbool.h>
#include <stdint.h>

#include <uk/alloc.h>

#include "lib/util.h"
#include "mm/frames.h"
#include "mm/mm.h"
#include "posix/syscall.h"

/* Linux x86-64 ABI */
#define SYS_MMAP	    9
#define SYS_MPROTECT	    10
#define SYS_MUNMAP	    11
#define SYS_MREMAP	    25
#define SYS_MADVISE	    28
#define PROT_NONE	    0
#define PROT_RW		    3
#define MADV_DONTNEED	    4
#define MAP_PRIVATE	    0x02
#define MAP_FIXED	    0x10
#define MAP_ANONYMOUS	    0x20
#define MAP_FIXED_NOREPLACE 0x100000
#define MAP_FAILED	    ((void *)-1)

static bool dontneed_decommits;

void heap_dontneed_decommits(void)
{
	dontneed_decommits = true;
}

/* A value as Linux returns it, or -1 and errno. */
static long result(long r)
{
	if ((unsigned long)r > -4096ul) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

void *tutti_heap_mmap(void *addr, size_t len, int prot, int flags, int fd, long off)
{
	(void)fd;
	(void)off;
	flags &= MAP_FIXED | MAP_FIXED_NOREPLACE;
	return (void *)result(tutti_syscall(SYS_MMAP, (long)addr, (long)len, prot,
					    flags | MAP_PRIVATE | MAP_ANONYMOUS | MM_MAP_HEAP, -1, 0));
}

int tutti_heap_munmap(void *addr, size_t len)
{
	return (int)result(tutti_syscall(SYS_MUNMAP, (long)addr, (long)len, 0, 0, 0, 0));
}

int tutti_heap_mprotect(void *addr, size_t len, int prot)
{
	return (int)result(tutti_syscall(SYS_MPROTECT, (long)addr, (long)len, prot, 0, 0, 0));
}

int tutti_heap_madvise(void *addr, size_t len, int advice)
{
	int r = (int)result(tutti_syscall(SYS_MADVISE, (long)addr, (long)len, advice, 0, 0, 0));

	/* refused only for want of memory to split a mapping: then the pages stay charged, which harms nothing */
	if (!r && advice == MADV_DONTNEED && dontneed_decommits)
		tutti_syscall(SYS_MPROTECT, (long)addr, (long)len, PROT_NONE, 0, 0, 0);
	return r;
}

/* The optional fifth argument goes with flags that heaps do not use. */
void *tutti_heap_mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
	return (void *)result(tutti_syscall(SYS_MREMAP, (long)addr, (long)old_len, (long)new_len, flags, 0, 0));
}

char *heap_reserve(size_t len, size_t align)
{
	long base = mm_mmap(0, len + align, 0, MAP_PRIVATE | MAP_ANONYMOUS | MM_MAP_HEAP);

	return base < 0 ? NULL : (char *)ALIGN_UP((uintptr_t)base, align);
}

void *heap_tables(size_t len)
{
	long base = mm_mmap(0, len, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MM_MAP_HEAP);

	return base < 0 ? NULL : (void *)base;
}

unsigned long heap_total_pages(void)
{
	struct frame_stats s;

	frame_stats(&s);
	return s.total;
}

unsigned long heap_free_pages(void)
{
	struct frame_stats s;

	frame_stats(&s);
	/* page tables above the last level */
	return s.heap > 8 ? s.heap - 8 : 0;
}
