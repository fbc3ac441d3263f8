/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page frames: a binary buddy (Knowlton, CACM 8(10), 1965) behind small per-CPU caches of single frames.
 *
 * One byte of metadata per frame: `meta[pfn]` says whether a block starts there, free or allocated, and of what
 * order; 0 is the inside of a block or no memory. Free blocks of the buddy are on a list per order, linked through
 * their own first bytes by way of the direct map; cached frames likewise. The metadata stands at the start of the
 * first range of memory that is large enough. Memory is taken over in sections, in ascending order, only when the
 * blocks in reach do not satisfy a request: 2 MiB, or as much as the request needs. So a 16 GiB machine boots as fast
 * as a small one, and no page is touched long before it is used (a first touch is dear under a hypervisor). Above
 * `meta_end` nothing is looked up.
 *
 * Accounting comes first, taking second: two counters hold what is free, `avail` (nobody's) and `committed` (set
 * aside for charged pages). An allocation first lowers a counter, then takes frames; a free first gives frames back,
 * then raises it. So at any moment at least avail + committed + (allocations that have counted but not yet taken)
 * frames really are free, somewhere: whoever has lowered a counter by one finds a frame, in its own cache, the buddy,
 * an unprepared section or another CPU's cache. It may have to look again when frames move between those while it
 * looks; each such round means that another CPU got on. Larger blocks may fail for fragmentation; they give their
 * count back. `avail` never goes below 0: whoever wants something checks first, by compare-and-swap, that enough is
 * left above the floor of its kind: 0 for page-table pages, `reserve` in general, twice that for a commitment, so that
 * a heap that took all it gets leaves the stacks and the kernel something. Charged allocations take from `committed`,
 * never from `avail`. That counter is 0 for a page that was charged only while another CPU is inside an allocation for
 * the same page (mm/fault.c); the caller looks at the page again.
 *
 * Locks: a cache's lock (its CPU, or whoever drains it), then the buddy's lock. Both irq-safe, nothing else is taken
 * inside. Held for at most one batch of list operations or one section's preparation (4 KiB zeroed, more only for
 * requests above 16 MiB). Frames are cleared
 * outside.
 *
 * Wrong frees (twice, wrong order, not ours) are caught in every build. Limits: memory below 512 GiB costs nothing,
 * the metadata of a map with large holes is spent on the holes too; page 0 is never used.
 */
#include "mm/frames.h"

#include "check/check.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define META_FREE     0x80u /* | order: starts a free block of the buddy */
#define META_USED     0x40u /* | order: starts an allocated block */
#define META_CACHED   0x20u /* a single frame in a CPU's cache */
#define SECTION_ORDER 9u
#define CACHE_BATCH   16u
/* The early tables map this much. */
#define EARLY_DIRECT_MAP (1ull << 30)

struct cached_frame {
	struct cached_frame *next;
};

struct frame_cache {
	struct uk_spinlock lock;
	uint32_t count;		    /* [lock] */
	struct cached_frame *first; /* [lock] */
} __cacheline;

LOCK_CLASS(frame_cache_class, "frame cache", 95, LOCK_IRQ, "free frames of one CPU");
LOCK_CLASS(frames_class, "frames", 100, LOCK_IRQ, "free blocks of physical memory, their metadata");

static struct {
	struct uk_spinlock lock;
	uint8_t *meta;			       /* [I] */
	uint64_t meta_pages;		       /* [I] */
	uint64_t meta_end;		       /* [lock] frames below have metadata */
	unsigned range;			       /* [lock] memory range that the next section comes from */
	uint64_t range_pfn;		       /* [lock] and where in it; 0: at its start */
	unsigned meta_range;		       /* [I] range whose first pages hold the metadata */
	uint32_t orders;		       /* [lock] bit per order: list not empty */
	struct list free[FRAME_MAX_ORDER + 1]; /* [lock] */
	uint64_t total;			       /* [I] after boot */
	int64_t reserve;		       /* [I] */
	uint32_t batch;			       /* [I] frames that move between a cache and the buddy at once */
	int64_t avail __cacheline;	       /* [a] free and nobody's */
	int64_t committed;		       /* [a] free and set aside */
	struct frame_cache cache[CONFIG_MAX_CPUS];
} frames = {
	.lock = SPINLOCK_INIT(&frames_class),
	.cache = { [0 ... CONFIG_MAX_CPUS - 1] = { .lock = SPINLOCK_INIT(&frame_cache_class) } },
};

static inline uint8_t meta_get(uint64_t pfn)
{
	/* a neighbour's byte may change at any time; others look for META_FREE only, which comes and goes under the lock */
	return __atomic_load_n(&frames.meta[pfn], __ATOMIC_RELAXED);
}

static inline void meta_set(uint64_t pfn, unsigned value)
{
	__atomic_store_n(&frames.meta[pfn], (uint8_t)value, __ATOMIC_RELAXED);
}

static inline struct list *block_node(uint64_t pfn)
{
	return arch_phys_to_virt(pfn << PAGE_SHIFT);
}

static inline uint64_t block_pfn(const void *node)
{
	return arch_virt_to_phys(node) >> PAGE_SHIFT;
}

/* Unrolled plain stores: under an emulator far cheaper than the string instruction, elsewhere as good. */
static void frame_clear(uint64_t *p)
{
	for (uint64_t *end = p + PAGE_SIZE / sizeof(*p); p != end; p += 8) {
		p[0] = 0;
		p[1] = 0;
		p[2] = 0;
		p[3] = 0;
		p[4] = 0;
		p[5] = 0;
		p[6] = 0;
		p[7] = 0;
		__asm__ volatile("" ::: "memory"); /* keeps the compiler from calling memset() */
	}
}

/* ---- buddy ---- */

static void buddy_insert_locked(uint64_t pfn, unsigned order) REQUIRES(frames.lock);
static void buddy_insert_locked(uint64_t pfn, unsigned order)
{
	uk_spin_assert_held(&frames.lock);
	while (order < FRAME_MAX_ORDER) {
		uint64_t buddy = pfn ^ (1ul << order);

		if (buddy >= frames.meta_end || meta_get(buddy) != (META_FREE | order))
			break;
		list_del(block_node(buddy));
		if (list_empty(&frames.free[order]))
			frames.orders &= ~(1u << order);
		meta_set(buddy, 0);
		pfn &= ~(1ul << order);
		order++;
	}
	meta_set(pfn, META_FREE | order);
	list_add(&frames.free[order], block_node(pfn));
	frames.orders |= 1u << order;
}

/* Where range `i` starts and ends, without page 0 and the metadata. */
static void range_bounds(unsigned i, uint64_t *first, uint64_t *end)
{
	const struct plat_mem *m = &plat_bootinfo()->mem[i];

	*first = ALIGN_UP(m->base, PAGE_SIZE) >> PAGE_SHIFT;
	*end = (m->base + m->len) >> PAGE_SHIFT;
	if (*first == 0)
		*first = 1;
	if (i == frames.meta_range)
		*first += frames.meta_pages;
	if (*end < *first)
		*end = *first;
}

/* Bring the next frames into the buddy, up to a boundary of `order` at least; false if there are none. */
static bool section_prepare_locked(unsigned order) REQUIRES(frames.lock);
static __noinline bool section_prepare_locked(unsigned order)
{
	const uint64_t section = 1ul << MAX(order, SECTION_ORDER);
	uint64_t pfn, end, stop, meta_end;

	uk_spin_assert_held(&frames.lock);
	for (;;) {
		if (frames.range >= plat_bootinfo()->mem_count)
			return false;
		range_bounds(frames.range, &pfn, &end);
		if (frames.range_pfn > pfn)
			pfn = frames.range_pfn;
		if (pfn < end)
			break;
		frames.range++;
		frames.range_pfn = 0;
	}
	stop = MIN(end, ALIGN_DOWN(pfn, section) + section);
	meta_end = ALIGN_UP(stop, PAGE_SIZE);
	for (; frames.meta_end < meta_end; frames.meta_end += PAGE_SIZE)
		frame_clear((uint64_t *)(frames.meta + frames.meta_end));
	frames.range_pfn = stop;
	while (pfn < stop) {
		unsigned fits = MIN((unsigned)__builtin_ctzl(pfn), (unsigned)FRAME_MAX_ORDER);

		while (pfn + (1ul << fits) > stop)
			fits--;
		buddy_insert_locked(pfn, fits);
		pfn += 1ul << fits;
	}
	return true;
}

/* First frame of a block, or 0. */
static uint64_t buddy_take_locked(unsigned order) REQUIRES(frames.lock);
static uint64_t buddy_take_locked(unsigned order)
{
	unsigned have;
	uint64_t pfn;

	uk_spin_assert_held(&frames.lock);
	while (!(frames.orders >> order))
		if (!section_prepare_locked(order))
			return 0;
	have = order + (unsigned)__builtin_ctz(frames.orders >> order);
	pfn = block_pfn(frames.free[have].next);
	list_pop(&frames.free[have]);
	if (list_empty(&frames.free[have]))
		frames.orders &= ~(1u << have);
	while (have > order) {
		have--;
		meta_set(pfn + (1ul << have), META_FREE | have);
		list_add(&frames.free[have], block_node(pfn + (1ul << have)));
		frames.orders |= 1u << have;
	}
	meta_set(pfn, META_USED | order);
	return pfn;
}

/* ---- caches ---- */

static void cache_push(struct frame_cache *c, uint64_t pfn) REQUIRES(c->lock);
static inline void cache_push(struct frame_cache *c, uint64_t pfn)
{
	struct cached_frame *f = arch_phys_to_virt(pfn << PAGE_SHIFT);

	meta_set(pfn, META_CACHED);
	f->next = c->first;
	c->first = f;
	c->count++;
}

static uint64_t cache_pop(struct frame_cache *c) REQUIRES(c->lock);
static inline uint64_t cache_pop(struct frame_cache *c)
{
	struct cached_frame *f = c->first;

	c->first = f->next;
	c->count--;
	return block_pfn(f);
}

/* The cache's lock is held, interrupts are off. */
static void cache_refill_slow(struct frame_cache *c) REQUIRES(c->lock);
static __noinline void cache_refill_slow(struct frame_cache *c)
{
	/* on a machine that runs low, frames hidden in caches cost others a search */
	int64_t left = __atomic_load_n(&frames.avail, __ATOMIC_RELAXED) +
		       __atomic_load_n(&frames.committed, __ATOMIC_RELAXED);
	uint32_t want = left > frames.reserve * 16 ? frames.batch : 1, have = 0;
	uint64_t pfn[CACHE_BATCH];

	uk_spin_lock(&frames.lock);
	while (have < want && (pfn[have] = buddy_take_locked(0)) != 0)
		have++;
	/* they come in ascending order mostly, and go out in the same: an address range gets memory that is one piece */
	while (have)
		cache_push(c, pfn[--have]);
	uk_spin_unlock(&frames.lock);
}

static void cache_shrink_slow(struct frame_cache *c, uint32_t keep) REQUIRES(c->lock);
static __noinline void cache_shrink_slow(struct frame_cache *c, uint32_t keep)
{
	uk_spin_lock(&frames.lock);
	while (c->count > keep)
		buddy_insert_locked(cache_pop(c), 0);
	uk_spin_unlock(&frames.lock);
}

static void caches_drain(void)
{
	for (unsigned i = 0; i < plat_cpu_count(); i++) {
		struct frame_cache *c = &frames.cache[i];
		unsigned long flags;

		uk_spin_lock_irqsave(&c->lock, flags);
		cache_shrink_slow(c, 0);
		uk_spin_unlock_irqrestore(&c->lock, flags);
	}
}

/* One frame that has been counted: it exists. */
static uint64_t take_single(void)
{
	for (unsigned tries = 0; tries < 1000000; tries++) {
		struct frame_cache *c;
		unsigned long flags;
		uint64_t pfn = 0;

		flags = arch_irq_save();
		c = &frames.cache[cpu_id()];
		uk_spin_lock(&c->lock);
		if (!c->count)
			cache_refill_slow(c);
		if (c->count) {
			pfn = cache_pop(c);
			meta_set(pfn, META_USED);
		}
		uk_spin_unlock_irqrestore(&c->lock, flags);
		if (likely(pfn))
			return pfn;
		caches_drain();
	}
	plat_crash(NULL, "frame accounting: %ld counted as free, none found", (long)frames.avail);
}

/* A block that has been counted, or 0: memory is there but in smaller pieces. */
static uint64_t take_block(unsigned order, bool try)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		unsigned long flags;
		uint64_t pfn;

		uk_spin_lock_irqsave(&frames.lock, flags);
		pfn = buddy_take_locked(order);
		uk_spin_unlock_irqrestore(&frames.lock, flags);
		if (pfn || try)
			return pfn;
		caches_drain();
	}
	return 0;
}

/* ---- accounting ---- */

/* Lower *counter by n unless that takes it below the floor. */
static inline bool counter_claim(int64_t *counter, int64_t n, int64_t floor)
{
	int64_t v = __atomic_load_n(counter, __ATOMIC_RELAXED);

	do {
		if (v - n < floor)
			return false;
		/* acquire: pairs with the release in counter_return(), so that the returned frames are found */
	} while (!__atomic_compare_exchange_n(counter, &v, v - n, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

static inline void counter_return(int64_t *counter, int64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELEASE);
}

static inline int64_t commit_floor(void)
{
	return 2 * frames.reserve;
}

int frame_commit(uint64_t pages)
{
	/* the page tables of what is charged are built next */
	const int64_t floor = commit_floor() + (int64_t)(pages / ARCH_PT_ENTRIES);

	if (pages > frames.total || !counter_claim(&frames.avail, (int64_t)pages, floor))
		return -ENOMEM;
	counter_return(&frames.committed, (int64_t)pages);
	return 0;
}

void frame_uncommit(uint64_t pages)
{
	UK_CHECK(counter_claim(&frames.committed, (int64_t)pages, 0));
	counter_return(&frames.avail, (int64_t)pages);
}

paddr_t frame_alloc(unsigned order, unsigned flags)
{
	int64_t *counter = flags & FRAME_CHARGED ? &frames.committed : &frames.avail;
	uint64_t pfn;

	if (order > FRAME_MAX_ORDER ||
	    !counter_claim(counter, 1l << order, flags & (FRAME_CHARGED | FRAME_PT) ? 0 : frames.reserve))
		return FRAME_NONE;
	pfn = order ? take_block(order, flags & FRAME_TRY) : take_single();
	if (!pfn) {
		counter_return(counter, 1l << order);
		return FRAME_NONE;
	}
	check_memory_give(arch_phys_to_virt(pfn << PAGE_SHIFT), PAGE_SIZE << order);
	if (flags & FRAME_ZERO)
		for (uint64_t i = 0; i < 1ul << order; i++)
			frame_clear(arch_phys_to_virt((pfn + i) << PAGE_SHIFT));
	return pfn << PAGE_SHIFT;
}

/* A checked build reports who uses it from now on; the free lists keep their links. */
static inline void frame_taken(paddr_t pa, unsigned order)
{
	check_memory_take((char *)arch_phys_to_virt(pa) + sizeof(struct list),
			  (PAGE_SIZE << order) - sizeof(struct list));
}

static inline void check_used(paddr_t pa, unsigned order)
{
	uint64_t pfn = pa >> PAGE_SHIFT;

	UK_CHECK(IS_ALIGNED(pa, PAGE_SIZE) && pfn && pfn < frames.meta_pages << PAGE_SHIFT &&
		 meta_get(pfn) == (META_USED | order));
}

static void put_single(paddr_t pa)
{
	struct frame_cache *c;
	unsigned long flags;

	check_used(pa, 0);
	frame_taken(pa, 0);
	flags = arch_irq_save();
	c = &frames.cache[cpu_id()];
	uk_spin_lock(&c->lock);
	cache_push(c, pa >> PAGE_SHIFT);
	if (unlikely(c->count > 2 * frames.batch))
		cache_shrink_slow(c, frames.batch);
	uk_spin_unlock_irqrestore(&c->lock, flags);
}

void frame_free(paddr_t pa, unsigned order)
{
	if (order) {
		unsigned long flags;

		UK_CHECK(order <= FRAME_MAX_ORDER);
		check_used(pa, order);
		frame_taken(pa, order);
		uk_spin_lock_irqsave(&frames.lock, flags);
		buddy_insert_locked(pa >> PAGE_SHIFT, order);
		uk_spin_unlock_irqrestore(&frames.lock, flags);
	} else {
		put_single(pa);
	}
	counter_return(&frames.avail, 1l << order);
}

void frame_split(paddr_t pa, unsigned order)
{
	UK_CHECK(order <= FRAME_MAX_ORDER);
	check_used(pa, order);
	for (uint64_t i = 0; i < 1ul << order; i++)
		meta_set((pa >> PAGE_SHIFT) + i, META_USED);
}

void frame_free_charged(paddr_t pa)
{
	put_single(pa);
	counter_return(&frames.committed, 1);
}

void frame_stats(struct frame_stats *s)
{
	int64_t committed = __atomic_load_n(&frames.committed, __ATOMIC_RELAXED);
	int64_t avail = __atomic_load_n(&frames.avail, __ATOMIC_RELAXED);
	int64_t heap = avail - commit_floor();

	s->total = frames.total;
	s->committed = (uint64_t)committed;
	s->free = (uint64_t)(avail + committed);
	s->heap = heap > 0 ? (uint64_t)(heap - heap / ARCH_PT_ENTRIES) : 0;
}

void frame_init(void)
{
	const struct plat_bootinfo *bi = plat_bootinfo();
	uint64_t pages, first, end;

	for (unsigned i = 0; i <= FRAME_MAX_ORDER; i++)
		list_init(&frames.free[i]);
	frames.meta_range = PLAT_MEM_MAX;
	pages = ALIGN_UP((bi->phys_top + PAGE_SIZE - 1) >> PAGE_SHIFT, PAGE_SIZE) >> PAGE_SHIFT;
	for (unsigned i = 0; i < bi->mem_count; i++) {
		range_bounds(i, &first, &end);
		if (end - first > pages && (first + pages) << PAGE_SHIFT <= EARLY_DIRECT_MAP) {
			frames.meta = arch_phys_to_virt(first << PAGE_SHIFT);
			frames.meta_pages = pages;
			frames.meta_range = i;
			break;
		}
	}
	if (!frames.meta)
		plat_boot_error("no room for %lu pages of frame metadata in the first GiB of memory",
				(unsigned long)pages);
	for (unsigned i = 0; i < bi->mem_count; i++) {
		range_bounds(i, &first, &end);
		frames.total += end - first;
	}
	frames.reserve = (int64_t)MIN(MAX(frames.total / 64, 4ul), 32ul);
	/* all caches together hold at most a small share of a small machine */
	frames.batch = frames.total >= 16384 ? CACHE_BATCH : frames.total >= 4096 ? 4 : 1;
	frames.avail = (int64_t)frames.total;
}

void frame_donate(paddr_t pa, uint64_t pages)
{
	uint64_t pfn = pa >> PAGE_SHIFT, given = 0;
	unsigned long flags;

	uk_spin_lock_irqsave(&frames.lock, flags);
	/* below the first section's end on any machine; nothing is lost but these pages if not */
	for (; given < pages && pfn + given < frames.meta_end; given++)
		buddy_insert_locked(pfn + given, 0);
	frames.total += given;
	uk_spin_unlock_irqrestore(&frames.lock, flags);
	counter_return(&frames.avail, (int64_t)given);
}
