/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Voluntary context switch between kernel stacks, and the first entry of a new thread.
 *
 * Kept per thread: callee-saved registers and rip (on the kernel stack), rsp, FS base, MXCSR and x87 control word.
 * Caller: interrupts off, preempt_count 1, per-CPU current/kstack_* already set to the next thread. The rest of the
 * floating point state is caller-saved at a voluntary switch; an involuntary one saves it in the trap path around the
 * preempt upcall (XSAVE area on the kernel stack).
 */
#pragma once

#include <stdint.h>

struct arch_context {
	uintptr_t rsp;
	uintptr_t fs_base;
};

/* Above rsp of a context that is not running: its frame pointer and where it goes on. For backtraces. */
#define ARCH_CONTEXT_RBP 48
#define ARCH_CONTEXT_RIP 56

/*
 * Switch stacks: store the running context in *prev, resume *next. Returns in prev's thread when it is switched to again,
 * with the value that the switcher passed as `arg` (so the resumed side learns who ran before it).
 */
void *arch_switch(struct arch_context *prev, struct arch_context *next, void *arg);

/*
 * Make `ctx` start at entry(arg) on the kernel stack whose top is `kstack_top` at the first switch to it; `entry` gets the
 * value passed by the switcher as its first argument and `arg` as its second, runs with interrupts off and must not return.
 * Only ctx->rsp is set: fs_base is the caller's.
 */
void arch_context_init(struct arch_context *ctx, uintptr_t kstack_top,
		       void (*entry)(void *switched_from, void *arg) __attribute__((noreturn)), void *arg);

/*
 * Leave the kernel stack for the application stack `sp` and call fn(arg) there, interrupts on. Never returns. The value
 * at the stack pointer follows the ABI of a function entry (rsp + 8 is 16-byte aligned); MXCSR, x87 at their defaults.
 */
void arch_enter_app(uintptr_t sp, void (*fn)(void *), void *arg) __attribute__((noreturn));

/* FS base (thread pointer) of the running context. */
uintptr_t arch_get_tp(void);
void arch_set_tp(uintptr_t tp);
