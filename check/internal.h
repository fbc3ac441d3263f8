/* SPDX-License-Identifier: BSD-3-Clause */
/* What the checkers share: stacks as addresses, and the end of the run. Not for other modules. Any context. */
#pragma once

#include <arch/stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_DEPTH 16

/* pc[0] is the place itself, the others are return addresses; 0 ends it. */
struct stack {
	uintptr_t pc[STACK_DEPTH];
};

/* Lines of a crash report: the addresses of a stack of up to `n`. */
void stack_print(const uintptr_t *pc, unsigned n);

/* Report and end the run with status 134; lines(arg) prints what follows the first line, with plat_log('C', ..). */
void check_end(void (*lines)(void *arg), void *arg, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
