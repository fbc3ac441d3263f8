/* SPDX-License-Identifier: BSD-3-Clause */
/* The C library's start and threads, as init/ and kernel threads use them. */
#pragma once

#include <stddef.h>

/*
 * First function of the main thread, on its application stack: sets musl up and runs constructors, main() and exit().
 * `block` is what a program finds at its stack pointer on Linux: argc, argv, NULL, environment, NULL, auxiliary vector.
 * stack_top, stack_size: of the application stack, for pthread_getattr_np().
 */
struct libc_start {
	long *block;
	char *stack_top;
	size_t stack_size;
};
void libc_start(void *libc_start);

/*
 * A kernel thread that may use libc and allocate: with an application stack of `stack` bytes (guard page below) and a
 * complete TLS block. fn(arg) runs on it; when fn returns, thread-specific data destructors and the allocator's thread_exit
 * run and the stack is unmapped. Such a thread does not keep the program alive and takes no signals. After libc_start() has
 * set libc up; thread context, on either stack; may sleep. Thread id, -ENOMEM, or -EAGAIN (no thread, or libc not up yet).
 */
int libc_thread_create(const char *name, void (*fn)(void *), void *arg, size_t stack);
