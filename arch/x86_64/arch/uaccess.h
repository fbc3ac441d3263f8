/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to application memory that give -EFAULT instead of a crash. A fault inside is first offered to the page-fault
 * upcall (demand paging); if nobody resolves it, the exception table sends it to the fix-up. Any context in which a page
 * fault may be taken (not from interrupts); does not sleep in this release.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 0 or -EFAULT. */
int arch_user_load32(const uint32_t *src, uint32_t *value);
int arch_user_store32(uint32_t *dst, uint32_t value);
/* Sequentially consistent compare-and-exchange: *old gets what was there. 0 or -EFAULT. */
int arch_user_cmpxchg32(uint32_t *dst, uint32_t expected, uint32_t desired, uint32_t *old);
/* Copies either way; 0 or -EFAULT (then part of it may have been copied). */
int arch_user_copy(void *dst, const void *src, size_t len);
/* Length of a terminated string without the terminator, at most max; -EFAULT on a bad address. */
long arch_user_strnlen(const char *s, size_t max);
