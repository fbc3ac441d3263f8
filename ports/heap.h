/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an allocator asks of the kernel: mmap and relatives for heap memory, and how much there is left.
 *
 * tutti_heap_*: arguments, results and errno as the POSIX and Linux functions whose names they carry; memory is
 * private and anonymous whatever flags and fd say, and charged when it becomes writable (ENOMEM there: a later touch
 * cannot fail). They are system calls, so the work runs on the kernel stack. Thread context, may sleep, any CPU, no
 * lock held.
 */
#pragma once

#include <stddef.h>

void *tutti_heap_mmap(void *addr, size_t len, int prot, int flags, int fd, long off);
int tutti_heap_munmap(void *addr, size_t len);
int tutti_heap_mprotect(void *addr, size_t len, int prot);
int tutti_heap_madvise(void *addr, size_t len, int advice);
void *tutti_heap_mremap(void *addr, size_t old_len, size_t new_len, int flags, ...);

/*
 * For an allocator that always commits again (mprotect) what it has given back with MADV_DONTNEED: then that ends the
 * charge too. From init(); for ever.
 */
void heap_dontneed_decommits(void);

/* Address space for a heap of a boot choice, no access yet; from init(), on the boot CPU. 0: no room. */
char *heap_reserve(size_t len, size_t align);
/* The same, readable and writable, zero, charged. For an allocator's own tables. NULL: refused. */
void *heap_tables(size_t len);

/* Pages of the machine; and those that a heap could still be charged for, less what mapping them takes. */
unsigned long heap_total_pages(void);
unsigned long heap_free_pages(void);
