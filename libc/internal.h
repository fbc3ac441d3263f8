/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between this folder's files that see musl's internals (musl_*.c) and those that see the kernel's headers: both at once
 * would define the same names twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes that TLS, thread structure and thread-specific data take at the end of a thread's mapping; 0: libc is not up. */
size_t libc_tls_space(void);
/* Build them at the end of [map, map + size), whose first `guard` bytes are no memory. Thread pointer; *stack: what is below. */
void *libc_tls_build(char *map, size_t size, size_t guard, char **stack);
/* By the thread itself, on its application stack. */
void libc_thread_begin(int tid);
/* Run destructors, free_heap (may be NULL), and end the thread with its mapping. */
void libc_thread_end(void (*free_heap)(void)) __attribute__((noreturn));
