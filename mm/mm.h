/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address space: application mappings (VMAs), kernel virtual addresses, faults, shootdown.
 *
 * There is one address space. Application calls (mm_mmap ..) come from thread context on the kernel stack, interrupts
 * on; they take the address space lock, which spins with interrupts on, so a holder or a waiter always answers a
 * shootdown. A fault takes it shared; faults on different pages run in parallel, page-table entries are installed by
 * compare-and-swap. Errors are negative errno values.
 *
 * Rule for everybody else: a lock under which application memory may be touched (a futex bucket) is never waited for
 * with interrupts off. Its holder may be waiting, in a fault, for a CPU to answer a shootdown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arch/paging.h>

struct trap_frame;

/* Protection: values of PROT_* in POSIX (READ 1, WRITE 2, EXEC 4). WRITE together with EXEC gives -EACCES. */
/* Flags: the Linux MAP_* values, and: */
#define MM_MAP_HEAP 0x40000000 /* allocator heap: charged when a page becomes writable (-ENOMEM there) */

/* Result: address or negative errno. len is rounded up to pages. Hints (addr without MAP_FIXED) are honoured if free. */
long mm_mmap(uintptr_t addr, size_t len, int prot, int flags);
int mm_munmap(uintptr_t addr, size_t len);
int mm_mprotect(uintptr_t addr, size_t len, int prot);
/*
 * The same for programs: if the range is uncharged and had no access before, its highest page comes with it. Such a range is a
 * stack, as a rule, where the thread's structure is written at once: cheaper here than by a fault.
 */
int mm_mprotect_top(uintptr_t addr, size_t len, int prot);
/* MADV_DONTNEED and MADV_FREE drop pages (the next touch reads zeroes; charged ones stay charged); others 0 or -EINVAL. */
int mm_madvise(uintptr_t addr, size_t len, int advice);

/*
 * Upcall: true if the access may be retried. Never sleeps, never switches threads; spin locks may be held. A touched
 * uncharged page with no frame left ends the machine with 134.
 */
bool mm_page_fault(uintptr_t addr, uint64_t err, struct trap_frame *f);
/* Words about an address for the crash report: "null page", "guard page of ...", "text", "not mapped". */
const char *mm_describe(uintptr_t addr);
/* Print the largest mappings with plat_log('C', ..). */
void mm_report(void);

struct mm_stats {
	uint64_t heap_resident;	     /* bytes in MM_MAP_HEAP mappings, now */
	uint64_t heap_resident_peak; /* and at most since boot or mm_heap_peak_reset() */
	uint64_t app_resident;
	uint64_t faults;
	uint64_t shootdown_ipis;
};
void mm_stats(struct mm_stats *s);
void mm_heap_peak_reset(void);

/* ---- kernel virtual addresses ---- */
#define MM_KSTACK_SIZE 16384ul
/* A populated kernel stack with an unmapped guard page below: lowest address or 0. Recycled, never unmapped. */
uintptr_t mm_kstack_alloc(void);
void mm_kstack_free(uintptr_t base);
/* Device memory, uncached. Never fails after boot for the few devices there are; permanent. */
void *mm_map_device(paddr_t pa, size_t len);

/* ---- shootdown ---- */
void mm_shootdown_ipi(void); /* upcall */
/*
 * Idle handshake, by the idle thread with interrupts off: between the two this CPU gets no shootdown IPI and touches
 * no application memory, handlers included.
 */
void mm_cpu_enter_idle(void);
void mm_cpu_leave_idle(void); /* flushes if it was asked to */

/* ---- boot ---- */
/* Final page tables: image by section (W^X), direct map, no null page. Frames are initialised in here. */
void mm_init(void);
/* Text and relocated read-only data become read-only everywhere, the direct map included. The end of arch_text_write(). */
void mm_seal(void);
