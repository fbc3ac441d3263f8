/* SPDX-License-Identifier: BSD-3-Clause */
/* The 64-bit object format as far as tutti reads it: its own image, and what the host maps into a process (gABI, "ELF-64"). */
#pragma once

#include <stdint.h>

#define ELF_PT_LOAD    1
#define ELF_SHT_DYNSYM 11

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t align, entsize;
};

struct elf_symbol {
	uint32_t name;
	uint8_t info, other;
	uint16_t shndx;
	uint64_t value, size;
};
