// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=mm/frames.c,mm/slab.c,mm/pagetable.c,mm/shootdown.c,mm/vma.c,mm/fault.c,sync/rwspin.c,lib/rbtree.c cflags=-Itests/host/fake_mm,-Itests/host/fake sanitize=address,undefined
/*
 * mmap, munmap, mprotect, madvise and faults against a naive model with one record per page, in random sequences.
 *
 * After every step: return values as the model says; VMAs ordered, disjoint, merged and equal to the model;
 * residence, entry bits, commitment and counters equal to the model; contents kept or zero. At the end everything is
 * unmapped and every frame is back. A TLB that remembers everything it was not told to forget checks that no flush is
 * missing.
 */
#include "mm_machine.h"

#include "lib/errno.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#include <arch/trap.h>

#define SIZE   (24ul << 20)
#define WINDOW 4096u /* pages the model covers, below mmap_top */
#define TOP    0x555555200000ul
#define BASE   (TOP - WINDOW * PAGE_SIZE)
#define STEPS  30000

struct percpu percpu_areas[CONFIG_MAX_CPUS];

struct page {
	bool mapped, heap, resident;
	unsigned prot;
	uint64_t word; /* what stands in it, if resident */
	uint64_t tlb;  /* entry that a CPU may hold */
};

static struct page model[WINDOW];
static uint64_t seed = 4711, next_word = 1;

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	(void)cpu;
	(void)kind;
	REQUIRE(!"there is one CPU");
}

void plat_wait_for_interrupt(void)
{
	REQUIRE(!"there is nothing to wait for");
}

void test_tlb_flush_page(uintptr_t va)
{
	if (va >= BASE && va < TOP)
		model[(va - BASE) >> PAGE_SHIFT].tlb = 0;
}

void test_tlb_flush_all(void)
{
	for (unsigned i = 0; i < WINDOW; i++)
		model[i].tlb = 0;
}

static uintptr_t va_of(unsigned page)
{
	return BASE + page * PAGE_SIZE;
}

static bool charged(const struct page *p)
{
	return p->mapped && p->heap && (p->prot & PROT_W);
}

static void check_all(void)
{
	uint64_t committed = 0, heap = 0, app = 0;
	struct frame_stats fs;
	struct mm_stats ms;
	struct vma *v, *last = NULL;
	unsigned at = 0;

	for (v = vma_above(0); v; last = v, v = vma_next(v)) {
		REQUIRE(v->start < v->end && v->start >= BASE && v->end <= TOP);
		REQUIRE(!last || last->end <= v->start);
		REQUIRE(!last || last->end != v->start || last->prot != v->prot || last->attr != v->attr);
		for (; va_of(at) < v->start; at++)
			REQUIRE(!model[at].mapped);
		for (; va_of(at) < v->end; at++)
			REQUIRE(model[at].mapped && model[at].prot == v->prot &&
				model[at].heap == !!(v->attr & VMA_HEAP));
	}
	for (; at < WINDOW; at++)
		REQUIRE(!model[at].mapped);
	for (unsigned i = 0; i < WINDOW; i++) {
		const struct page *p = &model[i];
		const uint64_t *e = pt_entry(va_of(i), 1, false);
		uint64_t entry = e ? *e : 0;

		REQUIRE((entry != 0) == p->resident && (p->mapped || !p->resident));
		if (p->resident) {
			REQUIRE((entry & ~ARCH_PTE_ADDR) == pt_app_bits(p->prot));
			REQUIRE(*(uint64_t *)arch_phys_to_virt(entry & ARCH_PTE_ADDR) == p->word);
			*(p->heap ? &heap : &app) += 1;
		}
		if (charged(p)) {
			committed += !p->resident;
			REQUIRE(e);
		}
		/* nobody may still use what is gone, or more than is allowed */
		if (p->tlb) {
			REQUIRE(p->resident && (p->tlb & ARCH_PTE_ADDR) == (entry & ARCH_PTE_ADDR) &&
				(entry & ARCH_PTE_P));
			REQUIRE(!(p->tlb & ARCH_PTE_W) || (entry & ARCH_PTE_W));
			REQUIRE((p->tlb & ARCH_PTE_NX) || !(entry & ARCH_PTE_NX));
		}
	}
	frame_stats(&fs);
	REQUIRE(fs.committed == committed);
	ms.heap_resident = mm_as.heap_resident;
	REQUIRE(ms.heap_resident == heap && mm_as.app_resident == app && mm_as.heap_peak >= heap);
	REQUIRE(fake_preempt_count() == 0 && !arch_irqs_disabled() && mm_as.lock.word << 15 == 0);
}

static void touch(unsigned i, uint64_t kind)
{
	struct page *p = &model[i];
	uint64_t err = kind == PROT_W ? ARCH_PF_WRITE : kind == PROT_X ? ARCH_PF_FETCH : 0, *e;
	bool allowed = p->mapped && (kind == PROT_R ? p->prot != 0 : (p->prot & kind) != 0);

	if (p->resident && p->prot)
		err |= ARCH_PF_PRESENT;
	REQUIRE(mm_page_fault(va_of(i) + (next_word & 4088), err, NULL) == allowed);
	if (!allowed)
		return;
	e = pt_entry(va_of(i), 1, false);
	REQUIRE(e && (*e & ARCH_PTE_P));
	if (!p->resident) {
		const uint64_t *words = arch_phys_to_virt(*e & ARCH_PTE_ADDR);

		for (unsigned w = 0; w < 512; w++)
			REQUIRE(words[w] == 0);
		p->resident = true;
		p->word = 0;
	}
	p->tlb = *e;
	if (kind == PROT_W) {
		p->word = next_word++;
		*(uint64_t *)arch_phys_to_virt(*e & ARCH_PTE_ADDR) = p->word;
	}
}

static void model_unmap(unsigned i, unsigned n)
{
	for (; n--; i++)
		model[i] = (struct page){ .tlb = model[i].tlb };
}

/* Would charging this many pages fail, tables apart? */
static bool no_room(uint64_t pages, unsigned slack)
{
	struct frame_stats fs;

	frame_stats(&fs);
	return fs.free - fs.committed < pages + slack;
}

static void step_mmap(unsigned i, unsigned n, uint64_t r)
{
	static const unsigned prots[] = {
		0, PROT_R, PROT_R | PROT_W, PROT_R | PROT_W, PROT_W, PROT_R | PROT_X, PROT_X
	};
	unsigned prot = prots[r % 7], how = (unsigned)(r >> 8) % 5;
	bool heap = r >> 16 & 1, populate = (r >> 17 & 7) == 0, busy = false;
	int flags = 0x22 | (heap ? MM_MAP_HEAP : 0);
	uintptr_t hint = how ? va_of(i) + (how == 4 ? 123 : 0) : 0;
	long got;

	if (how == 1)
		flags |= 0x10;
	if (how == 2)
		flags |= 0x100000;
	/* populated without charge means memory that the model would have to predict: only where it is plenty */
	if (populate && !no_room(n, 1024) && prot)
		flags |= 0x8000;
	for (unsigned k = 0; k < n; k++)
		busy |= model[i + k].mapped;
	got = mm_mmap(hint, n * PAGE_SIZE - (r >> 20 & 4095), (int)prot, flags);
	if (got == -ENOMEM) {
		REQUIRE(heap && (prot & PROT_W) && no_room(n, 64 + n / 512 + 3));
		return;
	}
	if (how == 2 && busy) {
		REQUIRE(got == -EEXIST);
		return;
	}
	REQUIRE(got > 0 && got % (long)PAGE_SIZE == 0);
	if (how == 1 || (how > 1 && !busy))
		REQUIRE(got == (long)va_of(i));
	if ((uintptr_t)got < BASE || (uintptr_t)got + n * PAGE_SIZE > TOP) {
		REQUIRE(how == 0 || how > 2);
		REQUIRE(mm_munmap((uintptr_t)got, n * PAGE_SIZE) == 0);
		return;
	}
	i = (unsigned)(((uintptr_t)got - BASE) >> PAGE_SHIFT);
	for (unsigned k = 0; how != 1 && k < n; k++)
		REQUIRE(!model[i + k].mapped);
	if (how == 0 && i + n < WINDOW)
		REQUIRE(model[i + n].mapped);
	model_unmap(i, n);
	for (unsigned k = 0; k < n; k++) {
		model[i + k].mapped = true;
		model[i + k].prot = prot;
		model[i + k].heap = heap;
		model[i + k].resident = (flags & 0x8000) != 0;
	}
}

static void step_mprotect(unsigned i, unsigned n, uint64_t r)
{
	static const unsigned prots[] = { 0, PROT_R, PROT_R | PROT_W, PROT_R | PROT_X };
	unsigned prot = prots[r % 4];
	uint64_t need = 0;
	bool hole = false;
	int err;

	for (unsigned k = 0; k < n; k++) {
		struct page *p = &model[i + k];

		hole |= !p->mapped;
		need += p->heap && (prot & PROT_W) && !(p->prot & PROT_W) && !p->resident;
	}
	err = mm_mprotect(va_of(i), n * PAGE_SIZE, (int)prot);
	if (hole) {
		REQUIRE(err == -ENOMEM);
		return;
	}
	if (err) {
		REQUIRE(err == -ENOMEM && need && no_room(need, 64 + n / 512 + 3));
		return;
	}
	for (unsigned k = 0; k < n; k++)
		model[i + k].prot = prot;
}

static void step_madvise(unsigned i, unsigned n, uint64_t r)
{
	bool hole = false;

	for (unsigned k = 0; k < n; k++) {
		hole |= !model[i + k].mapped;
		model[i + k].resident = false;
	}
	REQUIRE(mm_madvise(va_of(i), n * PAGE_SIZE, r & 1 ? 4 : 8) == (hole ? -ENOMEM : 0));
}

/* Calls that must fail, and change nothing. */
static void check_arguments(void)
{
	const int anon = 0x22;

	REQUIRE(mm_mmap(0, 0, 3, anon) == -EINVAL);
	REQUIRE(mm_mmap(0, SIZE_MAX, 3, anon) == -ENOMEM);
	REQUIRE(mm_mmap(0, SIZE_MAX - 4100, 3, anon | MM_MAP_HEAP) == -ENOMEM);
	REQUIRE(mm_mmap(0, ARCH_APP_MAX, 0, anon) == -ENOMEM);
	REQUIRE(mm_mmap(0, 4096, 7, anon) == -EACCES && mm_mmap(0, 4096, 6, anon) == -EACCES);
	REQUIRE(mm_mmap(0, 4096, 8, anon) == -EINVAL && mm_mmap(0, 4096, 3, 0x20) == -EINVAL);
	REQUIRE(mm_mmap(0, 4096, 3, 0x02) == -ENODEV && mm_mmap(0, 4096, 3, anon | 0x100) == -EINVAL);
	REQUIRE(mm_mmap(BASE + 1, 4096, 3, anon | 0x10) == -EINVAL);
	REQUIRE(mm_mmap(0, 4096, 3, anon | 0x10) == -EPERM && mm_mmap(0xf000, 4096, 3, anon | 0x10) == -EPERM);
	REQUIRE(mm_mmap(ARCH_APP_MAX, 4096, 3, anon | 0x10) == -ENOMEM);
	REQUIRE(mm_mmap(~0xffful, 8192, 3, anon | 0x10) == -ENOMEM);
	REQUIRE(mm_munmap(BASE, 0) == -EINVAL && mm_munmap(BASE + 1, 4096) == -EINVAL);
	REQUIRE(mm_munmap(~0xffful, 8192) == -EINVAL && mm_munmap(BASE, SIZE_MAX) == -EINVAL &&
		mm_munmap(BASE, 4096) == 0);
	REQUIRE(mm_mprotect(BASE + 1, 4096, 1) == -EINVAL && mm_mprotect(BASE, 0, 1) == 0);
	REQUIRE(mm_mprotect(BASE, 4096, 7) == -EACCES && mm_mprotect(BASE, 4096, 1) == -ENOMEM);
	REQUIRE(mm_mprotect(BASE, SIZE_MAX, 1) == -ENOMEM);
	REQUIRE(mm_madvise(BASE + 1, 4096, 4) == -EINVAL && mm_madvise(BASE, 4096, 4) == -ENOMEM);
	REQUIRE(mm_madvise(BASE, 4096, 999) == -EINVAL && mm_madvise(BASE, 4096, -1) == -EINVAL &&
		mm_madvise(BASE, 4096, 14) == 0);
	for (uint64_t err = 0; err < 32; err++) {
		REQUIRE(!mm_page_fault(0, err, NULL) && !mm_page_fault(0xffff, err, NULL) &&
			!mm_page_fault(BASE, err, NULL));
		REQUIRE(!mm_page_fault(0xffff800000001000ul, err, NULL) && !mm_page_fault(~0ul, err, NULL));
	}
	check_all();
}

/* Far more than memory, anywhere; fixed ranges are nobody's to change. */
static void check_reservations(void)
{
	const uintptr_t hint = 0x3d692000000ul;
	long a, b;

	REQUIRE(mm_mmap(hint, 32ul << 20, 0, 0x22) == (long)hint);
	REQUIRE(mm_mmap(hint, 32ul << 20, 0, 0x22) != (long)hint);
	REQUIRE(mm_mprotect(hint + 0x10000, 0x10000, 3) == 0 && mm_page_fault(hint + 0x10008, ARCH_PF_WRITE, NULL));
	REQUIRE(!mm_page_fault(hint, 0, NULL));
	a = mm_mmap(0, 40ul << 40, 0, 0x4022);
	REQUIRE(a > 0);
	b = mm_mmap(0, 60ul << 40, 0, 0x4022);
	REQUIRE(b == -ENOMEM);
	/* what does not fit below goes above */
	b = mm_mmap(0, 41ul << 40, 0, 0x4022);
	REQUIRE(b > 0 && b != a);
	REQUIRE(mm_mmap(0x10000, 4096, 3, 0x32) == 0x10000 && mm_page_fault(0x10000, 0, NULL));
	REQUIRE(mm_mmap(ARCH_APP_MAX - 4096, 4096, 3, 0x22) == ARCH_APP_MAX - 4096 &&
		mm_page_fault(ARCH_APP_MAX - 1, 2, NULL));
	REQUIRE(mm_munmap(0x10000, ARCH_APP_MAX - 0x10000) == 0);
	check_all();
}

/* A heap takes all there is, gets ENOMEM for more, every page of it can be touched; an uncharged one ends the machine. */
static void check_exhaustion(void)
{
	struct frame_stats fs;
	uint64_t pages = 0;
	volatile long last = 0;
	long a;

	frame_stats(&fs);
	while ((a = mm_mmap(0, 64 * PAGE_SIZE, 3, 0x22 | MM_MAP_HEAP)) > 0) {
		pages += 64;
		last = a;
	}
	REQUIRE(a == -ENOMEM && pages > fs.free - 220);
	/* down to single pages: what is left then is for stacks and the kernel */
	while ((a = mm_mmap(0, PAGE_SIZE, 3, 0x22 | MM_MAP_HEAP)) > 0) {
		pages++;
		last = a;
	}
	REQUIRE(a == -ENOMEM);
	for (uint64_t i = 0; i < pages; i++)
		REQUIRE(mm_page_fault((uintptr_t)last + i * PAGE_SIZE, ARCH_PF_WRITE, NULL));
	a = mm_mmap(0, 1024 * PAGE_SIZE, 3, 0x22);
	REQUIRE(a > 0);
	for (uint64_t i = 0; i < 16; i++)
		REQUIRE(mm_page_fault((uintptr_t)a + i * PAGE_SIZE, ARCH_PF_WRITE, NULL));
	REQUIRE(CRASHES(for (uint64_t i = 0; i < 1024; i++)
				mm_page_fault((uintptr_t)a + i * PAGE_SIZE, ARCH_PF_WRITE, NULL)));
	fake_percpu.preempt_count = 0;
	/* dropping a charged page and touching it again works even now */
	REQUIRE(mm_madvise((uintptr_t)last, PAGE_SIZE, 4) == 0);
	frame_stats(&fs);
	REQUIRE(fs.committed == 1 && mm_page_fault((uintptr_t)last, 0, NULL));
	REQUIRE(mm_munmap(0x10000, ARCH_APP_MAX - 0x10000) == 0);
	check_all();
}

/* What boot has mapped is nobody's to change. Last: it stays. */
static void check_fixed(void)
{
	REQUIRE(vma_add_fixed(BASE + 0x4000, BASE + 0x6000, PROT_R) == 0);
	REQUIRE(mm_mmap(BASE, 0x10000, 3, 0x32) == -EINVAL && mm_munmap(BASE, 0x10000) == -EINVAL);
	REQUIRE(mm_mprotect(BASE + 0x5000, 4096, 3) == -EINVAL && mm_madvise(BASE + 0x5000, 4096, 4) == -EINVAL);
	REQUIRE(mm_mmap(BASE + 0x5000, 4096, 3, 0x100022) == -EEXIST && !mm_page_fault(BASE + 0x5000, 0, NULL));
}

int main(void)
{
	struct frame_stats fs;
	uint64_t slabs;

	machine_make(SIZE);
	fake_set_cpu(0);
	mm_pt_root = arch_phys_to_virt(frame_alloc(0, FRAME_ZERO));
	mm_as.mmap_top = TOP;
	shootdown_init();
	check_arguments();
	check_reservations();
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t r = random_next(&seed);
		unsigned i = (unsigned)(r >> 40) % WINDOW, n = 1 + (unsigned)(r >> 52) % ((r & 0x700) ? 24 : 1500);
		uint64_t arg = random_next(&seed);

		if (i + n > WINDOW)
			n = WINDOW - i;
		switch (r % 8) {
		case 0:
		case 1:
			step_mmap(i, n, arg);
			break;
		case 2:
			REQUIRE(mm_munmap(va_of(i), n * PAGE_SIZE) == 0);
			model_unmap(i, n);
			break;
		case 3:
		case 4:
			step_mprotect(i, n, arg);
			break;
		case 5:
			step_madvise(i, n, arg);
			break;
		default:
			/* not more than there is: uncharged pages out of memory would end the machine */
			for (unsigned k = 0; k < n && !no_room(0, 200); k++)
				touch(i + k, 1u << arg % 3);
		}
		if (step % 16 == 0)
			check_all();
	}
	REQUIRE(mm_munmap(BASE, TOP - BASE) == 0);
	model_unmap(0, WINDOW);
	check_all();
	check_exhaustion();
	frame_stats(&fs);
	slabs = mm_vma_cache.total / (PAGE_SIZE / mm_vma_cache.size);
	REQUIRE(mm_vma_cache.in_use == 0 && fs.total - fs.free == slabs + 1);
	check_fixed();
	return 0;
}
