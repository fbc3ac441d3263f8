/* SPDX-License-Identifier: BSD-3-Clause */
/* Binary buddy page allocator. Interface as in Unikraft 0.17. */
#pragma once

#include <uk/alloc.h>

/**
 * Turn the whole pages of [base, base + len) into an allocator and register it. Its state lies in the first pages (9
 * bytes per page); free pages themselves are not touched. NULL if there is not room for it and one page. The memory
 * belongs to it for ever.
 *
 * palloc(n) gives a block of the next power of two of pages, aligned to its size; pfree wants the same n. What is no
 * block in use ends the machine with a report (double and wild frees). malloc and the rest are the generic page forms
 * (uk/alloc_impl.h): whole pages for every object. uk_alloc_addmem() adds further ranges; blocks never span two of
 * them. A spin lock inside, preemption off for O(log n) steps per range.
 * Context: any; does not sleep; [base, base + len) is mapped
 * Locks: the list's spin lock; calls of the allocator take its own
 * Ownership: the memory belongs to the allocator for ever
 * Errors: NULL: there is not room for its state and one page
 * Source: Unikraft 0.17, uk/allocbbuddy.h
 */
struct uk_alloc *uk_allocbbuddy_init(void *base, size_t len);
