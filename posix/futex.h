/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the futex calls: what futex.c (waiting and waking), futex_pi.c (locks that lend priority), robust.c and process.c
 * want of each other. Thread context, no lock of these files held, except where it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct uk_thread;

/* ---- futex.c ---- */

/* Is a thread asleep on addr by FUTEX_WAIT or FUTEX_WAIT_BITSET? Takes the bucket's lock; the PI lock may be held. */
bool posix_futex_waits(uintptr_t addr);

/* ---- futex_pi.c ---- */

/* FUTEX_LOCK_PI until `deadline` (monotonic), or FUTEX_TRYLOCK_PI. Sleeps. */
long posix_futex_lock_pi(uintptr_t addr, uint64_t deadline, bool try);
long posix_futex_unlock_pi(uintptr_t addr);
/* Is a thread asleep on addr by FUTEX_LOCK_PI? */
bool posix_futex_pi_waits(uintptr_t addr);
/* The calling thread ends: what it owns with waiters goes to them, with FUTEX_OWNER_DIED. */
void posix_futex_pi_thread_ends(void);
/* The priority of `t`, which the caller has a reference to, was set: whom it waits for has to know. */
void posix_futex_pi_prio_changed(struct uk_thread *t);

/* ---- robust.c ---- */

/* The calling thread ends: its robust locks are marked and handed on. Once; a second call does nothing. */
void posix_robust_thread_ends(void);
