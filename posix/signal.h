/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals: what the trap path, the system-call entry and init/ call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* Second argument of posix_return_to_app(); any other value is the address at which a call that is to be restarted ends with -EINTR. */
#define APP_RETURN_CALL 0ul /* a system call is done: vector registers belong to nobody */
#define APP_RETURN_LIVE 1ul /* between two instructions: they are the application's */

/*
 * Let `f` go to the handlers of all signals that can be delivered now. Interrupts off before and after, on in between;
 * preempt_count 0; kernel stack of the current thread.
 */
void posix_return_to_app(struct trap_frame *f, uintptr_t how);
/* Upcalls. */
void posix_return_from_trap(struct trap_frame *f);
void posix_syscall_trap(struct trap_frame *f);
bool posix_app_exception(struct trap_frame *f, uintptr_t addr);
