/* SPDX-License-Identifier: BSD-3-Clause */
/* Waking from interrupts. In tutti uk_waitq_wake_up() may be called there as well. Name as in Unikraft 0.17 (uk/isr/wait.h). */
#pragma once

#include "uk/wait.h"

/**
 * uk_waitq_wake_up() for interrupt handlers.
 * Context: any, interrupts too; does not sleep
 * Locks: takes the queue's spin lock (irq-safe), then run queues'
 * Ownership: caller keeps `wq`
 * Errors: none
 * Source: Unikraft 0.17 uk/isr/wait.h
 */
void uk_waitq_wake_up_isr(struct uk_waitq *wq);
