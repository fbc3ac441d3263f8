// SPDX-License-Identifier: BSD-3-Clause
/*
 * The heap of CHECK=memory: malloc and its relatives over whichever allocator was chosen, with a margin around every block and
 * freed blocks kept for a while. The malloc entry stubs lead here (alloc/registry.c).
 *
 * A block inside one of the allocator's own:
 *
 *	raw                            start
 *	| (alignment) | description 128 | size bytes .. | margin, 32 to 512 |
 *	  HEAP_LEFT     HEAP_LEFT         usable          HEAP_RIGHT             shadow
 *
 * The description has the size, the state and who allocated and freed the block (32 bits per address, counted from the start of the
 * text). It is in the shadow of the margin, so only this file and uninstrumented code can touch it.
 *
 * States: LIVE -> FREED by compare-and-swap, so of two CPUs that free a block at once exactly one gets through and the other
 * reports; then it is in quarantine, its bytes poisoned, in a list in order of freeing. When the list holds more than its
 * share of memory (1/16 of the machine's, at most 64 MiB) the oldest go back to the allocator, with a clean shadow over all of the
 * raw block: what the allocator does with it is its own business.
 *
 * Lock: the quarantine's, a leaf; nothing is called with it held. Its memory may fault while it is held, as with any allocator.
 * Contexts: thread, as malloc. No memory: the quarantine is emptied and the allocator asked once more, then NULL
 * with ENOMEM.
 */
#include <arch/image.h>

#include "check/check.h"
#include "check/shadow_map.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

#define MAGIC	       0x6b636568637474ull
#define ALIGN_MIN      16ul
#define QUARANTINE_MAX (64ul << 20)
#define FIND_MAX       (1ul << 31) /* bytes that a block is looked for in either direction */

enum { LIVE = 0x1111, FREED = 0xdead };

struct block {
	uint64_t magic; /* ^ start */
	size_t size;
	char *raw;
	size_t raw_size;
	struct block *next; /* [lock] in quarantine */
	uint32_t state;	    /* [a] */
	uint32_t unused;
	uint32_t allocated_by[HEAP_DEPTH];
	uint32_t freed_by[HEAP_DEPTH];
};
_Static_assert(sizeof(struct block) == 128, "the margin before a block");

LOCK_CLASS(quarantine_class, "quarantine", 20, 0, "freed blocks of --check memory; its memory may fault while held");

static struct {
	struct check_heap under; /* [I] */
	size_t limit;		 /* [I] */
	struct uk_spinlock lock;
	struct block *first, *last; /* [lock] */
	size_t bytes;		    /* [lock] */
} heap = { .lock = SPINLOCK_INIT(&quarantine_class) };

void memory_report_free(uintptr_t addr, bool twice, uintptr_t pc, uintptr_t fp);
int *__errno_location(void);

void check_heap_init(const struct check_heap *h)
{
	const struct plat_bootinfo *bi = plat_bootinfo();
	size_t memory = 0;

	for (unsigned i = 0; i < bi->mem_count; i++)
		memory += bi->mem[i].len;
	heap.limit = MIN(memory / 16, QUARANTINE_MAX);
	heap.under = *h;
}

/* ---- stacks ---- */

static void stack_pack(uint32_t *out, uintptr_t pc, uintptr_t fp)
{
	uintptr_t wide[HEAP_DEPTH];

	stack_walk(wide, HEAP_DEPTH, pc, fp);
	for (unsigned i = 0; i < HEAP_DEPTH; i++) {
		out[i] = wide[i] ? (uint32_t)(wide[i] - (uintptr_t)__text_start) : 0;
		if (!wide[i])
			break;
	}
}

static void stack_unpack(struct stack *s, const uint32_t *in)
{
	unsigned i = 0;

	for (; i < HEAP_DEPTH && in[i]; i++)
		s->pc[i] = in[i] + (uintptr_t)__text_start;
	s->pc[i] = 0;
}
_Static_assert(HEAP_DEPTH < STACK_DEPTH, "room for the end");

/* ---- blocks ---- */

static struct block *block_of(const void *p)
{
	const uintptr_t addr = (uintptr_t)p;
	struct block *b = (struct block *)addr - 1;

	/* the shadow first: it can be read whatever the pointer is */
	if (!IS_ALIGNED(addr, ALIGN_MIN) || !shadow_has(addr) || addr < sizeof(*b) ||
	    *shadow_of(addr - 1) != SHADOW_HEAP_LEFT || *shadow_of((uintptr_t)b) != SHADOW_HEAP_LEFT ||
	    b->magic != (MAGIC ^ addr))
		return NULL;
	return b;
}

static void give_back(struct block *b)
{
	while (b) {
		struct block *next = b->next;
		char *raw = b->raw;

		b->magic = 0;
		shadow_unpoison((uintptr_t)raw, b->raw_size);
		heap.under.free(raw);
		b = next;
	}
}

/* Take the oldest blocks out until at most `keep` bytes are left. */
static struct block *quarantine_take_locked(size_t keep) REQUIRES(heap.lock);
static struct block *quarantine_take_locked(size_t keep)
{
	struct block *list = heap.first, *end = NULL;

	uk_spin_assert_held(&heap.lock);
	while (heap.bytes > keep) {
		end = heap.first;
		heap.bytes -= end->raw_size;
		heap.first = end->next;
	}
	if (!end)
		return NULL;
	end->next = NULL;
	if (!heap.first)
		heap.last = NULL;
	return list;
}

static void quarantine_shrink(size_t keep)
{
	struct block *list;

	uk_spin_lock(&heap.lock);
	list = quarantine_take_locked(keep);
	uk_spin_unlock(&heap.lock);
	give_back(list);
}

static void quarantine_add(struct block *b)
{
	bool full;

	b->next = NULL;
	uk_spin_lock(&heap.lock);
	if (heap.last)
		heap.last->next = b;
	else
		heap.first = b;
	heap.last = b;
	heap.bytes += b->raw_size;
	full = heap.bytes > heap.limit;
	uk_spin_unlock(&heap.lock);
	if (full)
		quarantine_shrink(heap.limit - heap.limit / 8);
}

static size_t margin(size_t n)
{
	return n <= 1024 ? 32 : n <= 16384 ? 128 : 512;
}

static void *block_new(size_t n, size_t align, bool zero, uintptr_t pc, uintptr_t fp)
{
	size_t total;
	struct block *b;
	uintptr_t start, end;
	char *raw;

	align = MAX(align, ALIGN_MIN);
	if (__builtin_add_overflow(n, sizeof(*b) + (align > ALIGN_MIN ? align : 0) + margin(n) + GRANULE, &total) ||
	    total > (size_t)PTRDIFF_MAX) {
		*__errno_location() = ENOMEM;
		return NULL;
	}
	total = ALIGN_DOWN(total, GRANULE);
	for (bool again = false;; again = true) {
		raw = zero ? heap.under.calloc(1, total) : heap.under.malloc(total);
		if (raw)
			break;
		if (again)
			return NULL;
		quarantine_shrink(0);
	}
	start = ALIGN_UP((uintptr_t)raw + sizeof(*b), align);
	b = (struct block *)start - 1;
	b->magic = MAGIC ^ start;
	b->size = n;
	b->raw = raw;
	b->raw_size = total;
	b->next = NULL;
	b->freed_by[0] = 0;
	stack_pack(b->allocated_by, pc, fp);
	__atomic_store_n(&b->state, LIVE, __ATOMIC_RELAXED);
	end = ALIGN_UP(start + n, GRANULE);
	shadow_poison((uintptr_t)raw, start - (uintptr_t)raw, SHADOW_HEAP_LEFT);
	shadow_unpoison(start, n);
	shadow_poison(end, (uintptr_t)raw + total - end, SHADOW_HEAP_RIGHT);
	return (void *)start;
}

/* The block, if it is one and live; else the end of the run. */
static struct block *block_live(void *p, uintptr_t pc, uintptr_t fp)
{
	struct block *b = block_of(p);

	if (unlikely(!b)) {
		memory_report_free((uintptr_t)p, false, pc, fp);
		return NULL;
	}
	if (unlikely(__atomic_load_n(&b->state, __ATOMIC_RELAXED) != LIVE)) {
		memory_report_free((uintptr_t)p, true, pc, fp);
		return NULL;
	}
	return b;
}

static void block_free(void *p, uintptr_t pc, uintptr_t fp)
{
	struct block *b = block_live(p, pc, fp);
	uint32_t live = LIVE;

	if (!b)
		return;
	if (!__atomic_compare_exchange_n(&b->state, &live, FREED, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		memory_report_free((uintptr_t)p, true, pc, fp);
		return;
	}
	stack_pack(b->freed_by, pc, fp);
	shadow_poison((uintptr_t)p, b->size, SHADOW_FREED);
	quarantine_add(b);
}

/* ---- for the report ---- */

static bool take(uintptr_t start, struct heap_block *out)
{
	const struct block *b = block_of((const void *)start);

	if (!b)
		return false;
	out->start = start;
	out->size = b->size;
	out->freed = __atomic_load_n(&b->state, __ATOMIC_RELAXED) == FREED;
	stack_unpack(&out->allocated_by, b->allocated_by);
	stack_unpack(&out->freed_by, b->freed_by);
	if (!out->freed)
		out->freed_by.pc[0] = 0;
	return true;
}

/* Where the margin in front of a block ends: its start. Downwards from addr, or upwards; 0: none there. */
static uintptr_t start_below(uintptr_t addr)
{
	const uintptr_t low = addr > FIND_MAX ? addr - FIND_MAX : 0;

	addr = ALIGN_DOWN(addr, GRANULE);
	if (*shadow_of(addr) == SHADOW_HEAP_LEFT)
		while (addr > low && *shadow_of(addr) == SHADOW_HEAP_LEFT)
			addr -= GRANULE;
	while (addr > low && *shadow_of(addr) != SHADOW_HEAP_LEFT)
		addr -= GRANULE;
	return addr > low ? addr + GRANULE : 0;
}

static uintptr_t start_above(uintptr_t addr)
{
	addr = ALIGN_DOWN(addr, GRANULE);
	while (*shadow_of(addr) == SHADOW_HEAP_LEFT)
		addr += GRANULE;
	return addr;
}

bool heap_find(uintptr_t addr, struct heap_block *out)
{
	struct heap_block above;
	uintptr_t at = start_below(addr);
	bool below = at && take(at, out);

	if (*shadow_of(addr) != SHADOW_HEAP_LEFT || !take(start_above(addr), &above))
		return below;
	/* in the margin between two blocks: the nearer one */
	if (!below || above.start - addr <= addr - (out->start + out->size))
		*out = above;
	return true;
}

/* ---- C library shaped ---- */

void *check_malloc(size_t n)
{
	return block_new(n, ALIGN_MIN, false, CALLER_PC(), CALLER_FP());
}

void *check_calloc(size_t m, size_t n)
{
	size_t total;

	if (__builtin_mul_overflow(m, n, &total)) {
		*__errno_location() = ENOMEM;
		return NULL;
	}
	return block_new(total, ALIGN_MIN, true, CALLER_PC(), CALLER_FP());
}

/* Always a new block: an old pointer that is still used shows. */
void *check_realloc(void *p, size_t n)
{
	struct block *b;
	void *new;

	if (!p)
		return block_new(n, ALIGN_MIN, false, CALLER_PC(), CALLER_FP());
	b = block_live(p, CALLER_PC(), CALLER_FP());
	if (!b)
		return NULL;
	new = block_new(n, ALIGN_MIN, false, CALLER_PC(), CALLER_FP());
	if (!new)
		return NULL;
	memcpy(new, p, MIN(n, b->size));
	block_free(p, CALLER_PC(), CALLER_FP());
	return new;
}

void check_free(void *p)
{
	if (p)
		block_free(p, CALLER_PC(), CALLER_FP());
}

int check_posix_memalign(void **p, size_t align, size_t n)
{
	int saved = *__errno_location();
	void *new;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	new = block_new(n, align, false, CALLER_PC(), CALLER_FP());
	if (!new) {
		*__errno_location() = saved;
		return ENOMEM;
	}
	*p = new;
	return 0;
}

void *check_memalign(size_t align, size_t n)
{
	if (!align || (align & (align - 1))) {
		*__errno_location() = EINVAL;
		return NULL;
	}
	return block_new(n, align, false, CALLER_PC(), CALLER_FP());
}

void *check_aligned_alloc(size_t align, size_t n)
{
	if (!align || (align & (align - 1))) {
		*__errno_location() = EINVAL;
		return NULL;
	}
	return block_new(n, align, false, CALLER_PC(), CALLER_FP());
}

size_t check_usable_size(void *p)
{
	struct block *b = p ? block_live(p, CALLER_PC(), CALLER_FP()) : NULL;

	return b ? b->size : 0;
}
