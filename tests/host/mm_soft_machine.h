/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real memory for the tests of mm/ on arch/soft: the program's own accesses, its own SIGSEGV, the host's own page
 * tables. Include first: it asks for features of the C library.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "mm_machine.h"

#include <arch/hostcall.h>

#include "mm/internal.h"
#include "mm/mm.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define ANON	     0x22
#define FIXED	     0x10
#define NORESERVE    0x4000
#define POPULATE     0x8000
#define NOREPLACE    0x100000
#define SIGNAL_STACK 65536

struct percpu percpu_areas[CONFIG_MAX_CPUS];

static __thread sigjmp_buf *refused; /* where a fault goes that mm/ does not resolve */

long hostcall(long nr, long a, long b, long c, long d, long e, long f)
{
	const int before = errno;
	long r = syscall(nr, a, b, c, d, e, f);

	r = r == -1 ? -errno : r;
	errno = before;
	return r;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const uintptr_t addr = (uintptr_t)info->si_addr;

	(void)sig;
	if (mm_page_fault(addr, (uint64_t)uc->uc_mcontext.gregs[REG_ERR], NULL))
		return;
	if (refused)
		siglongjmp(*refused, 1);
	fprintf(stderr, "fault at %#lx is not resolved\n", (unsigned long)addr);
	abort();
}

/* Each thread. */
static inline void machine_catch_faults(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = malloc(SIGNAL_STACK), .ss_size = SIGNAL_STACK };

	REQUIRE(stack.ss_sp && sigaltstack(&stack, NULL) == 0 && sigaction(SIGSEGV, &act, NULL) == 0);
}

/* One access; false if mm/ refused it. */
static inline bool access_word(uintptr_t va, bool write, uint64_t *word)
{
	volatile uint64_t *p = (volatile uint64_t *)va;
	sigjmp_buf env;
	bool done = false;

	if (!sigsetjmp(env, 1)) {
		refused = &env;
		if (write)
			*p = *word;
		else
			*word = *p;
		done = true;
	}
	refused = NULL;
	return done;
}

/* What mm_init() does where no tables are walked, apart from the image. */
static inline void machine_boot(uint64_t size)
{
	machine_make(size);
	mm_pt_root = arch_phys_to_virt(frame_alloc(0, FRAME_ZERO));
	arch_pt_set_root(arch_virt_to_phys(mm_pt_root));
	REQUIRE(arch_pt_root() == arch_virt_to_phys(mm_pt_root));
	REQUIRE(vma_add_fixed(ARCH_DIRECT_MAP, ARCH_KVA_END, 0) == 0);
	mm_as.mmap_top = ARCH_SOFT_RESERVED_END - arch_pt_span(2);
	shootdown_init();
	machine_catch_faults();
}

/* Number of the host's mappings that touch the range. */
static inline unsigned host_mappings(uintptr_t start, uintptr_t end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long a, b;
	unsigned n = 0;
	char line[512];

	REQUIRE(f);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, "%lx-%lx", &a, &b) == 2 && a < end && b > start;
	fclose(f);
	return n;
}

/* Those of them that give any access: what was unmapped may stay there without. */
static inline unsigned host_open(uintptr_t start, uintptr_t end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long a, b;
	unsigned n = 0;
	char line[512], how[8];

	REQUIRE(f);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, "%lx-%lx %7s", &a, &b, how) == 3 && a < end && b > start && strncmp(how, "---", 3);
	fclose(f);
	return n;
}
