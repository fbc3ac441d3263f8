/* SPDX-License-Identifier: BSD-3-Clause */
/* What the checkers share: stacks as addresses, and the end of the run. Not for other modules. Any context. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_DEPTH 16

/* pc[0] is the place itself, the others are return addresses; 0 ends it. */
struct stack {
	uintptr_t pc[STACK_DEPTH];
};

/*
 * In a function that instrumented code calls: the place in the program (inside the call instruction, so that it has the line of
 * the call), and the frame pointer of the function that it is in.
 */
#define CALLER_PC() ((uintptr_t)__builtin_return_address(0) - 1)
#define CALLER_FP() (*(const uintptr_t *)__builtin_frame_address(0))

/* Follow frame pointers from `fp` on; `pc` comes first. Bad chains cost nothing. */
void stack_walk(uintptr_t *out, unsigned n, uintptr_t pc, uintptr_t fp);
/* Lines of a crash report: the addresses of a stack of up to `n`. */
void stack_print(const uintptr_t *pc, unsigned n);

/* Report and end the run with status 134; lines(arg) prints what follows the first line, with plat_log('C', ..). */
void check_end(void (*lines)(void *arg), void *arg, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
