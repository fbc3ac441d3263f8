// SPDX-License-Identifier: BSD-3-Clause
/*
 * Bring-up of the host platform, in the two phases of plat/plat.h: physical memory, the initial archive, signals.
 *
 * Physical memory is one anonymous file of `tutti.memory` bytes, seen whole at ARCH_DIRECT_MAP. Address 0 is left out, so that 0
 * stays "none"; the archive follows; the rest is what mm/ manages. The image is not in it: the host has loaded that.
 *
 * plat_early_init() makes errors visible first: control channel, then keys, then signals, then memory. Boot CPU.
 */
#include <arch/cpu.h>
#include <arch/hostcall.h>
#include <arch/image.h>
#include <arch/soft.h>
#include <arch/xstate.h>

#include "check/shadow.h"
#include "lib/elf.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"
#include "plat/plat.h"
#include "sync/percpu.h"

#define AT_HWCAP2	26
#define AT_SYSINFO_EHDR 33
#define HWCAP2_FSGSBASE (1ul << 1)
#define MFD_CLOEXEC	1
#define MFD_NOEXEC_SEAL 8
#define F_DUPFD_CLOEXEC 1030
#define LEAST_MEMORY	(256ul << 10) /* below that not even a message about what is missing makes sense */
#define ARCHIVE_AT	PAGE_SIZE

extern uint64_t boot_tsc;

static struct {
	struct plat_bootinfo info;
	uintptr_t vdso;
	uint64_t hwcap2;
} boot;

size_t host_vdso_size(uintptr_t vdso)
{
	const struct elf_header *e = (const struct elf_header *)vdso;
	size_t end = 0;

	for (unsigned i = 0; vdso && i < e->phnum; i++) {
		const struct elf_segment *s =
			(const struct elf_segment *)(vdso + e->phoff + (uint64_t)i * e->phentsize);

		if (s->type == ELF_PT_LOAD)
			end = MAX(end, s->vaddr + s->memsz);
	}
	return end;
}

static void read_auxiliary_vector(char **env)
{
	const uint64_t *a;

	while (*env)
		env++;
	for (a = (const uint64_t *)(env + 1); a[0]; a += 2) {
		if (a[0] == AT_HWCAP2)
			boot.hwcap2 = a[1];
		else if (a[0] == AT_SYSINFO_EHDR)
			boot.vdso = a[1];
	}
}

/* Not one of the first three descriptors, which may be closed: what the program prints must not land in its memory. */
static int memory_file(uint64_t len)
{
	long fd = hostcall(HOST_memfd_create, (long)"tutti-memory", MFD_CLOEXEC | MFD_NOEXEC_SEAL, 0, 0, 0, 0), high;
	long err;

	if (fd == -EINVAL)
		fd = hostcall(HOST_memfd_create, (long)"tutti-memory", MFD_CLOEXEC, 0, 0, 0, 0);
	if (fd >= 0 && fd < 3) {
		high = hostcall(HOST_fcntl, fd, F_DUPFD_CLOEXEC, 3, 0, 0, 0);
		hostcall(HOST_close, fd, 0, 0, 0, 0, 0);
		fd = high;
	}
	err = fd < 0 ? fd : hostcall(HOST_ftruncate, fd, (long)len, 0, 0, 0, 0);
	if (err)
		plat_boot_error("the host gives no memory file of %lu KiB%s (error %ld)", len >> 10,
				err == -EFBIG ? ": there is a limit on files, ulimit -f" : "", -err);
	return (int)fd;
}

static void memory_init(char **argv, char **env)
{
	const uint64_t len = host_keys.memory;
	size_t archive;
	int err;

	if (len < LEAST_MEMORY)
		plat_boot_error("%lu KiB of memory are too little", len >> 10);
	err = arch_mmu_init(memory_file(len), len);
	if (err == -EEXIST)
		plat_boot_error("the host has put something of its own where tutti's memory belongs (setarch -L?)");
	if (err)
		plat_boot_error(
			"the host gives no address space for %lu KiB of memory (error %d; is there a limit, ulimit -v?)",
			len >> 10, -err);
	archive = len > 4 * ARCHIVE_AT ? host_archive_build(arch_phys_to_virt(ARCHIVE_AT), len / 2 - ARCHIVE_AT, argv,
							    env, host_keys.files)
				       : 0;
	if (!archive)
		plat_boot_error("%lu KiB of memory are too little for the arguments and files of the program",
				len >> 10);
	boot.info.initrd = ARCHIVE_AT;
	boot.info.initrd_len = archive;
	boot.info.mem[0].base = ALIGN_UP(ARCHIVE_AT + archive, PAGE_SIZE);
	boot.info.mem[0].len = len - boot.info.mem[0].base;
	boot.info.mem_count = 1;
	boot.info.phys_top = len;
}

void *plat_reserve_fixed(uintptr_t addr, size_t len)
{
	long r = hostcall(HOST_mmap, (long)addr, (long)len, HOST_PROT_READ | HOST_PROT_WRITE,
			  HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE | HOST_MAP_FIXED, -1, 0);

	return r == (long)addr ? (void *)addr : NULL;
}

/* From start.S, before any code that may be instrumented. */
void host_early(void)
{
	if (config_check_memory && !plat_reserve_fixed(CHECK_SHADOW_START, CHECK_SHADOW_SIZE))
		plat_boot_error("the host gives no address space for the shadow memory (is there a limit, ulimit -v?)");
}

__cold void plat_early_init(void)
{
	char **argv = (char **)(host_initial_stack + 1), **env = argv + host_initial_stack[0] + 1;

	host_keys_read(env);
	read_auxiliary_vector(env);
	arch_fsgsbase = boot.hwcap2 & HWCAP2_FSGSBASE;
	arch_cpu_init();
	boot.info.tsc_entry = boot_tsc;
	boot.info.cmdline = host_keys.cmdline;
	if (host_keys.problem)
		plat_boot_error("%s", host_keys.problem);
	soft_signals_init(boot.vdso, host_vdso_size(boot.vdso));
	/* before anything else is mapped: the host puts that where it likes */
	memory_init(argv, env);
	if (soft_cpu_init(0))
		plat_boot_error("the host has no memory for a signal stack");
	host_clock_init(boot.vdso);
	control_set_verbose(str_has_word(host_keys.cmdline, "tutti.verbose=1"));
	control_ready();
}

__cold void plat_init(void)
{
	host_cpus_init(host_keys.cpus);
	if (!soft_catches_syscalls())
		kwarn("this host cannot catch `syscall` instructions (Linux 5.11 can): a program that uses them talks to the host");
	klog("%u CPUs, %s", plat_cpu_count(), arch_fsgsbase ? "FSGSBASE" : "no FSGSBASE");
}

const struct plat_bootinfo *plat_bootinfo(void)
{
	return &boot.info;
}
