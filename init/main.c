// SPDX-License-Identifier: BSD-3-Clause
/*
 * Boot, as a list of steps, and the main thread's stack.
 *
 * tutti_main() is called by the boot assembly on the boot stack, one CPU, interrupts off. Each step needs those before it;
 * docs/architecture.md has the reasons. The other CPUs come up while the boot CPU goes on. The boot context ends as a
 * thread that exits; the program runs in thread 1.
 *
 * Memory: whatever cannot be had at boot ends the machine with one line on the control channel and status 2.
 */
#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/irqflags.h>
#include <arch/paging.h>
#include <arch/xstate.h>

#include "alloc/allocator.h"
#include "check/check.h"
#include "init/bootkeys.h"
#include "lib/elf.h"
#include "lib/string.h"
#include "libc/start.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "sched/sched.h"
#include "sched/watchdog.h"

#define STACK_SIZE     (8ul << 20)
#define ALLOCATORS_MAX 16

void tutti_main(void) __attribute__((noreturn));

static void read_keys(struct bootkeys *keys)
{
	const char *names[ALLOCATORS_MAX + 1] = { NULL };
	const struct tutti_allocator *a;
	char err[512];

	for (unsigned i = 0; i < ALLOCATORS_MAX && (a = allocator_at(i)); i++)
		names[i] = a->name;
	if (bootkeys_parse(plat_bootinfo()->cmdline, names, keys, err, sizeof(err)))
		plat_boot_error("%s", err);
}

static void choose_allocator(const char *name)
{
	const struct tutti_allocator *a = allocator_find(name ? name : CONFIG_DEFAULT_ALLOC);

	if (!a)
		a = allocator_at(0);
	if (!a)
		plat_boot_error("this image has no allocator");
	if (allocator_choose(a))
		plat_boot_error("too little memory for the allocator %s", a->name);
}

/* ---- the main thread ---- */

/* Number of terminated strings in a piece of the archive. */
static size_t count_strings(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += !s[i];
	return n;
}

struct stack_writer {
	uintptr_t strings; /* grows up */
	uint64_t *words;   /* grows up */
};

static void put_word(struct stack_writer *w, uint64_t v)
{
	*w->words++ = v;
}

static void put_aux(struct stack_writer *w, uint64_t type, uint64_t v)
{
	put_word(w, type);
	put_word(w, v);
}

static uintptr_t put_bytes(struct stack_writer *w, const void *data, size_t len)
{
	uintptr_t at = w->strings;

	memcpy((void *)at, data, len);
	w->strings += len;
	return at;
}

/* Pointers to each string of a piece that has been copied to `at`. */
static void put_pointers(struct stack_writer *w, uintptr_t at, size_t n)
{
	for (; n; n--) {
		put_word(w, at);
		at += str_len((const char *)at) + 1;
	}
	put_word(w, 0);
}

/* The strings of one entry, or of `fallback`; without the bytes after the last terminator. */
static void find_strings(const char *entry, const char *fallback, size_t fallback_len, const char **s, size_t *len)
{
	if (!posix_archive_find(entry, s, len)) {
		*s = fallback;
		*len = fallback_len;
	}
	while (*len && (*s)[*len - 1])
		--*len;
}

static uint32_t cpu_capabilities(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/*
 * What a program finds at its stack pointer (x86-64 psABI, "Initial Stack and Register State"), at the top of the stack:
 * argc, argv, environment, auxiliary vector, and above them what they point to.
 */
static long *build_block(uintptr_t stack_top)
{
	static const char nobody[] = "tutti";
	const struct elf_header *elf = (const struct elf_header *)__ehdr_start;
	const char *args, *env;
	size_t args_len, env_len, argc, envc, bytes;
	struct stack_writer w;
	uintptr_t arg_at, env_at, random_at;
	uint8_t random[16];
	long *block;

	find_strings(".tutti/args", nobody, sizeof(nobody), &args, &args_len);
	if (!args_len) {
		args = nobody;
		args_len = sizeof(nobody);
	}
	find_strings(".tutti/env", "", 0, &env, &env_len);
	argc = count_strings(args, args_len);
	envc = count_strings(env, env_len);
	bytes = ALIGN_UP(args_len + env_len + sizeof(random), 16ul);
	if (bytes + (argc + envc + 64) * 8 > STACK_SIZE / 4)
		plat_boot_error("arguments and environment are longer than %lu KiB", STACK_SIZE / 4 / 1024);
	posix_random_bytes(random, sizeof(random));

	w.strings = stack_top - bytes;
	random_at = put_bytes(&w, random, sizeof(random));
	arg_at = put_bytes(&w, args, args_len);
	env_at = put_bytes(&w, env, env_len);
	/* argc, two lists with their ends, 18 pairs of the vector */
	w.words = (uint64_t *)ALIGN_DOWN(stack_top - bytes - (1 + argc + 1 + envc + 1 + 2 * 18) * 8, 16ul);
	block = (long *)w.words;
	put_word(&w, argc);
	put_pointers(&w, arg_at, argc);
	put_pointers(&w, env_at, envc);
	put_aux(&w, AT_PAGESZ, PAGE_SIZE);
	put_aux(&w, AT_PHDR, (uintptr_t)__ehdr_start + elf->phoff);
	put_aux(&w, AT_PHENT, elf->phentsize);
	put_aux(&w, AT_PHNUM, elf->phnum);
	put_aux(&w, AT_BASE, 0);
	put_aux(&w, AT_FLAGS, 0);
	put_aux(&w, AT_ENTRY, (uintptr_t)libc_start);
	put_aux(&w, AT_UID, 0);
	put_aux(&w, AT_EUID, 0);
	put_aux(&w, AT_GID, 0);
	put_aux(&w, AT_EGID, 0);
	put_aux(&w, AT_HWCAP, cpu_capabilities());
	put_aux(&w, AT_CLKTCK, 100);
	put_aux(&w, AT_SECURE, 0);
	put_aux(&w, AT_RANDOM, random_at);
	put_aux(&w, AT_EXECFN, arg_at);
	put_aux(&w, AT_MINSIGSTKSZ, ABI_MINSIGSTKSZ + arch_xstate_size());
	put_aux(&w, AT_NULL, 0);
	return block;
}

static void start_main_thread(void)
{
	static struct libc_start start;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	long map = mm_mmap(0, PAGE_SIZE + STACK_SIZE, 0, flags);
	struct posix_thread *pt = posix_thread_new(NULL);
	struct thread_attr attr = {
		.name = "main", .fn = libc_start, .arg = &start, .tid = 1, .posix = pt, .release = posix_thread_free
	};
	struct uk_thread *t;

	if (map < 0 || !pt || mm_mprotect((uintptr_t)map + PAGE_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE))
		plat_boot_error("too little memory for the main thread");
	start.stack_top = (char *)map + PAGE_SIZE + STACK_SIZE;
	start.stack_size = STACK_SIZE;
	start.block = build_block((uintptr_t)start.stack_top);
	attr.app_sp = (uintptr_t)start.block;
	t = thread_create(&attr);
	if (!t)
		plat_boot_error("too little memory for the main thread");
	posix_thread_bind(pt, t, true);
	thread_start(t);
}

void tutti_main(void)
{
	struct bootkeys keys;

	plat_early_init();
	read_keys(&keys);
	if (keys.base_cpu)
		arch_cpu_base_only();
	mm_init();
	plat_init();
	check_start();
	sched_preemptive = keys.preempt;
	sched_init();
	watchdog_start(keys.watchdog_s);
	choose_allocator(keys.alloc);
	mm_seal();
	arch_irq_enable();
	plat_cpus_start();
	posix_random_init();
	posix_files_init();
	sched_rcu_start();
	start_main_thread();
	thread_exit();
}
