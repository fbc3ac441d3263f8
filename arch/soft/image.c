// SPDX-License-Identifier: BSD-3-Clause
/*
 * The image as the host loaded it: an ordinary program, mapped by section. What vm does in page tables is asked of
 * the host here. Text that is patched has pages of its own (tutti.lds), writable or executable but never both;
 * nothing else is executed from them meanwhile. Early boot, one CPU; no locks, no memory.
 */
#include <arch/hostcall.h>
#include <arch/image.h>

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"

extern char __text_patch_start[], __text_patch_end[];

static int protect(uintptr_t start, uintptr_t end, int prot)
{
	return start < end ? (int)hostcall(HOST_mprotect, (long)start, (long)(end - start), prot, 0, 0, 0) : 0;
}

struct arch_range arch_image_early_tables(void)
{
	return (struct arch_range){ 0, 0 };
}

int arch_image_protect(uintptr_t start, uintptr_t end, bool readable)
{
	return protect(start, end, readable ? HOST_PROT_READ : HOST_PROT_NONE);
}

int arch_text_write(void *text, const void *bytes, size_t len)
{
	const uintptr_t start = ALIGN_DOWN((uintptr_t)text, PAGE_SIZE);
	const uintptr_t end = ALIGN_UP((uintptr_t)text + len, PAGE_SIZE);
	int err;

	if (start < (uintptr_t)__text_patch_start || end > (uintptr_t)__text_patch_end)
		return -EFAULT;
	err = protect(start, end, HOST_PROT_READ | HOST_PROT_WRITE);
	if (err)
		return err;
	memcpy(text, bytes, len);
	return protect(start, end, HOST_PROT_READ | HOST_PROT_EXEC);
}

uintptr_t arch_mmap_top(void)
{
	return ARCH_SOFT_RESERVED_END;
}
