/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine that the host tests of mm/ run on: a host mapping plays physical memory with two holes and scraps, the
 * boot information describes it, a crash is either fatal or caught by the test that expects it.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create() */
#endif
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mm/frames.h"
/* the real one: the test defines what is declared there */
#include "../../plat/plat.h"

static struct plat_bootinfo machine_info;
static unsigned machine_cpus = 1;
static jmp_buf *crash_expected;

#define REQUIRE(x)                                                              \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                \
		}                                                               \
	} while (0)

const struct plat_bootinfo *plat_bootinfo(void)
{
	return &machine_info;
}

unsigned plat_cpu_count(void)
{
	return machine_cpus;
}

void plat_crash(struct trap_frame *f, const char *fmt, ...)
{
	va_list ap;

	(void)f;
	if (crash_expected)
		longjmp(*crash_expected, 1);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	abort();
}

void plat_boot_error(const char *fmt, ...)
{
	fprintf(stderr, "boot error: %s\n", fmt);
	abort();
}

#define CRASHES(expr)                          \
	({                                     \
		jmp_buf env_;                  \
		volatile bool crashed_ = true; \
		crash_expected = &env_;        \
		if (!setjmp(env_)) {           \
			expr;                  \
			crashed_ = false;      \
		}                              \
		crash_expected = NULL;         \
		crashed_;                      \
	})

#ifdef MACHINE_SOFT
/* A memory file and the MMU of the host platform. */
static void machine_memory(uint64_t size)
{
	int fd = memfd_create("memory", 0), err;

	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	err = arch_mmu_init(fd, size);
	if (err)
		fprintf(stderr, "arch_mmu_init: %s\n", strerror(-err));
	REQUIRE(!err);
}
#else
static void machine_memory(uint64_t size)
{
	fake_phys_base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(fake_phys_base != MAP_FAILED);
}
#endif

/* Physical memory of `size` bytes: some below 1 MiB, the rest above 2 MiB with a hole in the middle. */
static void machine_make(uint64_t size)
{
	const uint64_t mib = 1 << 20;
	struct plat_mem *m = machine_info.mem;

	machine_memory(size);
	m[0] = (struct plat_mem){ 0, 0x9f000 };
	m[1] = (struct plat_mem){ 2 * mib + 0x5000, size / 2 - 3 * mib };
	m[2] = (struct plat_mem){ size / 2 + mib, size / 2 - mib - 0x3000 };
	machine_info.mem_count = 3;
	machine_info.phys_top = m[2].base + m[2].len;
	machine_info.cmdline = "";
	frame_init();
}

static inline uint64_t random_next(uint64_t *state)
{
	/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}
