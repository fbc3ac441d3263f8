// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c,mm/slab.c,mm/pagetable.c,mm/shootdown.c,mm/vma.c,mm/fault.c,sync/rwspin.c,lib/rbtree.c cflags=-Itests/host/fake_mm,-Itests/host/fake sanitize=address,undefined,thread
/*
 * Faults, mmap, munmap, mprotect, madvise and idling on several CPUs at once, each CPU with a TLB that forgets only
 * what it is told to. A CPU is a thread; its interrupts are taken at points of its own choosing.
 *
 * Every page holds nothing or a word that depends on its address. A use through a stale TLB entry reads or writes a
 * frame that has become another page's, or a page table: one side or the other sees a foreign word. A write through
 * an entry that should have lost its write permission is seen by comparing with the tables.
 *
 * The checker is checked: a second process runs the same with flushes that do nothing and must fail. (Not under
 * the thread sanitizer, whose own reports would come first.)
 */
#include "mm_machine.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/errno.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#include <arch/trap.h>

#define SIZE  (16ul << 20)
#define CPUS  4
#define PAGES 1200u /* spans several tables */
#define TLB   64u
#define BASE  0x5555550f0000ul

#if defined(__SANITIZE_THREAD__)
#define STEPS 12000
#define PLANT false
#else
#define STEPS 60000
#define PLANT true
#endif

struct percpu percpu_areas[CONFIG_MAX_CPUS];

static struct {
	uintptr_t va; /* 0: empty */
	uint64_t entry;
} tlb[CPUS][TLB];
static bool broken_flush;
static uint64_t ipis, halts;
static bool ipi_pending[CPUS];

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	REQUIRE(cpu < CPUS && cpu != cpu_id() && kind == PLAT_IPI_SHOOTDOWN);
	__atomic_fetch_add(&ipis, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&ipi_pending[cpu], true, __ATOMIC_SEQ_CST);
}

void plat_wait_for_interrupt(void)
{
	/* as the hardware: nothing that was asked for before is lost, nothing is taken without need */
	while (!__atomic_exchange_n(&ipi_pending[cpu_id()], false, __ATOMIC_SEQ_CST))
		sched_yield();
	__atomic_fetch_add(&halts, 1, __ATOMIC_RELAXED);
	mm_shootdown_ipi();
	arch_irq_enable();
}

void test_tlb_flush_page(uintptr_t va)
{
	unsigned slot = (unsigned)(va >> PAGE_SHIFT) % TLB;

	if (!broken_flush && tlb[cpu_id()][slot].va == ALIGN_DOWN(va, PAGE_SIZE))
		tlb[cpu_id()][slot].va = 0;
}

void test_tlb_flush_all(void)
{
	if (!broken_flush)
		memset(tlb[cpu_id()], 0, sizeof(tlb[0]));
}

static void take_interrupts(void)
{
	if (!__atomic_load_n(&ipi_pending[cpu_id()], __ATOMIC_RELAXED))
		return;
	arch_irq_disable();
	__atomic_store_n(&ipi_pending[cpu_id()], false, __ATOMIC_SEQ_CST);
	mm_shootdown_ipi();
	arch_irq_enable();
}

static uint64_t word_of(uintptr_t va)
{
	return va * 0x9e3779b97f4a7c15ull | 1;
}

/* What the hardware does with a load or store: TLB, then tables, then a fault. False: the fault was not resolved. */
static bool access_page(uintptr_t va, bool write, bool slow)
{
	unsigned me = cpu_id(), slot = (unsigned)(va >> PAGE_SHIFT) % TLB;
	uint64_t *word, seen;

	for (;;) {
		const uint64_t *table = mm_pt_root;
		uint64_t entry = 0;

		take_interrupts();
		if (tlb[me][slot].va == va && (!write || (tlb[me][slot].entry & ARCH_PTE_W)))
			break;
		tlb[me][slot].va = 0;
		/* from here to the use no interrupt is taken, so no table that is walked goes away */
		for (unsigned level = 4; level; level--) {
			entry = __atomic_load_n(&table[arch_pt_index(va, level)], __ATOMIC_ACQUIRE);
			if (!(entry & ARCH_PTE_P))
				break;
			table = arch_phys_to_virt(entry & ARCH_PTE_ADDR);
		}
		if ((entry & ARCH_PTE_P) && (!write || (entry & ARCH_PTE_W))) {
			tlb[me][slot].va = va;
			tlb[me][slot].entry = entry;
			break;
		}
		if (!mm_page_fault(va, (write ? ARCH_PF_WRITE : 0) | (entry & ARCH_PTE_P ? ARCH_PF_PRESENT : 0), NULL))
			return false;
	}
	/* a slow instruction: it has its translation, and no interrupt is taken before it is done */
	if (slow)
		sched_yield();
	word = arch_phys_to_virt(tlb[me][slot].entry & ARCH_PTE_ADDR);
	seen = __atomic_load_n(&word[7], __ATOMIC_RELAXED);
	REQUIRE(seen == 0 || seen == word_of(va));
	if (write)
		__atomic_store_n(&word[7], word_of(va), __ATOMIC_RELAXED);
	return true;
}

static void change(uint64_t r)
{
	static const int prots[] = { 0, 1, 3, 3 };
	uintptr_t va = BASE + (r >> 20) % PAGES * PAGE_SIZE;
	size_t len = (1 + (r >> 40) % ((r & 0x30) ? 4 : 700)) * PAGE_SIZE;
	int prot = prots[r >> 8 & 3];
	long got = 0;

	switch (r % 4) {
	case 0:
		REQUIRE(mm_munmap(va, len) == 0);
		break;
	case 1:
		got = mm_mprotect(va, len, prot);
		break;
	case 2:
		got = mm_madvise(va, len, 4);
		break;
	default:
		got = mm_mmap(va, len, prot, 0x32 | (r & 0x40 ? MM_MAP_HEAP : 0) | (r & 0x80 ? 0x8000 : 0));
		REQUIRE(got == (long)va || got == -ENOMEM);
		got = 0;
	}
	REQUIRE(got == 0 || got == -ENOMEM);
}

static pthread_barrier_t all_here;

static bool met_often(void)
{
	return __atomic_load_n(&ipis, __ATOMIC_RELAXED) >= 1000 && __atomic_load_n(&halts, __ATOMIC_RELAXED) >= 200;
}

static void *cpu_run(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t seed = 99 + me;

	fake_set_cpu(me);
	__atomic_store_n(&percpu_areas[me].online, 1, __ATOMIC_SEQ_CST);
	mm_cpu_leave_idle();
	pthread_barrier_wait(&all_here);
	/* at least STEPS, and long enough for the threads to meet */
	for (unsigned step = 0; step < STEPS || (step < 100 * STEPS && !met_often()); step++) {
		uint64_t r = random_next(&seed), kind = r % 64;

		if (kind == 0) {
			arch_irq_disable();
			mm_cpu_enter_idle();
			arch_irq_enable();
			for (unsigned i = 0; i < (r >> 32 & 3); i++)
				sched_yield();
			arch_irq_disable();
			mm_cpu_leave_idle();
			arch_irq_enable();
		} else if (kind < 4) {
			change(random_next(&seed));
		} else {
			access_page(BASE + (r >> 20) % PAGES * PAGE_SIZE, r & 0x100, (r & 0x1e00) == 0);
		}
		REQUIRE(fake_preempt_count() == 0);
	}
	/* idle for ever, interrupts on */
	arch_irq_disable();
	mm_cpu_enter_idle();
	arch_irq_enable();
	take_interrupts();
	return NULL;
}

static void run(void)
{
	pthread_t t[CPUS];
	struct frame_stats fs;

	machine_cpus = CPUS;
	machine_make(SIZE);
	fake_set_cpu(0);
	mm_pt_root = arch_phys_to_virt(frame_alloc(0, FRAME_ZERO));
	mm_as.mmap_top = BASE;
	pthread_barrier_init(&all_here, NULL, CPUS);
	for (uintptr_t i = 0; i < CPUS; i++)
		pthread_create(&t[i], NULL, cpu_run, (void *)i);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(t[i], NULL);
	mm_cpu_leave_idle();
	REQUIRE(mm_munmap(BASE, 2 * PAGES * PAGE_SIZE) == 0);
	frame_stats(&fs);
	REQUIRE(fs.committed == 0 && mm_as.heap_resident == 0 && mm_as.app_resident == 0);
	REQUIRE(fs.total - fs.free == mm_vma_cache.total / (PAGE_SIZE / mm_vma_cache.size) + 1);
	REQUIRE(met_often() && mm_as.faults > 1000);
}

int main(void)
{
	int status;

	if (PLANT) {
		pid_t child = fork();

		if (child == 0) {
			freopen("/dev/null", "w", stderr);
			broken_flush = true;
			run();
			_exit(0);
		}
		REQUIRE(waitpid(child, &status, 0) == child);
		REQUIRE(status != 0);
	}
	run();
	return 0;
}
