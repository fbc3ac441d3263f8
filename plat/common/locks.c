// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the lock validator and the lock statistics (sync/) hand up to be told to the runner: a report, which ends the run as every
 * checker's does; lines of a table, at the end of the machine. Only in builds with one of the two. Any context; no memory.
 */
#include "plat/common/locks.h"

#include <arch/insn.h>

#include "plat/common/common.h"
#include "plat/plat.h"
#include "sync/validator.h"

static void lines(void *arg)
{
	const struct lock_report *r = arg;

	for (unsigned i = 0; i < r->count; i++) {
		plat_log('C', "%s", r->part[i].line);
		for (unsigned k = 0; k < LOCK_STACK_LONG && r->part[i].stack[k]; k++)
			plat_log('C', "    0x%lx", r->part[i].stack[k]);
	}
}

void locks_report(struct lock_report *r)
{
	plat_report(r->what, lines, r);
}

void locks_note(const char *line)
{
	kwarn("%s", line);
}

void locks_stat(const char *line)
{
	static bool identified; /* only the CPU that ends the machine comes here */

	if (!identified) {
		identified = true;
		control_identify();
	}
	plat_control_line('S', "%s", line);
}

uint64_t locks_cycles_to_ns(uint64_t cycles)
{
	/* What the boot has taken so far by both clocks; good for hours, and to a part in a thousand. */
	uint64_t since = arch_rdtsc() - plat_bootinfo()->tsc_entry;
	uint64_t per_mega = since >> 20 ? plat_monotonic_ns() / (since >> 20) : 0;

	return (cycles >> 20) * per_mega + (((cycles & 0xfffff) * per_mega) >> 20);
}
