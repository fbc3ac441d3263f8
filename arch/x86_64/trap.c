// SPDX-License-Identifier: BSD-3-Clause
/*
 * What is the same about traps wherever they come from: whose code was interrupted, fix-ups, names. No state, no locks; the
 * contexts of the trap path (arch/trap.h).
 */
#include <arch/trap.h>

#include "lib/util.h"
#include "sync/percpu.h"

/* Entry of the table that uaccess.S makes, offsets relative to the fields themselves. */
struct extable_entry {
	int32_t from, to;
};
extern const struct extable_entry __extable_start[], __extable_end[];

bool arch_trap_from_app(const struct trap_frame *f)
{
	return f->rsp <= percpu_read(kstack_base) || f->rsp > percpu_read(kstack_top);
}

bool arch_trap_fixup(struct trap_frame *f)
{
	for (const struct extable_entry *e = __extable_start; e < __extable_end; e++) {
		if ((uintptr_t)&e->from + (uintptr_t)(intptr_t)e->from == f->rip) {
			f->rip = (uintptr_t)&e->to + (uintptr_t)(intptr_t)e->to;
			return true;
		}
	}
	return false;
}

__cold const char *arch_trap_name(unsigned vector)
{
	static const char names[][28] = {
		"divide error",
		"debug exception",
		"NMI",
		"breakpoint",
		"overflow",
		"bound range exceeded",
		"invalid instruction",
		"device not available",
		"double fault",
		"coprocessor overrun",
		"invalid TSS",
		"segment not present",
		"stack segment fault",
		"general protection fault",
		"page fault",
		"reserved exception",
		"x87 floating point error",
		"misaligned access",
		"machine check",
		"SIMD floating point error",
	};

	return vector < ARRAY_SIZE(names) ? names[vector] : "unknown exception";
}
