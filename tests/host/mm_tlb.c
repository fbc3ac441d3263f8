// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c,mm/slab.c,mm/pagetable.c,mm/shootdown.c,mm/vma.c,mm/fault.c,arch/soft/mmu.c,sync/rwspin.c,lib/rbtree.c cflags=-DCONFIG_REPLAY=1,-Itests/host/fake_soft,-Itests/host/fake_mm,-Itests/host/fake,-Iarch/soft sanitize=undefined
//       ldflags="-Xlinker --wrap=arch_tlb_flush_page -Xlinker --wrap=arch_tlb_flush_all -Xlinker --wrap=arch_mmu_changed"
/*
 * The replay model of arch/soft/mmu.c: a TLB per CPU, shown by real mappings to whoever has the baton. This thread
 * plays all CPUs in turn; an interrupt between CPUs is taken at once.
 *
 * Promises: a CPU sees what it has not flushed, and nothing else that is gone; a frame that is freed while a TLB has
 * it is reported, and so is memory used by a CPU that owes a flush; with mm/ as it is, random work of four CPUs is
 * silent and sees its own contents. The checker is checked: each kind of flush that is left out is reported, in a
 * process of its own.
 */
#include "mm_soft_machine.h"

#include <sys/wait.h>

#include "lib/errno.h"
#include "sync/upcall.h"

#define SIZE	 (48ul << 20)
#define CPUS	 4u
#define PAGES	 600u
#define STEPS	 12000u
#define REPORTED 7 /* exit status of a child whose violation was reported */

enum plant { NOTHING, FLUSH_BY_IPI, FLUSH_OWN, FLUSH_AFTER_IDLE, CHANGED };

static enum plant plant;
static bool in_ipi, leaving_idle;
static const char *violated;
static unsigned violated_cpu;
static sigjmp_buf *violation_expected;
static bool report_ends;

void __real_arch_tlb_flush_page(uintptr_t va);
void __real_arch_tlb_flush_all(void);
void __real_arch_mmu_changed(uintptr_t start, uintptr_t end);
void __wrap_arch_tlb_flush_page(uintptr_t va);
void __wrap_arch_tlb_flush_all(void);
void __wrap_arch_mmu_changed(uintptr_t start, uintptr_t end);

static bool left_out(void)
{
	return plant == (in_ipi ? FLUSH_BY_IPI : leaving_idle ? FLUSH_AFTER_IDLE : FLUSH_OWN);
}

void __wrap_arch_tlb_flush_page(uintptr_t va)
{
	if (!left_out())
		__real_arch_tlb_flush_page(va);
}

void __wrap_arch_tlb_flush_all(void)
{
	if (!left_out())
		__real_arch_tlb_flush_all();
}

void __wrap_arch_mmu_changed(uintptr_t start, uintptr_t end)
{
	if (plant != CHANGED)
		__real_arch_mmu_changed(start, end);
}

static void __attribute__((noreturn)) violation(const char *what, unsigned cpu, uintptr_t addr, paddr_t pa)
{
	violated = what;
	violated_cpu = cpu;
	if (violation_expected)
		siglongjmp(*violation_expected, 1);
	if (report_ends)
		_exit(REPORTED);
	fprintf(stderr, "%s: CPU %u address %#lx frame %#lx\n", what, cpu, (unsigned long)addr, (unsigned long)pa);
	abort();
}

const struct tutti_upcalls tutti_upcalls = { .mmu_violation = violation };

/* The report that the expression gives, or NULL. */
#define VIOLATION(expr)                     \
	({                                  \
		sigjmp_buf env_;            \
		violated = NULL;            \
		violation_expected = &env_; \
		if (!sigsetjmp(env_, 1)) {  \
			expr;               \
		}                           \
		violation_expected = NULL;  \
		violated;                   \
	})

static bool says(const char *report, const char *words)
{
	return report && strstr(report, words);
}

static void become(unsigned cpu)
{
	fake_set_cpu(cpu);
	arch_mmu_switch_cpu(cpu);
}

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	const unsigned me = cpu_id();

	REQUIRE(kind == PLAT_IPI_SHOOTDOWN && cpu != me && !in_ipi);
	become(cpu);
	in_ipi = true;
	mm_shootdown_ipi();
	in_ipi = false;
	become(me);
}

void plat_wait_for_interrupt(void)
{
	REQUIRE(!"every interrupt is taken at once");
}

void arch_cpu_relax(void)
{
	REQUIRE(!"nobody else runs");
}

/* ---- the model by itself ---- */

#define VA  (ARCH_SOFT_RESERVED + (7ul << 30))
#define RWX (ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_A | ARCH_PTE_D)

static paddr_t frame_of(uint64_t word)
{
	paddr_t pa = frame_alloc(0, FRAME_ZERO);

	REQUIRE(pa != FRAME_NONE);
	*(uint64_t *)arch_phys_to_virt(pa) = word;
	return pa;
}

/* What the CPU reads there, or 0 if it faults. */
static uint64_t seen_by(unsigned cpu, uintptr_t va)
{
	uint64_t word = 0;

	become(cpu);
	return access_word(va, false, &word) ? word : 0;
}

static void flush_by(unsigned cpu, uintptr_t va)
{
	become(cpu);
	arch_tlb_flush_page(va);
}

static void check_stale_reads(void)
{
	const paddr_t a = frame_of(11), b = frame_of(22), c = frame_of(33);
	uint64_t word = 12;

	become(0);
	REQUIRE(seen_by(0, VA) == 0 && arch_mmu_fill(VA, a, PAGE_SIZE, RWX) == 0);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(seen_by(i, VA) == 11);
	/* the tables have changed, nobody has flushed */
	become(0);
	arch_mmu_changed(VA, VA + PAGE_SIZE);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(seen_by(i, VA) == 11);
	flush_by(0, VA + 8);
	REQUIRE(seen_by(0, VA) == 0 && seen_by(1, VA) == 11 && seen_by(2, VA) == 11);
	REQUIRE(says(VIOLATION(arch_mmu_frame_freed(a, PAGE_SIZE)), "shootdown is missing") && violated_cpu == 1);
	/* another frame for the one that has flushed; the others use the old one, reading and writing */
	become(0);
	REQUIRE(arch_mmu_fill(VA, b, PAGE_SIZE, RWX) == 0);
	REQUIRE(seen_by(0, VA) == 22 && seen_by(1, VA) == 11 && access_word(VA, true, &word));
	REQUIRE(seen_by(2, VA) == 12 && seen_by(0, VA) == 22 && *(uint64_t *)arch_phys_to_virt(a) == 12);
	/* once more: who has an older entry keeps that */
	arch_mmu_changed(VA, VA + PAGE_SIZE);
	REQUIRE(arch_mmu_fill(VA, c, PAGE_SIZE, RWX) == 0);
	REQUIRE(seen_by(0, VA) == 22 && seen_by(1, VA) == 12 && seen_by(2, VA) == 12);
	flush_by(1, VA);
	REQUIRE(seen_by(1, VA) == 33 && seen_by(0, VA) == 22 && seen_by(2, VA) == 12);
	REQUIRE(says(VIOLATION(arch_mmu_frame_freed(a, PAGE_SIZE)), "shootdown is missing") && violated_cpu == 2);
	REQUIRE(says(VIOLATION(arch_mmu_frame_freed(b, PAGE_SIZE)), "shootdown is missing") && violated_cpu == 0);
	become(2);
	arch_tlb_flush_all();
	flush_by(0, VA);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(seen_by(i, VA) == 33);
	REQUIRE(!VIOLATION(arch_mmu_frame_freed(a, PAGE_SIZE)) && !VIOLATION(arch_mmu_frame_freed(b, PAGE_SIZE)));
	REQUIRE(says(VIOLATION(arch_mmu_frame_freed(c, PAGE_SIZE)), "while it is mapped"));
	/* a range far larger than memory; a CPU that runs for the first time now has nothing old */
	arch_mmu_changed(VA - (3ul << 30), VA + (1ul << 40));
	for (unsigned i = 0; i < 3; i++)
		flush_by(i, VA);
	REQUIRE(seen_by(3, VA) == 0 && !VIOLATION(arch_mmu_frame_freed(c, PAGE_SIZE)));
	become(0);
	frame_free(a, 0);
	frame_free(b, 0);
	frame_free(c, 0);
}

static void check_contradictions(void)
{
	const paddr_t a = frame_of(1), b = frame_of(2);
	uint64_t word = 3;

	become(0);
	REQUIRE(arch_mmu_fill(VA, a, PAGE_SIZE, RWX & ~ARCH_PTE_W) == 0 && !access_word(VA, true, &word));
	REQUIRE(arch_mmu_fill(VA, a, PAGE_SIZE, RWX) == 0 && access_word(VA, true, &word));
	REQUIRE(says(VIOLATION(arch_mmu_fill(VA, b, PAGE_SIZE, RWX)), "another frame"));
	REQUIRE(says(VIOLATION(arch_mmu_fill(VA + PAGE_SIZE, a, PAGE_SIZE, RWX)), "one frame for two pages"));
	arch_mmu_changed(VA, VA + PAGE_SIZE);
	/* CPUs 0 and 1 flush, 2 is idle and will, 3 too */
	flush_by(1, VA);
	flush_by(0, VA);
	arch_mmu_flush_deferred(2);
	arch_mmu_flush_deferred(3);
	REQUIRE(!VIOLATION(arch_mmu_frame_freed(a, PAGE_SIZE)));
	become(2);
	REQUIRE(says(VIOLATION(arch_mmu_fill(VA, b, PAGE_SIZE, RWX)), "owes a flush") && violated_cpu == 2);
	arch_tlb_flush_all();
	REQUIRE(arch_mmu_fill(VA, b, PAGE_SIZE, RWX) == 0 && seen_by(2, VA) == 2 && seen_by(0, VA) == 2);
	/* another's frame by now: out of reach until the flush */
	REQUIRE(seen_by(3, VA) == 0);
	arch_tlb_flush_all();
	REQUIRE(seen_by(3, VA) == 2);
	arch_mmu_changed(VA, VA + PAGE_SIZE);
	for (unsigned i = 0; i < CPUS; i++)
		flush_by(i, VA);
	/* kernel mappings are everybody's and no TLB's */
	REQUIRE(arch_mmu_fill(ARCH_KVA_BASE, b, PAGE_SIZE, RWX | ARCH_PTE_G) == 0 && seen_by(1, ARCH_KVA_BASE) == 2);
	REQUIRE(!VIOLATION(arch_mmu_frame_freed(b, PAGE_SIZE)));
	arch_mmu_changed(ARCH_KVA_BASE, ARCH_KVA_BASE + PAGE_SIZE);
	REQUIRE(seen_by(1, ARCH_KVA_BASE) == 0);
	become(0);
	frame_free(a, 0);
	frame_free(b, 0);
}

/* As a TLB of that size: the oldest entries are forgotten, the newest are not. */
static void check_capacity(void)
{
	const unsigned order = 9, n = 1u << order;
	const paddr_t pa = frame_alloc(order, FRAME_ZERO);

	REQUIRE(pa != FRAME_NONE);
	for (unsigned i = 0; i < n; i++)
		*(uint64_t *)arch_phys_to_virt(pa + i * PAGE_SIZE) = i + 1;
	become(0);
	REQUIRE(arch_mmu_fill(VA, pa, n * PAGE_SIZE, RWX) == 0);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(seen_by(i % CPUS, VA + i * PAGE_SIZE) == i + 1);
	become(0);
	arch_mmu_changed(VA, VA + n * PAGE_SIZE);
	REQUIRE(seen_by(0, VA) == 0 && seen_by(1, VA) == 0 && !VIOLATION(arch_mmu_frame_freed(pa, PAGE_SIZE)));
	REQUIRE(seen_by(1, VA + (n - 1) * PAGE_SIZE) == n && seen_by(0, VA + (n - 1) * PAGE_SIZE) == n);
	for (unsigned i = 0; i < CPUS; i++) {
		REQUIRE(VIOLATION(arch_mmu_frame_freed(pa, n * PAGE_SIZE)));
		become(i);
		arch_tlb_flush_all();
		REQUIRE(seen_by(i, VA + (n - 1) * PAGE_SIZE) == 0);
	}
	REQUIRE(!VIOLATION(arch_mmu_frame_freed(pa, n * PAGE_SIZE)));
	become(0);
	frame_free(pa, order);
}

/* ---- mm/ on it ---- */

static struct page {
	bool mapped;
	unsigned prot;
	uint64_t word;
} model[PAGES];

static bool idle[CPUS];

static void enter_idle(unsigned cpu)
{
	mm_cpu_enter_idle();
	idle[cpu] = true;
}

static void leave_idle(unsigned cpu)
{
	if (!idle[cpu])
		return;
	leaving_idle = true;
	mm_cpu_leave_idle();
	leaving_idle = false;
	idle[cpu] = false;
}

static void step(uintptr_t base, uint64_t r)
{
	static const unsigned prots[] = { 0, PROT_R, PROT_R | PROT_W, PROT_R | PROT_W };
	const unsigned i = (unsigned)(r >> 20) % PAGES, prot = prots[r >> 8 & 3], cpu = (unsigned)(r >> 12) % CPUS;
	const unsigned n = MIN(1 + (unsigned)(r >> 40) % (r & 0x30 ? 8u : 200u), PAGES - i);
	const uintptr_t va = base + i * PAGE_SIZE;
	struct page *p = &model[i];
	bool hole = false;

	become(cpu);
	leave_idle(cpu);
	for (unsigned k = 0; k < n; k++)
		hole |= !p[k].mapped;
	switch (r % 16) {
	case 0:
		REQUIRE(mm_munmap(va, n * PAGE_SIZE) == 0);
		memset(p, 0, n * sizeof(*p));
		break;
	case 1:
	case 2:
		REQUIRE(mm_mmap(va, n * PAGE_SIZE, (int)prot,
				ANON | FIXED | (r & 0x4000 ? MM_MAP_HEAP : 0) | (r & 0x18000 ? 0 : POPULATE)) ==
			(long)va);
		for (unsigned k = 0; k < n; k++)
			p[k] = (struct page){ .mapped = true, .prot = prot };
		break;
	case 3:
		REQUIRE(mm_mprotect(va, n * PAGE_SIZE, (int)prot) == (hole ? -ENOMEM : 0));
		for (unsigned k = 0; k < n && !hole; k++)
			p[k].prot = prot;
		break;
	case 4:
		REQUIRE(mm_madvise(va, n * PAGE_SIZE, 4) == (hole ? -ENOMEM : 0));
		for (unsigned k = 0; k < n; k++)
			p[k].word = 0;
		break;
	case 5:
		enter_idle(cpu);
		break;
	default:
		for (unsigned k = 0; k < n; k++) {
			uint64_t word = 0, next = r + k;
			bool done = access_word(va + k * PAGE_SIZE, false, &word);

			REQUIRE(done == (p[k].mapped && p[k].prot) && (!done || word == p[k].word));
			done = access_word(va + k * PAGE_SIZE, true, &next);
			REQUIRE(done == (p[k].mapped && (p[k].prot & PROT_W)));
			p[k].word = done ? next : p[k].word;
		}
	}
}

static void work(void)
{
	const uintptr_t base = mm_as.mmap_top - 2 * PAGES * PAGE_SIZE;
	struct frame_stats before, after;
	uint64_t seed = 2024;

	frame_stats(&before);
	for (unsigned i = 0; i < CPUS; i++) {
		become(i);
		__atomic_store_n(&percpu_areas[i].online, 1, __ATOMIC_SEQ_CST);
		leaving_idle = true;
		mm_cpu_leave_idle();
		leaving_idle = false;
	}
	for (unsigned i = 0; i < STEPS; i++)
		step(base, random_next(&seed));
	become(0);
	leave_idle(0);
	REQUIRE(mm_munmap(base, PAGES * PAGE_SIZE) == 0);
	frame_stats(&after);
	REQUIRE(mm_as.heap_resident == 0 && mm_as.app_resident == 0 && after.committed == 0);
	REQUIRE(before.free - after.free == mm_vma_cache.total / (PAGE_SIZE / mm_vma_cache.size) - 1);
	REQUIRE(shootdown_ipi_count() > 100 && fake_preempt_count() == 0);
}

/* The memory file is shared with children: each has a machine of its own. */
static void planted(enum plant what)
{
	pid_t child = fork();
	int status;

	REQUIRE(child >= 0);
	if (!child) {
		freopen("/dev/null", "w", stderr);
		plant = what;
		report_ends = true;
		machine_boot(SIZE);
		work();
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != REPORTED)
		fprintf(stderr, "planted %d: status %#x\n", what, (unsigned)status);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == REPORTED);
}

int main(void)
{
	REQUIRE(!arch_mmu_walks && !arch_mmu_coherent);
	machine_cpus = CPUS;
	fake_set_cpu(0);
	for (unsigned i = NOTHING + 1; i <= CHANGED; i++)
		planted(i);
	machine_boot(SIZE);
	/* CPUs that have not come up owe a flush; the last one comes later */
	for (unsigned i = 1; i < CPUS - 1; i++) {
		become(i);
		arch_tlb_flush_all();
	}
	check_stale_reads();
	check_contradictions();
	check_capacity();
	work();
	return 0;
}
