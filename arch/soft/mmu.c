// SPDX-License-Identifier: BSD-3-Clause
/*
 * The memory management unit of the host platform (arch/paging.h): pages of the memory file, mapped where the tables
 * of mm/ say.
 *
 * Addresses. One file plays physical memory; all of it is mapped at ARCH_DIRECT_MAP. Kernel stacks and application
 * mappings lie in two ranges that are reserved at the start (no access, no memory, no limit on commitment touched); a
 * page comes into being there when arch_mmu_fill() maps a piece of the file over the reservation and goes when the
 * reservation is put back. Application mappings outside of them are reserved one by one, never over something that
 * the host has there.
 *
 * What the host maps is a cache of the tables, as a TLB is: any page of it may be dropped at any time, because the
 * fault that follows finds the entry and fills again. That is how the host's limit on mappings (vm.max_map_count,
 * 65530; every change of frame order or permission from one page to the next is a mapping) is not a limit here: when
 * it is reached the whole cache is emptied. Kernel stacks (ARCH_PTE_G) are not part of the cache: they are never
 * dropped.
 *
 * Native model. The host keeps its own TLBs coherent: when arch_mmu_changed() returns, no thread of the process
 * reaches the old page. So a flush is nothing. Concurrency: none of it has a lock; the host's kernel serializes calls
 * on one address space, and mm_as.lock makes sure that a fill (lock shared, entry valid) never meets a change (lock
 * exclusive) of the same page.
 *
 * To make and remove a mapping costs the host six times what a change of its protection does. So a small range is dropped by
 * taking all access away, and `filled` remembers which piece of the file stands where; a fill of the same piece at the same
 * place, as when a thread's stack is unmapped and the next one's is mapped, gives the access back. A record says
 * "the host maps these bytes of the file here" and goes before anything makes that untrue. Its `range` is 0 (free), BUSY (in
 * one CPU's hands) or the address with the number of pages in its low bits: one word says whether a record meets a range, so
 * nobody takes one in hand that does not. For those fills of other pages may overlook a record only in the hands of a CPU
 * that fills some of the same pages, from the same entries of the tables (the lock is shared), and that finds it true or
 * throws it away. Emptying the cache is the one thing that meets fills of other pages: `emptied` is set
 * first and nothing is reused from then on; it waits for those in the middle of it (`reusing`).
 *
 * Replay model. All virtual CPUs are coroutines of one host thread and see one address space, so a TLB per CPU is
 * kept as the difference to what everybody sees. Hardware may load a present entry into a TLB at any time, and in the
 * worst case has done so on every CPU: so each page that is filled is in all TLBs (`now`: address -> frame and bits).
 * When mm/ says that entries changed, nothing happens at the host; the page becomes a stale record: the old frame and
 * the set of CPUs whose TLB still has it, which is all that ever ran. A flush takes its CPU out of that set, and only
 * now the old frame disappears from the address space of that CPU, which the baton shows it: arch_mmu_switch_cpu()
 * remaps the pages for whose record the two CPUs differ. A flush of everything drops stale records only: what it
 * drops besides may be loaded again at once. A CPU that has a record of a page keeps it when the page becomes stale
 * once more: a TLB holds one entry per page. STALE_MAX records are kept; the oldest is forgotten, as a TLB of that
 * size would.
 *
 * What that finds: a CPU that was not asked to flush reads and writes the old frame; a frame that is freed while a
 * TLB maps it is reported (tutti_upcalls.mmu_violation) at once, whether or not anybody uses it. CPUs that are idle
 * answer no shootdowns and flush when they leave idle (mm/shootdown.c): until then their records do not count, but they
 * lose access to frames that are freed, and a fault of theirs that would be filled is reported. Only the holder of the
 * baton is ever in here, so there is no concurrency.
 *
 * Memory: the tables of the replay model are mapped from the host once, in proportion to physical memory. Any
 * context.
 */
#include <arch/cpu.h>
#include <arch/hostcall.h>
#include <arch/paging.h>

#include "config.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "sync/cpumask.h"
#include "sync/upcall.h"

#define STALE_MAX 128u
/* Below this share of memory a changed range is looked up page by page, above it all frames are looked through. */
#define LOOKUP_SHARE 64u

/* One entry of a TLB; `entry` is frame and bits as in a page table. */
struct tlb_entry {
	uintptr_t va; /* 0: none */
	uint64_t entry;
};

struct stale {
	struct tlb_entry tlb;
	bool freed;	     /* the frame is somebody else's by now; all of `cpus` owe a flush */
	struct cpumask cpus; /* who still has it; empty: record is free */
};

/* The host maps [pa, pa + len) of the file at `va`. */
struct filled {
	uint64_t range; /* [a] va | pages */
	paddr_t pa;	/* [who made range BUSY] */
};
#define FILLED	     64u
#define FILLED_MAX   (16 * PAGE_SIZE) /* longer ones are not remembered */
#define FILLED_BUSY  (PAGE_SIZE - 1)
#define FILLED_PAGES (PAGE_SIZE - 1) /* of range */
_Static_assert(FILLED_MAX / PAGE_SIZE < FILLED_BUSY, "a number of pages is not BUSY");
#define PARK_MAX (256 * PAGE_SIZE) /* larger ranges are dropped for good */

static struct {
	int fd;	      /* [I] */
	uint64_t len; /* [I] */
	paddr_t root; /* [I] after mm_init() */
	/* native */
	struct filled filled[FILLED];
	uint32_t filled_next; /* [a] */
	uint32_t reusing;     /* [a] */
	uint32_t emptied;     /* [a] */
	/* replay, all of it the baton's */
	struct tlb_entry *now;	/* hash table by address, open addressing */
	uint64_t now_mask;	/* [I] its size - 1 */
	uintptr_t *va_of_frame; /* where `now` maps each frame, or 0 */
	struct stale stale[STALE_MAX];
	unsigned stale_count; /* records in use */
	unsigned stale_next;
	unsigned cpu;		 /* holder of the baton */
	struct cpumask ran;	 /* CPUs that ever held it */
	struct cpumask deferred; /* CPUs that owe a flush */
} mmu;

/* ---- the host ---- */

static long host_map(uintptr_t va, uint64_t len, int prot, int flags, int fd, paddr_t at)
{
	return hostcall(HOST_mmap, (long)va, (long)len, prot, flags, fd, (long)at);
}

static int host_reserve(uintptr_t start, uintptr_t end)
{
	const int flags = HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE | HOST_MAP_FIXED_NOREPLACE;
	long at = host_map(start, end - start, HOST_PROT_NONE, flags, -1, 0);

	if (at < 0 && at > -4096)
		return (int)at;
	if ((uintptr_t)at == start)
		return 0;
	/* kernels before 4.17 take the address for a hint */
	hostcall(HOST_munmap, at, (long)(end - start), 0, 0, 0, 0);
	return -EEXIST;
}

static long host_drop(uintptr_t start, uintptr_t end)
{
	return host_map(start, end - start, HOST_PROT_NONE,
			HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE | HOST_MAP_FIXED, -1, 0);
}

static inline uint64_t filled_range(uintptr_t va, uint64_t len)
{
	return va | len >> PAGE_SHIFT;
}

/*
 * Take out what is remembered of [start, end). If one of them is exactly this piece it is left BUSY and is the result.
 */
static struct filled *filled_claim(uintptr_t start, uintptr_t end, paddr_t pa)
{
	struct filled *same = NULL;

	for (unsigned i = 0; i < FILLED; i++) {
		struct filled *f = &mmu.filled[i];
		uint64_t range = __atomic_load_n(&f->range, __ATOMIC_RELAXED);
		const uintptr_t va = ALIGN_DOWN(range, PAGE_SIZE);

		if (!va || va >= end || va + (range & FILLED_PAGES) * PAGE_SIZE <= start)
			continue;
		/* acquire: pairs with the release in filled_put() */
		if (!__atomic_compare_exchange_n(&f->range, &range, FILLED_BUSY, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		if (!same && range == filled_range(start, end - start) && f->pa == pa)
			same = f;
		else
			__atomic_store_n(&f->range, 0, __ATOMIC_RELEASE);
	}
	return same;
}

static void filled_put(struct filled *f, uint64_t range)
{
	/* pairs with the acquire in filled_claim() */
	__atomic_store_n(&f->range, range, __ATOMIC_RELEASE);
}

static void filled_forget(uintptr_t start, uintptr_t end)
{
	struct filled *f = filled_claim(start, end, (paddr_t)-1);

	if (f)
		filled_put(f, 0);
}

static void filled_remember(uintptr_t va, paddr_t pa, uint64_t len)
{
	struct filled *f = &mmu.filled[__atomic_fetch_add(&mmu.filled_next, 1, __ATOMIC_RELAXED) % FILLED];
	uint64_t old = __atomic_load_n(&f->range, __ATOMIC_RELAXED);

	if (old == FILLED_BUSY ||
	    !__atomic_compare_exchange_n(&f->range, &old, FILLED_BUSY, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	f->pa = pa;
	filled_put(f, filled_range(va, len));
}

static bool host_protect(uintptr_t va, uint64_t len, int prot)
{
	bool done;

	/* Both locked: pairs with drop_everything(), which sets `emptied`, then reads `reusing`. */
	__atomic_fetch_add(&mmu.reusing, 1, __ATOMIC_SEQ_CST);
	done = !__atomic_load_n(&mmu.emptied, __ATOMIC_SEQ_CST) &&
	       !hostcall(HOST_mprotect, (long)va, (long)len, prot, 0, 0, 0);
	__atomic_fetch_sub(&mmu.reusing, 1, __ATOMIC_RELEASE);
	return done;
}

/* Give access to what is still there; false: it is not, and nothing is remembered of the range. */
static bool filled_reuse(uintptr_t va, paddr_t pa, uint64_t len, int prot)
{
	struct filled *f = filled_claim(va, va + len, pa);
	bool done;

	if (!f)
		return false;
	done = host_protect(va, len, prot);
	filled_put(f, done ? filled_range(va, len) : 0);
	return done;
}

/* Empty the cache. Removing whole mappings is always possible, replacing them perhaps only after that. */
static void drop_everything(void)
{
	/* exchange: pairs with host_protect() */
	__atomic_exchange_n(&mmu.emptied, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&mmu.reusing, __ATOMIC_ACQUIRE))
		arch_cpu_relax();
	if (host_drop(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END) >= 0)
		return;
	hostcall(HOST_munmap, (long)ARCH_SOFT_RESERVED, (long)(ARCH_SOFT_RESERVED_END - ARCH_SOFT_RESERVED), 0, 0, 0,
		 0);
	host_drop(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END);
}

static void drop(uintptr_t start, uintptr_t end)
{
	if (arch_mmu_coherent) {
		if (end - start <= PARK_MAX && host_protect(start, end - start, HOST_PROT_NONE))
			return;
		filled_forget(start, end);
	}
	/* the ends of the range may cut mappings in two, which needs more of them */
	if (host_drop(start, end) >= 0)
		return;
	drop_everything();
	if ((start < ARCH_SOFT_RESERVED || end > ARCH_SOFT_RESERVED_END) && host_drop(start, end) < 0)
		tutti_upcalls.mmu_violation("the host keeps what is unmapped", mmu.cpu, start, 0);
}

static int host_prot(uint64_t bits)
{
	if (!(bits & ARCH_PTE_P))
		return HOST_PROT_NONE;
	return HOST_PROT_READ | (bits & ARCH_PTE_W ? HOST_PROT_WRITE : 0) | (bits & ARCH_PTE_NX ? 0 : HOST_PROT_EXEC);
}

static int show(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits)
{
	const int flags = HOST_MAP_SHARED | HOST_MAP_FIXED | HOST_MAP_POPULATE;
	const bool remember = arch_mmu_coherent && len <= FILLED_MAX && !(bits & ARCH_PTE_G);

	if (remember && filled_reuse(va, pa, len, host_prot(bits)))
		return 0;
	if (arch_mmu_coherent && !remember && !(bits & ARCH_PTE_G))
		filled_forget(va, va + len);
	if (host_map(va, len, host_prot(bits), flags, mmu.fd, pa) >= 0) {
		if (remember)
			filled_remember(va, pa, len);
		return 0;
	}
	drop_everything();
	return host_map(va, len, host_prot(bits), flags, mmu.fd, pa) >= 0 ? 0 : -ENOMEM;
}

/* ---- replay: what is in all TLBs ---- */

static inline uint64_t slot_of(uintptr_t va)
{
	/* Fibonacci hashing: Knuth, TAOCP vol. 3, 6.4 */
	return ((va >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 20) & mmu.now_mask;
}

/* Its entry, or the free slot where it would stand. */
static struct tlb_entry *now_at(uintptr_t va)
{
	uint64_t i = slot_of(va);

	while (mmu.now[i].va && mmu.now[i].va != va)
		i = (i + 1) & mmu.now_mask;
	return &mmu.now[i];
}

static void now_remove(struct tlb_entry *e)
{
	uint64_t hole = (uint64_t)(e - mmu.now), i = hole;

	mmu.va_of_frame[(e->entry & ARCH_PTE_ADDR) >> PAGE_SHIFT] = 0;
	/* close the gap: Knuth, TAOCP vol. 3, 6.4, algorithm R */
	for (;;) {
		i = (i + 1) & mmu.now_mask;
		if (!mmu.now[i].va)
			break;
		if (((i - slot_of(mmu.now[i].va)) & mmu.now_mask) < ((i - hole) & mmu.now_mask))
			continue;
		mmu.now[hole] = mmu.now[i];
		hole = i;
	}
	mmu.now[hole].va = 0;
}

static void now_add(uintptr_t va, uint64_t entry)
{
	const paddr_t pa = entry & ARCH_PTE_ADDR;
	struct tlb_entry *e = now_at(va);

	if (e->va && (e->entry & ARCH_PTE_ADDR) != pa)
		tutti_upcalls.mmu_violation("another frame without a word that the page changed", mmu.cpu, va,
					    e->entry & ARCH_PTE_ADDR);
	if (!e->va && mmu.va_of_frame[pa >> PAGE_SHIFT])
		tutti_upcalls.mmu_violation("one frame for two pages", mmu.cpu, mmu.va_of_frame[pa >> PAGE_SHIFT], pa);
	*e = (struct tlb_entry){ va, entry };
	mmu.va_of_frame[pa >> PAGE_SHIFT] = va;
}

/* ---- replay: what is not in all TLBs any more ---- */

static struct stale *stale_of(uintptr_t va, unsigned cpu)
{
	for (unsigned i = 0; mmu.stale_count && i < STALE_MAX; i++)
		if (mmu.stale[i].tlb.va == va && cpumask_test(&mmu.stale[i].cpus, cpu))
			return &mmu.stale[i];
	return NULL;
}

/* Make the page look as the TLB of the baton's holder has it. */
static void show_page(uintptr_t va)
{
	const struct stale *s = stale_of(va, mmu.cpu);
	const struct tlb_entry *e = s ? &s->tlb : now_at(va);

	/* refused by the host: then it faults, and the fault's fill tells */
	if (!e->va || (s && s->freed) || show(va, e->entry & ARCH_PTE_ADDR, PAGE_SIZE, e->entry))
		drop(va, va + PAGE_SIZE);
}

/* The holder of the baton forgets its older entry. */
static void stale_drop(struct stale *s)
{
	cpumask_clear(&s->cpus, mmu.cpu);
	if (cpumask_empty(&s->cpus))
		mmu.stale_count--;
	show_page(s->tlb.va);
}

/* All CPUs that have the entry of the page keep it for now, but no others get it. */
static void page_becomes_stale(struct tlb_entry *e)
{
	struct stale *s = &mmu.stale[mmu.stale_next++ % STALE_MAX];

	if (!cpumask_empty(&s->cpus)) {
		const uintptr_t va = s->tlb.va;
		const bool mine = cpumask_test(&s->cpus, mmu.cpu);

		cpumask_clear_all(&s->cpus);
		mmu.stale_count--;
		if (mine)
			show_page(va);
	}
	s->tlb = *e;
	s->freed = false;
	s->cpus = mmu.ran;
	for (unsigned i = 0; mmu.stale_count && i < STALE_MAX; i++)
		if (&mmu.stale[i] != s && mmu.stale[i].tlb.va == e->va)
			for (unsigned w = 0; w < CPUMASK_WORDS; w++)
				s->cpus.w[w] &= ~mmu.stale[i].cpus.w[w];
	if (!cpumask_empty(&s->cpus))
		mmu.stale_count++;
	now_remove(e);
}

static void replay_changed(uintptr_t start, uintptr_t end)
{
	const uint64_t frames = mmu.len >> PAGE_SHIFT;

	if ((end - start) >> PAGE_SHIFT <= frames / LOOKUP_SHARE) {
		for (uintptr_t va = start; va < end; va += PAGE_SIZE) {
			struct tlb_entry *e = now_at(va);

			if (e->va)
				page_becomes_stale(e);
		}
		return;
	}
	for (uint64_t i = 0; i < frames; i++)
		if (mmu.va_of_frame[i] && mmu.va_of_frame[i] - start < end - start)
			page_becomes_stale(now_at(mmu.va_of_frame[i]));
}

static int replay_fill(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits)
{
	uint64_t run = 0;

	if (cpumask_test(&mmu.deferred, mmu.cpu))
		tutti_upcalls.mmu_violation("application memory is used by a CPU that owes a flush", mmu.cpu, va, pa);
	for (uint64_t at = 0; at < len; at += PAGE_SIZE)
		now_add(va + at, (pa + at) | bits);
	/* as far as this CPU has no older entries */
	for (; run < len; run += PAGE_SIZE)
		if (stale_of(va + run, mmu.cpu))
			break;
	if (run && show(va, pa, run, bits))
		return -ENOMEM;
	for (; run < len; run += PAGE_SIZE)
		if (!stale_of(va + run, mmu.cpu) && show(va + run, pa + run, PAGE_SIZE, bits))
			return -ENOMEM;
	return 0;
}

void arch_mmu_flush_deferred(unsigned cpu)
{
	if (!arch_mmu_coherent)
		cpumask_set(&mmu.deferred, cpu);
}

void arch_tlb_flush_page(uintptr_t va)
{
	struct stale *s;

	if (arch_mmu_coherent)
		return;
	s = stale_of(ALIGN_DOWN(va, PAGE_SIZE), mmu.cpu);
	if (s)
		stale_drop(s);
}

void arch_tlb_flush_all(void)
{
	if (arch_mmu_coherent)
		return;
	cpumask_clear(&mmu.deferred, mmu.cpu);
	for (unsigned i = 0; mmu.stale_count && i < STALE_MAX; i++)
		if (cpumask_test(&mmu.stale[i].cpus, mmu.cpu))
			stale_drop(&mmu.stale[i]);
}

void arch_mmu_switch_cpu(unsigned to)
{
	const unsigned from = mmu.cpu;

	if (arch_mmu_coherent || from == to)
		return;
	cpumask_set(&mmu.ran, to);
	mmu.cpu = to;
	for (unsigned i = 0; mmu.stale_count && i < STALE_MAX; i++) {
		const struct cpumask *have = &mmu.stale[i].cpus;

		if (cpumask_test(have, from) != cpumask_test(have, to))
			show_page(mmu.stale[i].tlb.va);
	}
}

void arch_mmu_frame_freed(paddr_t pa, uint64_t len)
{
	if (arch_mmu_coherent)
		return;
	for (const paddr_t end = pa + len; pa < end; pa += PAGE_SIZE) {
		const uintptr_t va = mmu.va_of_frame[pa >> PAGE_SHIFT];

		if (va)
			tutti_upcalls.mmu_violation("frame is freed while it is mapped", mmu.cpu, va, pa);
		for (unsigned i = 0; mmu.stale_count && i < STALE_MAX; i++) {
			struct stale *s = &mmu.stale[i];

			if ((s->tlb.entry & ARCH_PTE_ADDR) != pa || s->freed)
				continue;
			cpumask_foreach(cpu, &s->cpus) if (!cpumask_test(&mmu.deferred, (unsigned)cpu))
				tutti_upcalls.mmu_violation("frame is freed while a TLB has it: a shootdown is missing",
							    (unsigned)cpu, s->tlb.va, pa);
			/* not the baton's holder, which has flushed: the next switch shows it */
			s->freed = true;
		}
	}
}

/* ---- both ---- */

int arch_mmu_fill(uintptr_t va, paddr_t pa, uint64_t len, uint64_t bits)
{
	if (!(bits & ARCH_PTE_P))
		return 0;
	if (arch_mmu_coherent || (bits & ARCH_PTE_G))
		return show(va, pa, len, bits);
	return replay_fill(va, pa, len, bits);
}

void arch_mmu_changed(uintptr_t start, uintptr_t end)
{
	if (start >= end)
		return;
	if (arch_mmu_coherent || (start >= ARCH_KVA_BASE && end <= ARCH_KVA_END))
		drop(start, end);
	else
		replay_changed(start, end);
}

int arch_mmu_reserve(uintptr_t start, uintptr_t end)
{
	const uintptr_t below = MIN(end, ARCH_SOFT_RESERVED), above = MAX(start, ARCH_SOFT_RESERVED_END);
	int err = start < below ? host_reserve(start, below) : 0;

	if (err || above >= end)
		return err;
	err = host_reserve(above, end);
	if (err && start < below)
		hostcall(HOST_munmap, (long)start, (long)(below - start), 0, 0, 0, 0);
	return err;
}

void arch_mmu_unreserve(uintptr_t start, uintptr_t end)
{
	const uintptr_t below = MIN(end, ARCH_SOFT_RESERVED), above = MAX(start, ARCH_SOFT_RESERVED_END);

	/* inside the two ranges nothing happens, and what is dropped there stays remembered */
	if (start < below || above < end)
		filled_forget(start, end);
	if (start < below)
		hostcall(HOST_munmap, (long)start, (long)(below - start), 0, 0, 0, 0);
	if (above < end)
		hostcall(HOST_munmap, (long)above, (long)(end - above), 0, 0, 0, 0);
}

/* Tables of the replay model. */
static int replay_init(void)
{
	const uint64_t frames = mmu.len >> PAGE_SHIFT;
	const int prot = HOST_PROT_READ | HOST_PROT_WRITE;
	const int flags = HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE;
	uint64_t slots = 1024;
	long now, vas;

	while (slots < 2 * frames)
		slots *= 2;
	now = host_map(0, slots * sizeof(*mmu.now), prot, flags, -1, 0);
	vas = host_map(0, frames * sizeof(*mmu.va_of_frame), prot, flags, -1, 0);
	if ((now < 0 && now > -4096) || (vas < 0 && vas > -4096))
		return -ENOMEM;
	mmu.now = (struct tlb_entry *)now;
	mmu.now_mask = slots - 1;
	mmu.va_of_frame = (uintptr_t *)vas;
	cpumask_set(&mmu.ran, 0);
	return 0;
}

int arch_mmu_init(int fd, uint64_t len)
{
	const int flags = HOST_MAP_SHARED | HOST_MAP_NORESERVE | HOST_MAP_FIXED;
	long at;
	int err;

	len = ALIGN_DOWN(len, PAGE_SIZE);
	if (!len || len > ARCH_KVA_BASE - ARCH_DIRECT_MAP)
		return -EINVAL;
	mmu.fd = fd;
	mmu.len = len;
	/* all or nothing, so that whoever gets the error can say what the host refused: addresses, not memory */
	err = host_reserve(ARCH_DIRECT_MAP, ARCH_DIRECT_MAP + len);
	if (err)
		return err;
	err = host_reserve(ARCH_KVA_BASE, ARCH_KVA_END);
	if (err)
		goto undo_direct;
	err = host_reserve(ARCH_SOFT_RESERVED, ARCH_SOFT_RESERVED_END);
	if (err)
		goto undo_kva;
	at = host_map(ARCH_DIRECT_MAP, len, HOST_PROT_READ | HOST_PROT_WRITE, flags, fd, 0);
	err = at < 0 ? (int)at : 0;
	if (!err && !arch_mmu_coherent)
		err = replay_init();
	if (!err)
		return 0;
	hostcall(HOST_munmap, (long)ARCH_SOFT_RESERVED, (long)(ARCH_SOFT_RESERVED_END - ARCH_SOFT_RESERVED), 0, 0, 0,
		 0);
undo_kva:
	hostcall(HOST_munmap, (long)ARCH_KVA_BASE, (long)(ARCH_KVA_END - ARCH_KVA_BASE), 0, 0, 0, 0);
undo_direct:
	hostcall(HOST_munmap, (long)ARCH_DIRECT_MAP, (long)len, 0, 0, 0, 0);
	return err;
}

void arch_pt_set_root(paddr_t root)
{
	mmu.root = root;
}

paddr_t arch_pt_root(void)
{
	return mmu.root;
}
