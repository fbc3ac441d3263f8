/* SPDX-License-Identifier: BSD-3-Clause */
/* Bump allocator. Interface as in Unikraft 0.17. */
#pragma once

#include <uk/alloc.h>

/**
 * Turn [base, base + len) into an allocator and register it; its own state lies at the start. NULL if len is not more
 * than a page. The memory belongs to it for ever.
 *
 * malloc moves a pointer (objects are 16-byte aligned and have 16 bytes in front that hold their size, so realloc
 * copies what is there, and the youngest object grows in place); free gives nothing back; malloc(0) is NULL. maxalloc
 * and availmem tell what is left. uk_alloc_addmem() adds further ranges, which are used once the earlier ones cannot
 * serve a request. A spin lock inside, preemption off for some instructions.
 * Context: any; does not sleep; [base, base + len) is mapped
 * Locks: the list's spin lock; calls of the allocator take its own
 * Ownership: the memory belongs to the allocator for ever
 * Errors: NULL: len is not more than a page
 * Source: Unikraft 0.17, uk/allocregion.h
 */
struct uk_alloc *uk_allocregion_init(void *base, size_t len);
