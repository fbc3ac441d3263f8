// SPDX-License-Identifier: BSD-3-Clause
/*
 * Layout of a thread's TLS block on x86-64. Pure arithmetic on what PT_TLS says; tests/host/tls_layout.c checks every size
 * from 1 to 4096 with every alignment from 1 to 4096 against the linker's rule.
 *
 * The linker resolves `sym@tpoff` as sym - round_up(memsz, align), so the image begins at tp - round_up(memsz, align) and
 * the thread pointer itself has the image's alignment. A block is therefore allocated with the larger of both alignments
 * and its thread pointer put at a multiple of it. No state, no locks, no allocation; any context.
 */
#include <arch/tls.h>

#include "lib/string.h"
#include "lib/util.h"

void arch_tls_layout(size_t memsz, size_t align, size_t tcb_size, size_t tcb_align, struct arch_tls_layout *out)
{
	size_t image;

	if (!align)
		align = 1;
	image = ALIGN_UP(memsz, align);
	out->align = MAX(align, tcb_align);
	out->tp_offset = ALIGN_UP(image, out->align);
	out->image_offset = out->tp_offset - image;
	out->size = out->tp_offset + tcb_size;
}

uintptr_t arch_tls_init(void *block, const struct arch_tls_layout *l, const void *init, size_t filesz, size_t memsz)
{
	char *image = (char *)block + l->image_offset;
	uintptr_t tp = (uintptr_t)block + l->tp_offset;

	if (filesz)
		memcpy(image, init, filesz);
	memset(image + filesz, 0, memsz - filesz);
	*(uintptr_t *)tp = tp;
	return tp;
}
