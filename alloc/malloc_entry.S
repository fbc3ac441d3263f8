/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * malloc and its relatives: one direct jump each, aimed at boot by allocator_choose() (registry.c), which knows their order and
 * size. Until then they lead to malloc_entry_unset(), which ends the machine with a report.
 *
 * The __libc_ names are what musl's own code calls (atexit, dlerror, locale, aio). The visible names are global and not weak: a
 * program that brings its own malloc gets a linker error and not a mixture.
 */
	.section .text.malloc_entry, "ax", @progbits
	.hidden malloc_entry_stubs, malloc_entry_stubs_end, malloc_entry_unset
	.globl malloc_entry_stubs, malloc_entry_stubs_end

	/* rel32 always: the assembler must not choose the short form */
	.macro stub name:req, alias
	.balign 16
	.ifnb \alias
	.globl \alias
	.hidden \alias
	.type \alias, @function
\alias:
	.endif
	.globl \name
	.type \name, @function
\name:
	.byte 0xe9
	.reloc ., R_X86_64_PC32, malloc_entry_unset - 4
	.long 0
	.size \name, . - \name
	.ifnb \alias
	.size \alias, . - \alias
	.endif
	.endm

	.balign 64
malloc_entry_stubs:
	stub malloc, __libc_malloc
	stub calloc, __libc_calloc
	stub realloc, __libc_realloc
	stub free, __libc_free
	stub posix_memalign
	stub aligned_alloc
	stub memalign
	stub malloc_usable_size
	.balign 16
malloc_entry_stubs_end:

	.section .note.GNU-stack, "", @progbits
