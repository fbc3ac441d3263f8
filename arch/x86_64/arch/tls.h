/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Thread-local storage block, variant II (Drepper, "ELF Handling For Thread-Local Storage", 3.4.6): the image's TLS data
 * ends at the thread pointer, which is where the thread control block begins. The linker places it at
 * tp - round_up(memsz, align): size AND alignment of PT_TLS decide.
 *
 *	block                 image_offset        tp_offset
 *	|--- (padding) ---|--- init, zero ---|pad|--- tcb ---|
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arch_tls_layout {
	size_t size;	     /* bytes to allocate for the whole block */
	size_t align;	     /* alignment of the block, a power of two */
	size_t image_offset; /* from the block's start to the TLS image */
	size_t tp_offset;    /* from the block's start to the thread pointer */
};

/* p_memsz and p_align of PT_TLS (0 and 0 or 1 if there is none), size and alignment of the thread control block. */
void arch_tls_layout(size_t memsz, size_t align, size_t tcb_size, size_t tcb_align, struct arch_tls_layout *out);
/* Fill a block: image, zeroes, and the pointer to itself that the ABI wants at the thread pointer. Returns the thread pointer. */
uintptr_t arch_tls_init(void *block, const struct arch_tls_layout *l, const void *init, size_t filesz, size_t memsz);
