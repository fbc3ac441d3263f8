// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the reports of all checkers have in common: following a stack, printing it, ending the run.
 *
 * A stack is followed by frame pointers. tutti's code and programs have them; the C library and an upstream allocator may not
 * (their options are the build's), so a frame pointer may be any number. It is read directly only where it lies on a page
 * that is known to be there: the one of this function's own frame, or that of the frame before. Other pages are
 * read through arch_safe_read(), which costs a system call or a walk of the page tables once per page. A chain goes
 * upwards only, except for the one step from a kernel stack to the thread's other stack, and ends at the first return
 * address that is not in the image's text.
 *
 * No state, no locks, no memory. Any context.
 */
#include <arch/image.h>
#include <arch/paging.h>
#include <arch/trap.h>

#include "check/internal.h"
#include "lib/fmt.h"
#include "lib/util.h"
#include "plat/plat.h"

static inline bool in_text(uintptr_t pc)
{
	return pc >= (uintptr_t)__text_start && pc < (uintptr_t)__text_end;
}

void stack_walk(uintptr_t *out, unsigned n, uintptr_t pc, uintptr_t fp)
{
	uintptr_t page = (uintptr_t)__builtin_frame_address(0) / PAGE_SIZE;
	unsigned i = 0;

	if (n)
		out[i++] = pc;
	while (i < n && fp && IS_ALIGNED(fp, sizeof(uintptr_t))) {
		uint64_t next, ret;

		if (fp / PAGE_SIZE == page && (fp + 8) / PAGE_SIZE == page) {
			next = ((const uintptr_t *)fp)[0];
			ret = ((const uintptr_t *)fp)[1];
		} else {
			if (!arch_safe_read(fp, &next) || !arch_safe_read(fp + 8, &ret))
				break;
			page = fp / PAGE_SIZE;
		}
		if (!in_text(ret) || next == fp)
			break;
		out[i++] = ret;
		fp = next;
	}
	if (i < n)
		out[i] = 0;
}

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
