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

static inline void resident_add(const struct vma *v)
{
	uint64_t now, peak;

	if (!(v->attr & VMA_HEAP)) {
		__atomic_fetch_add(&mm_as.app_resident, 1, __ATOMIC_RELAXED);
		return;
	}
	now = __atomic_add_fetch(&mm_as.heap_resident, 1, __ATOMIC_RELAXED);
	peak = __atomic_load_n(&mm_as.heap_peak, __ATOMIC_RELAXED);
	while (now > peak &&
	       !__atomic_compare_exchange_n(&mm_as.heap_peak, &peak, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Make the page resident: 0 or -ENOMEM (uncharged pages only). mm_as.lock held. */
static int page_install(const struct vma *v, uintptr_t va)
{
	const bool charged = vma_charged(v);
	uint64_t *e = pt_entry(va, 1, true);
	unsigned looks = 0;

	if (!e)
		return -ENOMEM;
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
			resident_add(v);
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

/* 1: may be retried, 0: nobody's page or not allowed, -ENOMEM. mm_as.lock held. */
static int fault_locked(uintptr_t addr, uint64_t err)
{
	struct vma *v = vma_at(addr);

	if (!v || (v->attr & VMA_FIXED) || !access_allowed(v, err))
		return 0;
	/*
	 * A present entry allows the access by now: protection was widened, or another CPU was quicker, and this
	 * CPU's TLB has not heard of it.
	 */
	if (err & ARCH_PF_PRESENT)
		arch_tlb_flush_page(addr);
	return page_install(v, ALIGN_DOWN(addr, PAGE_SIZE)) ? -ENOMEM : 1;
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
	as_read_lock();
	r = fault_locked(addr, err);
	as_read_unlock_keep();
	preempt_enable_no_resched();
	if (unlikely(r < 0))
		r = fault_retry_slow(addr, err);
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
		for (; start < stop && go_on; start += PAGE_SIZE) {
			struct vma *v = vma_at(start);

			go_on = v && !(v->attr & VMA_FIXED) && v->prot && page_install(v, start) == 0;
		}
		as_read_unlock_keep();
		preempt_enable();
	}
}
