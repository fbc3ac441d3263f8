/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Following a stack by frame pointers, for reports that come while the program runs: in builds with a checker, the lock validator or
 * the lock statistics. Any context, no locks, no memory.
 */
#pragma once

#include <stdint.h>

/*
 * In a function that is called from the place in question: that place (inside the call instruction, so that it has the line of the
 * call), and the frame pointer of the function that it is in.
 */
#define CALLER_PC() ((uintptr_t)__builtin_return_address(0) - 1)
#define CALLER_FP() (*(const uintptr_t *)__builtin_frame_address(0))

/* `pc` comes first, then return addresses; 0 ends it if there are fewer than `n`. Bad chains cost nothing. */
void stack_walk(uintptr_t *out, unsigned n, uintptr_t pc, uintptr_t fp);
/* The same as offsets into the image, without leaving the stack that it is called on: cheap enough for each lock that is taken. */
void stack_walk_near(uint32_t *out, unsigned n, uintptr_t pc, uintptr_t fp);

/* Offsets into the image and back; 0 stays 0. */
uint32_t stack_offset(uintptr_t pc);
uintptr_t stack_address(uint32_t offset);
