/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For init/upcalls.c: what the hooks of locks call in plat/, in a build that has them; otherwise nothing. Contexts: any, but the
 * lines of statistics come from the CPU that ends the machine.
 */
#pragma once

#include <stdint.h>

#ifdef __TUTTI_LOCK_HOOKS__

struct lock_report;
void locks_report(struct lock_report *r) __attribute__((noreturn));
void locks_note(const char *line);
void locks_stat(const char *line);
uint64_t locks_cycles_to_ns(uint64_t cycles);

#define LOCK_UPCALLS                                                                   \
	.lock_report = locks_report, .lock_note = locks_note, .lock_stat = locks_stat, \
	.cycles_to_ns = locks_cycles_to_ns,

#else
#define LOCK_UPCALLS
#endif
