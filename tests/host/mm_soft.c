// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c,mm/slab.c,mm/pagetable.c,mm/shootdown.c,mm/vma.c,mm/fault.c,mm/kva.c,arch/soft/mmu.c,sync/rwspin.c,lib/rbtree.c cflags=-Itests/host/fake_soft,-Itests/host/fake_mm,-Itests/host/fake,-Iarch/soft sanitize=undefined
/*
 * mm/ on the MMU of the host platform (arch/soft, native model), with real accesses to real mappings.
 *
 * Promises: what is mapped can be used as its protection says and no more, with its own contents or zeroes, by
 * several threads at once; what is unmapped or dropped faults at once; hints outside the reserved range are honoured
 * unless the host has something there, which is never touched; the host's limit on mappings is no limit; one touch
 * makes a block resident and all counters say so; in the end every frame is back. A host that refuses addresses gives
 * one error and leaves nothing behind.
 */
#include "mm_soft_machine.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/errno.h"
#include "sync/upcall.h"

#include <arch/trap.h>

#define SIZE	(96ul << 20)
#define THREADS 4u
#define PAGES	700u /* per thread */
#define STEPS	6000u
#define OUTSIDE 0x612345670000ul

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	(void)cpu, (void)kind;
}

void plat_wait_for_interrupt(void)
{
	sched_yield();
	arch_irq_enable();
}

static void __attribute__((noreturn)) violation(const char *what, unsigned cpu, uintptr_t addr, paddr_t pa)
{
	fprintf(stderr, "%s: CPU %u address %#lx frame %#lx\n", what, cpu, (unsigned long)addr, (unsigned long)pa);
	abort();
}

const struct tutti_upcalls tutti_upcalls = { .mmu_violation = violation };

static bool can_read(uintptr_t va)
{
	uint64_t w;

	return access_word(va, false, &w);
}

static bool can_write(uintptr_t va)
{
	uint64_t w = 1;

	return access_word(va, true, &w);
}

static uint64_t heap_pages(void)
{
	struct mm_stats s;

	s.heap_resident = __atomic_load_n(&mm_as.heap_resident, __ATOMIC_RELAXED);
	return s.heap_resident;
}

static uint64_t committed(void)
{
	struct frame_stats fs;

	frame_stats(&fs);
	return fs.committed;
}

/* ---- a host that refuses ---- */

static int child_status(void (*fn)(void))
{
	int status;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (!child) {
		fn();
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	return status;
}

static void init_with_little_address_space(void)
{
	const struct rlimit limit = { 1ul << 40, 1ul << 40 };
	const unsigned before = host_mappings(0, ~0ul);

	REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
	REQUIRE(arch_mmu_init(memfd_create("memory", 0), SIZE) == -ENOMEM);
	REQUIRE(host_mappings(0, ~0ul) == before);
}

static void init_where_something_is(void)
{
	const unsigned before = host_mappings(0, ~0ul);
	void *p = (void *)(ARCH_SOFT_RESERVED + 0x1000000);

	REQUIRE(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
	REQUIRE(arch_mmu_init(memfd_create("memory", 0), SIZE) == -EEXIST);
	REQUIRE(host_mappings(0, ~0ul) == before + 1);
	REQUIRE(arch_mmu_init(0, 0) == -EINVAL && arch_mmu_init(0, 1ul << 60) == -EINVAL);
}

/* ---- one thing at a time ---- */

static void check_protection(void)
{
	const uintptr_t a = (uintptr_t)mm_mmap(0, 64 * PAGE_SIZE, 3, ANON | MM_MAP_HEAP);
	const uintptr_t page = a + 20 * PAGE_SIZE;
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */

	REQUIRE(a >= ARCH_SOFT_RESERVED && a < ARCH_SOFT_RESERVED_END);
	REQUIRE(can_write(page) && can_read(page));
	memcpy((void *)page, code, sizeof(code));
	REQUIRE(mm_mprotect(page, PAGE_SIZE, 1) == 0 && can_read(page) && !can_write(page));
	REQUIRE(mm_mprotect(page, PAGE_SIZE, 5) == 0 && ((int (*)(void))page)() == 42 && !can_write(page));
	REQUIRE(mm_mprotect(page, PAGE_SIZE, 0) == 0 && !can_read(page));
	/* widened again: the page comes back with its contents by the next fault */
	REQUIRE(mm_mprotect(page, PAGE_SIZE, 3) == 0 && *(unsigned char *)page == 0xb8 && can_write(page));
	REQUIRE(mm_madvise(page, PAGE_SIZE, 4) == 0 && *(uint64_t *)page == 0);
	*(uint64_t *)page = 7;
	/* the host forgot it: nothing is lost */
	arch_mmu_changed(a, a + 64 * PAGE_SIZE);
	REQUIRE(*(uint64_t *)page == 7);
	REQUIRE(mm_munmap(page, PAGE_SIZE) == 0 && !can_read(page) && can_read(page - PAGE_SIZE));
	REQUIRE(mm_munmap(a, 64 * PAGE_SIZE) == 0 && !can_read(a));
	REQUIRE(heap_pages() == 0 && committed() == 0);
}

/* One touch takes the block around it, no more than the VMA has, and counts it. */
static void check_around(void)
{
	/* not aligned to a block at either end */
	const uintptr_t end = mm_as.mmap_top, a = end - 40 * PAGE_SIZE;
	uint64_t faults;

	REQUIRE(mm_mmap(a, 35 * PAGE_SIZE, 3, ANON | FIXED | MM_MAP_HEAP) == (long)a && committed() == 35);
	faults = mm_as.faults;
	REQUIRE(can_write(a + 9 * PAGE_SIZE) && heap_pages() == 16 && committed() == 19);
	for (unsigned i = 8; i < 24; i++)
		REQUIRE(*(uint64_t *)(a + i * PAGE_SIZE) == (i == 9));
	REQUIRE(mm_as.faults == faults + 1 && heap_pages() == 16);
	/* [reservation] block [reservation] */
	REQUIRE(host_mappings(a - PAGE_SIZE, a + 35 * PAGE_SIZE) == 3);
	/* eight pages stand before the block, eleven after it */
	REQUIRE(can_write(a) && heap_pages() == 24 && can_write(a + 34 * PAGE_SIZE) && heap_pages() == 25);
	REQUIRE(can_read(a + 31 * PAGE_SIZE) && heap_pages() == 33 && committed() == 2);
	REQUIRE(can_read(a + 33 * PAGE_SIZE) && heap_pages() == 35 && committed() == 0);
	REQUIRE(mm_as.heap_peak >= 35);
	/* what is resident keeps the rest of its block from being one */
	REQUIRE(mm_madvise(a + 10 * PAGE_SIZE, 3 * PAGE_SIZE, 4) == 0 && heap_pages() == 32 && committed() == 3);
	REQUIRE(can_read(a + 11 * PAGE_SIZE) && heap_pages() == 34 && committed() == 1);
	REQUIRE(mm_munmap(a, 35 * PAGE_SIZE) == 0 && heap_pages() == 0 && committed() == 0);
	/* in ascending order: few mappings */
	REQUIRE(mm_mmap(a - 1024 * PAGE_SIZE, 1024 * PAGE_SIZE, 3, ANON | POPULATE) > 0 && mm_as.app_resident == 1024);
	REQUIRE(host_mappings(a - 1024 * PAGE_SIZE, a) < 16);
	REQUIRE(mm_munmap(a - 1024 * PAGE_SIZE, 1024 * PAGE_SIZE) == 0 && mm_as.app_resident == 0);
	REQUIRE(host_open(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END) == 0);
}

static void check_hints(void)
{
	static char own[3 * PAGE_SIZE] __attribute__((aligned(4096))) = "mine";
	const uintptr_t mine = (uintptr_t)own;
	const unsigned before = host_mappings(0, ~0ul);
	long a;

	/* free places outside are honoured, used, and given back */
	a = mm_mmap(OUTSIDE, 8 * PAGE_SIZE, 3, ANON);
	REQUIRE(a == OUTSIDE && can_write(OUTSIDE) && can_write(OUTSIDE + 7 * PAGE_SIZE));
	/* fixed, over a part of it and holes on one side */
	a = mm_mmap(OUTSIDE + 4 * PAGE_SIZE, 8 * PAGE_SIZE, 1, ANON | FIXED);
	REQUIRE(a == OUTSIDE + 4 * PAGE_SIZE && can_read(OUTSIDE + 11 * PAGE_SIZE) &&
		!can_write(OUTSIDE + 4 * PAGE_SIZE));
	REQUIRE(*(uint64_t *)OUTSIDE == 1 && *(uint64_t *)(OUTSIDE + 7 * PAGE_SIZE) == 0);
	REQUIRE(mm_mmap(OUTSIDE, PAGE_SIZE, 3, ANON | NOREPLACE) == -EEXIST);
	REQUIRE(mm_munmap(OUTSIDE - PAGE_SIZE, 20 * PAGE_SIZE) == 0 && !can_read(OUTSIDE));
	REQUIRE(mm_mmap(0x10000, PAGE_SIZE, 3, ANON | FIXED) == 0x10000 && can_write(0x10000));
	REQUIRE(mm_munmap(0x10000, PAGE_SIZE) == 0);
	REQUIRE(host_mappings(0, ~0ul) == before);
	/* what the host has there stays; a hint goes elsewhere */
	a = mm_mmap(mine + PAGE_SIZE, PAGE_SIZE, 3, ANON);
	REQUIRE(a > 0 && (uintptr_t)a < ARCH_SOFT_RESERVED_END && mm_munmap((uintptr_t)a, PAGE_SIZE) == 0);
	REQUIRE(mm_mmap(mine, 3 * PAGE_SIZE, 3, ANON | NOREPLACE) == -EEXIST);
	REQUIRE(mm_mmap(mine, 3 * PAGE_SIZE, 3, ANON | FIXED) == -ENOMEM);
	/* a hole before a mapping of ours, then the host's: what was reserved on the way is given back */
	REQUIRE(mmap((void *)(OUTSIDE + 4 * PAGE_SIZE), PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0) != MAP_FAILED);
	REQUIRE(mm_mmap(OUTSIDE + PAGE_SIZE, PAGE_SIZE, 3, ANON) == OUTSIDE + PAGE_SIZE);
	REQUIRE(mm_mmap(OUTSIDE, 8 * PAGE_SIZE, 3, ANON | FIXED) == -ENOMEM);
	REQUIRE(host_mappings(OUTSIDE, OUTSIDE + 8 * PAGE_SIZE) == 2 && can_write(OUTSIDE + PAGE_SIZE));
	REQUIRE(mm_munmap(OUTSIDE, 3 * PAGE_SIZE) == 0 && munmap((void *)(OUTSIDE + 4 * PAGE_SIZE), PAGE_SIZE) == 0);
	/* nor the kernel's own addresses */
	REQUIRE(mm_mmap(ARCH_DIRECT_MAP, PAGE_SIZE, 3, ANON | FIXED) == -EINVAL);
	REQUIRE(mm_mmap(ARCH_DIRECT_MAP + (1ul << 41), PAGE_SIZE, 3, ANON | NOREPLACE) == -EEXIST);
	REQUIRE(mm_munmap(ARCH_KVA_BASE, PAGE_SIZE) == -EINVAL && mm_mprotect(ARCH_KVA_BASE, PAGE_SIZE, 3) == -EINVAL);
	/* more than there are addresses, and what no longer fits below */
	a = mm_mmap(0, 50ul << 40, 0, ANON | NORESERVE);
	REQUIRE(a > 0 && mm_mmap(0, 50ul << 40, 0, ANON | NORESERVE) == -ENOMEM &&
		mm_munmap((uintptr_t)a, 50ul << 40) == 0);
	REQUIRE(strcmp(own, "mine") == 0 && host_mappings(0, ~0ul) == before);
}

static void check_kernel_stacks(void)
{
	const uintptr_t a = mm_kstack_alloc(), b = mm_kstack_alloc();

	REQUIRE(a && b && a - ARCH_KVA_BASE < ARCH_KVA_END - ARCH_KVA_BASE);
	memset((void *)a, 1, MM_KSTACK_SIZE);
	memset((void *)b, 2, MM_KSTACK_SIZE);
	REQUIRE(*(char *)a == 1 && !can_read(a - 8) && !can_read(b - 8));
	REQUIRE(!can_write(MAX(a, b) + MM_KSTACK_SIZE));
	mm_kstack_free(a);
	REQUIRE(mm_kstack_alloc() == a);
	mm_kstack_free(a);
	mm_kstack_free(b);
}

/* The host has no mapping left: everything goes on. */
static void check_limit(void)
{
	const unsigned pages = 6000, spare = 3000;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	const uintptr_t a = (uintptr_t)mm_mmap(0, pages * PAGE_SIZE, 3, ANON);
	char *filler = mmap(NULL, 1ul << 30, PROT_NONE, flags, -1, 0);
	unsigned long used = 0;

	REQUIRE(filler != MAP_FAILED);
	while (used < (1ul << 30) / PAGE_SIZE && mprotect(filler + used * PAGE_SIZE, PAGE_SIZE, PROT_READ) == 0)
		used += 2;
	if (used == (1ul << 30) / PAGE_SIZE) {
		fprintf(stderr, "this host has no limit on mappings that could be reached\n");
		REQUIRE(munmap(filler, 1ul << 30) == 0 && mm_munmap(a, pages * PAGE_SIZE) == 0);
		return;
	}
	REQUIRE(mprotect(filler, spare * PAGE_SIZE, PROT_NONE) == 0);
	for (unsigned i = 0; i < pages; i += 2)
		REQUIRE(mm_mprotect(a + i * PAGE_SIZE, PAGE_SIZE, 1) == 0 && can_read(a + i * PAGE_SIZE));
	for (unsigned i = 1; i < pages; i += 2)
		*(uint64_t *)(a + i * PAGE_SIZE) = i;
	for (unsigned i = 0; i < pages; i++)
		REQUIRE(*(uint64_t *)(a + i * PAGE_SIZE) == (i % 2 ? i : 0) &&
			can_write(a + i * PAGE_SIZE) == (i % 2 != 0));
	/* and so does removing */
	for (unsigned i = 1; i < pages; i += 2)
		REQUIRE(mm_munmap(a + i * PAGE_SIZE, PAGE_SIZE) == 0 && !can_read(a + i * PAGE_SIZE));
	REQUIRE(mm_munmap(a, pages * PAGE_SIZE) == 0 && munmap(filler, 1ul << 30) == 0);
	REQUIRE(host_open(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END) == 0);
}

/* ---- everything, from several threads ---- */

struct page {
	bool mapped;
	unsigned prot;
	uint64_t word;
};

static void step(struct page *model, uintptr_t base, uint64_t r)
{
	static const unsigned prots[] = { 0, PROT_R, PROT_R | PROT_W, PROT_R | PROT_W };
	const unsigned i = (unsigned)(r >> 20) % PAGES;
	const unsigned n = MIN(1 + (unsigned)(r >> 40) % (r & 0x30 ? 8u : 300u), PAGES - i), prot = prots[r >> 8 & 3];
	const uintptr_t va = base + i * PAGE_SIZE;
	struct page *p = &model[i];
	bool hole = false;
	int err;

	for (unsigned k = 0; k < n; k++)
		hole |= !p[k].mapped;
	switch (r % 16) {
	case 0:
		REQUIRE(mm_munmap(va, n * PAGE_SIZE) == 0);
		for (unsigned k = 0; k < n; k++)
			p[k] = (struct page){ 0 };
		break;
	case 1:
	case 2:
		REQUIRE(mm_mmap(va, n * PAGE_SIZE, (int)prot,
				ANON | FIXED | (r & 0x1000 ? MM_MAP_HEAP : 0) | (r & 0x6000 ? 0 : POPULATE)) ==
			(long)va);
		for (unsigned k = 0; k < n; k++)
			p[k] = (struct page){ .mapped = true, .prot = prot };
		break;
	case 3:
	case 4:
		err = mm_mprotect(va, n * PAGE_SIZE, (int)prot);
		REQUIRE(err == (hole ? -ENOMEM : 0));
		for (unsigned k = 0; k < n && !hole; k++)
			p[k].prot = prot;
		break;
	case 5:
		REQUIRE(mm_madvise(va, n * PAGE_SIZE, 4) == (hole ? -ENOMEM : 0));
		for (unsigned k = 0; k < n; k++)
			p[k].word = 0;
		break;
	default:
		for (unsigned k = 0; k < n; k++) {
			const bool write = r >> (k % 64) & 1;
			uint64_t word = r + k;
			const bool done = access_word(va + k * PAGE_SIZE + 8 * k, write, &word);

			REQUIRE(done == (p[k].mapped && (write ? p[k].prot & PROT_W : p[k].prot) != 0));
			if (!done)
				continue;
			if (write)
				p[k].word = 0;
			/* the first word of the page is its identity */
			word = va + k * PAGE_SIZE;
			if (p[k].prot & PROT_W) {
				uint64_t seen;

				REQUIRE(access_word(va + k * PAGE_SIZE, false, &seen));
				p[k].word = word;
				REQUIRE(access_word(va + k * PAGE_SIZE, true, &word));
			}
		}
	}
}

static void *cpu_run(void *arg)
{
	const unsigned me = (unsigned)(uintptr_t)arg;
	/* neighbours share tables and VMAs */
	const uintptr_t base = mm_as.mmap_top - (2 + me) * PAGES * PAGE_SIZE;
	struct page *model = calloc(PAGES, sizeof(*model));
	uint64_t seed = 77 + me;

	REQUIRE(model);
	fake_set_cpu(me);
	if (me)
		machine_catch_faults();
	for (unsigned i = 0; i < STEPS; i++) {
		step(model, base, random_next(&seed));
		if (i % 64)
			continue;
		for (unsigned k = 0; k < PAGES; k++) {
			uint64_t word = 1;

			if (access_word(base + k * PAGE_SIZE, false, &word))
				REQUIRE(model[k].mapped && model[k].prot && word == model[k].word);
			else
				REQUIRE(!model[k].mapped || !model[k].prot);
		}
	}
	REQUIRE(mm_munmap(base, PAGES * PAGE_SIZE) == 0 && fake_preempt_count() == 0);
	free(model);
	return NULL;
}

static void check_threads(void)
{
	pthread_t t[THREADS];

	machine_cpus = THREADS;
	for (uintptr_t i = 1; i < THREADS; i++)
		pthread_create(&t[i], NULL, cpu_run, (void *)i);
	cpu_run(NULL);
	for (unsigned i = 1; i < THREADS; i++)
		pthread_join(t[i], NULL);
	REQUIRE(mm_as.heap_resident == 0 && mm_as.app_resident == 0 && committed() == 0);
	REQUIRE(host_open(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END) == 0);
}

int main(void)
{
	const unsigned stacks = 3 * (unsigned)(MM_KSTACK_SIZE / PAGE_SIZE);
	struct frame_stats before, after;
	uint64_t slabs;

	REQUIRE(!arch_mmu_walks && arch_mmu_coherent);
	REQUIRE(child_status(init_with_little_address_space) == 0 && child_status(init_where_something_is) == 0);
	fake_set_cpu(0);
	machine_boot(SIZE);
	frame_stats(&before);
	slabs = mm_vma_cache.total / (PAGE_SIZE / mm_vma_cache.size);
	check_protection();
	check_around();
	check_hints();
	check_threads();
	check_limit();
	check_kernel_stacks();
	frame_stats(&after);
	slabs = mm_vma_cache.total / (PAGE_SIZE / mm_vma_cache.size) - slabs;
	/* two stacks and their tables (three levels) stay */
	REQUIRE(mm_vma_cache.in_use == 1 && before.free - after.free == slabs + stacks / 3 * 2 + 3);
	return 0;
}
