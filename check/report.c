// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the reports of all checkers have in common: printing a stack, which arch/x86_64/stack.c follows, and ending the run.
 *
 * No state, no locks, no memory. Any context.
 */
#include "check/internal.h"
#include "lib/fmt.h"
#include "lib/util.h"
#include "plat/plat.h"

__cold void stack_print(const uintptr_t *pc, unsigned n)
{
	for (unsigned i = 0; i < n && pc[i]; i++)
		plat_log('C', "    0x%lx", pc[i]);
}

__cold void check_end(void (*lines)(void *arg), void *arg, const char *fmt, ...)
{
	char what[320];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	plat_report(what, lines, arg);
}
