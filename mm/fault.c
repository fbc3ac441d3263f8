/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page faults: the first touch of an application page.
 *
 * mm_as.lock is held shared, so faults on different pages run in parallel; two on the same page race for its entry by
 * compare-and-swap and the loser gives its frame back. There is no shared zero page: a read installs a frame as a
 * write does.
 *
 * Memory. A charged page's table exists and its frame is set aside (mm/vma.c), so the only way to get none is that
 * other faults on charged pages hold more than they will keep: duplicates, about to lose their race and to return
 * theirs. Looking at the entry again until it is filled or a frame is there ends as soon as they are done; they run
 * with preemption off and wait for nothing. An uncharged page may find no frame, first because of such a duplicate:
 * so it tries once more with the lock held exclusively, when no fault is under way. If that fails too the machine is
 * out of memory: it ends with a report, exit status 134.
 *
 * An MMU that does not walk tables (arch_mmu_walks) is filled under the same lock after the entry is there, also if
 * it was there before: the MMU may forget any page at any time, and a permitted access to a resident page is then
 * just filled again. Such a fault is a signal of the host and costs more than clearing a page, and every piece of
 * memory that is not contiguous costs the host a mapping. So the first touch takes up to 16 pages around it in one
 * block of memory, if all of them are untouched: for charged pages as long as there are such blocks (their frames are
 * set aside anyway), for others while memory is plentiful. They are resident and counted as such.
 *
 * Contexts: any that may touch application memory, spin locks held or not, interrupts on or off (waiting for the lock
 * answers shootdowns); not interrupt handlers. Never sleeps. The way out does not switch threads: the trap's return
 * path does, which keeps the floating-point state.
 */
#include "lib/errno.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sync/spin.h"

#include <arch/trap.h>

/* Pages that are taken around a touched one, at most (2 to the power of this). */
#define AROUND_ORDER 4u
#define AROUND_SIZE  (PAGE_SIZE << AROUND_ORDER)

static inline void resident_add(const struct vma *v, uint64_t pages)
{
	uint64_t now, peak;

	if (!(v->attr & VMA_HEAP)) {
		__atomic_fetch_add(&mm_as.app_resident, pages, __ATOMIC_RELAXED);
		return;
	}
	now = __atomic_add_fetch(&mm_as.heap_resident, pages, __ATOMIC_RELAXED);
	peak = __atomic_load_n(&mm_as.heap_peak, __ATOMIC_RELAXED);
	while (now > peak &&
	       !__atomic_compare_exchange_n(&mm_as.heap_peak, &peak, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Largest order of an aligned block around the page that is all in the VMA and not resident. `e`: the page's entry. */
static unsigned around_order(const struct vma *v, uintptr_t va, const uint64_t *e)
{
	unsigned order = 0;

	for (; order < AROUND_ORDER; order++) {
		/* the half that this order adds */
		const uintptr_t start = ALIGN_DOWN(va, PAGE_SIZE << order) ^ (PAGE_SIZE << order);
		const uint64_t *half = e + (long)(start - va) / (long)PAGE_SIZE;

		if (start < v->start || start + (PAGE_SIZE << order) > v->end)
			break;
		for (unsigned i = 0; i < 1u << order; i++)
			if (__atomic_load_n(&half[i], __ATOMIC_RELAXED))
				return order;
	}
	return order;
}

static bool memory_is_plentiful(void)
{
	struct frame_stats fs;

	frame_stats(&fs);
	return fs.free - fs.committed > fs.total / 4;
}

/* Make the page and untouched ones around it resident, if there is such a block. `e`: its entry. mm_as.lock held. */
static void block_install(const struct vma *v, uintptr_t va, uint64_t *e) REQUIRES_SHARED(mm_as.lock);
static void block_install(const struct vma *v, uintptr_t va, uint64_t *e)
{
	const bool charged = vma_charged(v);
	const unsigned order = charged || memory_is_plentiful() ? around_order(v, va, e) : 0;
	const uintptr_t offset = va - ALIGN_DOWN(va, PAGE_SIZE << order);
	uint64_t *first = e - (offset >> PAGE_SHIFT), installed = 0;
	paddr_t pa;

	if (!order)
		return;
	pa = frame_alloc(order, FRAME_ZERO | FRAME_TRY | (charged ? FRAME_CHARGED : 0));
	if (pa == FRAME_NONE)
		return;
	frame_split(pa, order);
	for (uint64_t i = 0; i < 1ul << order; i++, pa += PAGE_SIZE) {
		uint64_t old = 0;

		/* as in page_install() */
		if (__atomic_compare_exchange_n(&first[i], &old, pa | pt_app_bits(v->prot), false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			installed++;
		else if (charged)
			frame_free_charged(pa);
		else
			frame_free(pa, 0);
	}
	resident_add(v, installed);
}

/*
 * Tell an MMU that does not walk tables about a resident page, and about its neighbours as far as they are one piece
 * of memory. Gives the end of what was filled, or 0 if the host refuses. mm_as.lock held.
 */
static uintptr_t fill_around(const struct vma *v, uintptr_t va) REQUIRES_SHARED(mm_as.lock);
static uintptr_t fill_around(const struct vma *v, uintptr_t va)
{
	const uintptr_t block = ALIGN_DOWN(va, AROUND_SIZE);
	const uintptr_t low = MAX(block, v->start), high = MIN(block + AROUND_SIZE, v->end);
	const uint64_t *e = pt_entry(va, 1, false);
	const uint64_t entry = __atomic_load_n(e, __ATOMIC_RELAXED);
	uint64_t before = 0, after = 1;

	/* addresses and entries grow alike */
	while (va - low > before * PAGE_SIZE &&
	       __atomic_load_n(e - before - 1, __ATOMIC_RELAXED) == entry - (before + 1) * PAGE_SIZE)
		before++;
	while (high - va > after * PAGE_SIZE &&
	       __atomic_load_n(e + after, __ATOMIC_RELAXED) == entry + after * PAGE_SIZE)
		after++;
	if (arch_mmu_fill(va - before * PAGE_SIZE, (entry & ARCH_PTE_ADDR) - before * PAGE_SIZE,
			  (before + after) * PAGE_SIZE, entry & ~ARCH_PTE_ADDR))
		return 0;
	return va + after * PAGE_SIZE;
}

/* Make the page resident: 0 or -ENOMEM (uncharged pages only). mm_as.lock held. */
static int page_install(const struct vma *v, uintptr_t va) REQUIRES_SHARED(mm_as.lock);
static int page_install(const struct vma *v, uintptr_t va)
{
	const bool charged = vma_charged(v);
	uint64_t *e = pt_entry(va, 1, true);
	unsigned looks = 0;

	if (!e)
		return -ENOMEM;
	if (!arch_mmu_walks && !__atomic_load_n(e, __ATOMIC_RELAXED))
		block_install(v, va, e);
	for (;;) {
		uint64_t old = 0;
		paddr_t pa;

		if (__atomic_load_n(e, __ATOMIC_RELAXED))
			return 0;
		pa = frame_alloc(0, FRAME_ZERO | (charged ? FRAME_CHARGED : 0));
		if (pa == FRAME_NONE) {
			if (!charged)
				return -ENOMEM;
			spin_wait(&looks);
			continue;
		}
		/* release: the zeroes are visible to whoever uses the entry */
		if (__atomic_compare_exchange_n(e, &old, pa | pt_app_bits(v->prot), false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			resident_add(v, 1);
		else if (charged)
			frame_free_charged(pa);
		else
			frame_free(pa, 0);
		return 0;
	}
}

static bool access_allowed(const struct vma *v, uint64_t err)
{
	if (err & ARCH_PF_FETCH)
		return v->prot & PROT_X;
	if (err & ARCH_PF_WRITE)
		return v->prot & PROT_W;
	return v->prot != 0;
}

/* 1: may be retried, 0: nobody's page or not allowed, -ENOMEM, -ENOSPC: no room in the MMU. mm_as.lock held. */
static int fault_locked(uintptr_t addr, uint64_t err) REQUIRES_SHARED(mm_as.lock);
static int fault_locked(uintptr_t addr, uint64_t err)
{
	const uintptr_t va = ALIGN_DOWN(addr, PAGE_SIZE);
	struct vma *v = vma_at(addr);

	rwspin_assert_held(&mm_as.lock);
	if (!v || (v->attr & VMA_FIXED) || !access_allowed(v, err))
		return 0;
	/*
	 * A present entry allows the access by now: protection was widened, or another CPU was quicker, and this
	 * CPU's TLB has not heard of it. (Without tables the error code says what the host had mapped.)
	 */
	if ((err & ARCH_PF_PRESENT) || !arch_mmu_walks)
		arch_tlb_flush_page(va);
	if (page_install(v, va))
		return -ENOMEM;
	return arch_mmu_walks || fill_around(v, va) ? 1 : -ENOSPC;
}

static __noinline int fault_retry_slow(uintptr_t addr, uint64_t err)
{
	int r;

	as_write_lock();
	r = fault_locked(addr, err);
	as_write_unlock_keep();
	preempt_enable_no_resched();
	return r;
}

bool mm_page_fault(uintptr_t addr, uint64_t err, struct trap_frame *f)
{
	int r;

	if (addr < ARCH_APP_MIN || addr >= ARCH_APP_MAX || (err & ARCH_PF_RESERVED))
		return false;
	/* among the application's addresses; the fault may have come with mm_as.lock held */
	if (!arch_mmu_walks && addr >= ARCH_DIRECT_MAP && addr < ARCH_KVA_END)
		return false;
	as_read_lock();
	r = fault_locked(addr, err);
	as_read_unlock_keep();
	preempt_enable_no_resched();
	if (unlikely(r < 0))
		r = fault_retry_slow(addr, err);
	if (unlikely(r == -ENOSPC))
		plat_crash(f,
			   "out of memory: the host's limit on mappings (vm.max_map_count) is reached at address 0x%lx",
			   (unsigned long)addr);
	if (unlikely(r < 0))
		plat_crash(f, "out of memory: no frame for address 0x%lx", (unsigned long)addr);
	__atomic_fetch_add(&mm_as.faults, 1, __ATOMIC_RELAXED);
	return r > 0;
}

void fault_populate(uintptr_t start, uintptr_t end)
{
	bool go_on = true;

	/* a stretch at a time, so that writers and this CPU's other threads get their turn */
	while (start < end && go_on) {
		uintptr_t stop = MIN(end, start + 64 * PAGE_SIZE);

		as_read_lock();
		while (start < stop && go_on) {
			struct vma *v = vma_at(start);
			uintptr_t next = start + PAGE_SIZE;

			go_on = v && !(v->attr & VMA_FIXED) && v->prot && page_install(v, start) == 0;
			if (go_on && !arch_mmu_walks) {
				next = fill_around(v, start);
				go_on = next != 0;
			}
			start = next;
		}
		as_read_unlock_keep();
		preempt_enable();
	}
}
