// SPDX-License-Identifier: BSD-3-Clause
/*
 * Following a stack by frame pointers. tutti's code and programs have them; the C library and an upstream allocator may not
 * (their options are the build's), so a frame pointer may be any number. It is read directly only where it lies on a page
 * that is known to be there: the one of this function's own frame, or that of the frame before. Other pages are
 * read through arch_safe_read(), which costs a system call or a walk of the page tables once per page. A chain goes
 * upwards only, except for the one step from a kernel stack to the thread's other stack, and ends at the first return
 * address that is not in the image's text.
 *
 * stack_walk_near() reads nothing in that way: it ends where it would have to, at the end of the kernel stack or of the page.
 *
 * No state, no locks, no memory. Any context.
 */
#include <arch/image.h>
#include <arch/paging.h>
#include <arch/stack.h>
#include <arch/trap.h>

#include "lib/util.h"
#include "sync/percpu.h"

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

uint32_t stack_offset(uintptr_t pc)
{
	return pc ? (uint32_t)(pc - (uintptr_t)__image_start) : 0;
}

uintptr_t stack_address(uint32_t offset)
{
	return offset ? (uintptr_t)__image_start + offset : 0;
}

void stack_walk_near(uint32_t *out, unsigned n, uintptr_t pc, uintptr_t fp)
{
	const uintptr_t page = ALIGN_DOWN((uintptr_t)__builtin_frame_address(0), (uintptr_t)PAGE_SIZE);
	uintptr_t low = percpu_read(kstack_base), high = percpu_read(kstack_top);
	unsigned i = 0;

	if (page < low || page >= high) {
		low = page;
		high = page + PAGE_SIZE;
	}
	if (n)
		out[i++] = stack_offset(pc);
	while (i < n && fp >= low && fp <= high - 2 * sizeof(fp) && IS_ALIGNED(fp, sizeof(fp))) {
		const uintptr_t *frame = (const uintptr_t *)fp;

		if (!in_text(frame[1]) || frame[0] <= fp)
			break;
		out[i++] = stack_offset(frame[1]);
		fp = frame[0];
	}
	while (i < n)
		out[i++] = 0;
}
