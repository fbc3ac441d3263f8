// SPDX-License-Identifier: BSD-3-Clause
/*
 * Wrong accesses to memory, in tutti and its programs: the run-time of -fsanitize=kernel-address (Serebryany et al.,
 * "AddressSanitizer: a fast address sanity checker", USENIX ATC 2012; Linux's KASAN).
 *
 * What it does. One byte of shadow says of 8 bytes of memory whether they may be used (shadow_map.h). The compiler calls in here
 * before every access and lays margins around local and global variables; heap.c lays them around heap blocks and
 * keeps freed ones for a while; the owners of frames, slab objects and kernel stacks say when they are nobody's (check.h);
 * strings.c looks at what a program hands to the C library's string functions, which are not instrumented. The first wrong access
 * ends the run with what it was, whose memory it is, and the stacks of the access, the allocation and the freeing.
 *
 * Where. The shadow covers the lower half of the address space of the host platform, where all of tutti and its programs are:
 * memory that was never touched has a shadow of zeroes, which is to say usable, and faults on its own if it is not mapped.
 * plat/host maps it before instrumented code runs.
 *	Not on vm: there the shadow of the direct map, the kernel's addresses and the program's would have to come from the
 * machine's own frames, an eighth of all memory, by page faults in the middle of every instrumented function, those
 * of the page fault itself included; and what it finds in the same sources, the host platform finds at twenty times the speed.
 *
 * Concurrency. No locks and no order: a shadow byte changes with the ownership of the memory it stands for, and whoever
 * hands memory to another thread orders that. (Two neighbours within 8 bytes never have different owners.) The list of
 * globals is filled by constructors, which run on one thread.
 *
 * Contexts: any, from the first instruction of C on. No memory. In a crash report everything is allowed. Not instrumented.
 *
 * Limits. An overflow that jumps over a margin into another block is not seen, nor one inside an object. A frame that is left
 * by longjmp() is cleared by its wrapper; by a thread's end, when the stack is unmapped. Direct system calls of the
 * program are not looked at.
 */
#include <arch/irqflags.h>
#include <arch/trap.h>

#include "check/check.h"
#include "check/shadow_map.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "plat/host/host.h"
#include "plat/plat.h"
#include "sync/percpu.h"

/* What the compiler describes a variable with (compiler-rt, lib/asan/asan_interface_internal.h). */
struct asan_global {
	uintptr_t start;
	size_t size, size_with_margin;
	const char *name, *module;
	uintptr_t dynamic_init;
	const struct {
		const char *file;
		int line, column;
	} * at;
	uintptr_t odr;
};

#define GLOBAL_LISTS 4096u

static struct {
	struct {
		const struct asan_global *g;
		size_t n;
	} list[GLOBAL_LISTS];
	unsigned lists;
} globals;

/* ---- access ---- */

uintptr_t memory_first_bad(uintptr_t addr, size_t size)
{
	uintptr_t last;

	if (!size || unlikely(__builtin_add_overflow(addr, size - 1, &last)) || unlikely(!shadow_has(last)))
		return 0;
	for (uintptr_t at = ALIGN_DOWN(addr, GRANULE); at <= last;) {
		uint8_t s = *shadow_of(at);

		if (likely(!s)) {
			/* eight granules at once where the shadow is aligned for it */
			if (at % (GRANULE * GRANULE) == 0 && last - at >= GRANULE * GRANULE &&
			    !*(const uint64_t *)shadow_of(at))
				at += GRANULE * GRANULE;
			else
				at += GRANULE;
			continue;
		}
		uintptr_t first = MAX(addr, at + (s < GRANULE ? s : 0));

		if (first <= last && first < at + GRANULE)
			return first;
		at += GRANULE;
	}
	return 0;
}

static inline __attribute__((always_inline)) void small(uintptr_t addr, size_t size, bool write, uintptr_t pc,
							uintptr_t fp)
{
	if (unlikely(!shadow_has(addr)))
		return;
	if (likely(!*shadow_of(addr)) && likely(addr % GRANULE + size <= GRANULE))
		return;
	memory_range((const void *)addr, size, write, pc, fp);
}

/* ---- whose memory it is ---- */

static struct {
	uintptr_t addr, bad;
	size_t size;
	bool write;
	struct stack stack;
	char owner[160]; /* "..., 0 bytes after a block of 10 bytes" */
	struct heap_block block;
	bool has_block;
} report;

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "3 bytes after", "2 bytes into", "1 byte before". */
static void place(char *out, size_t room, uintptr_t addr, uintptr_t start, size_t size)
{
	size_t n = addr < start ? start - addr : addr < start + size ? addr - start : addr - (start + size);

	fmt_snprintf(out, room, "%lu byte%s %s", n, plural(n),
		     addr < start	   ? "before"
		     : addr < start + size ? "into"
					   : "after");
}

static const char *describe_heap(uintptr_t bad, bool freed)
{
	char where[48];

	report.has_block = heap_find(bad, &report.block);
	if (report.has_block) {
		place(where, sizeof(where), bad, report.block.start, report.block.size);
		fmt_snprintf(report.owner, sizeof(report.owner), ", %s a %sblock of %lu byte%s", where,
			     report.block.freed ? "freed " : "", report.block.size, plural(report.block.size));
		if (bad < report.block.start)
			return "heap-buffer-underflow";
	}
	return freed ? "heap-use-after-free" : "heap-buffer-overflow";
}

static const char *describe_global(uintptr_t bad)
{
	const struct asan_global *best = NULL;
	char where[48];

	for (unsigned i = 0; i < globals.lists; i++) {
		for (size_t j = 0; j < globals.list[i].n; j++) {
			const struct asan_global *g = &globals.list[i].g[j];

			if (bad >= g->start && bad < g->start + g->size_with_margin)
				best = g;
		}
	}
	if (best) {
		place(where, sizeof(where), bad, best->start, best->size);
		fmt_snprintf(report.owner, sizeof(report.owner), ", %s global variable '%s' of %lu byte%s (%s)", where,
			     best->name, best->size, plural(best->size), best->module);
	}
	return "global-buffer-overflow";
}

static unsigned long number(const char **s)
{
	unsigned long n = 0;

	while (**s == ' ')
		++*s;
	for (; **s >= '0' && **s <= '9'; ++*s)
		n = n * 10 + (unsigned long)(**s - '0');
	return n;
}

/*
 * A frame begins with a left margin: a magic number, then the text "count {offset size length name[:line]} ...", from which the
 * nearest variable is taken.
 */
#define FRAME_MAGIC 0x41b58ab3ul
#define FRAME_MAX   (1ul << 20)

static void describe_frame(uintptr_t bad)
{
	uintptr_t at = ALIGN_DOWN(bad, GRANULE), best = 0;
	size_t best_size = 0, best_far = SIZE_MAX, best_length = 0;
	const char *text, *best_name = NULL;
	uint64_t magic, string;
	char name[48], where[48];
	unsigned long n;

	for (uintptr_t end = at - FRAME_MAX; *shadow_of(at) != SHADOW_STACK_LEFT; at -= GRANULE)
		if (at <= end)
			return;
	while (*shadow_of(at - GRANULE) == SHADOW_STACK_LEFT)
		at -= GRANULE;
	if (!arch_safe_read(at, &magic) || magic != FRAME_MAGIC || !arch_safe_read(at + 8, &string) ||
	    !arch_safe_read(ALIGN_DOWN(string, 8ul), &magic))
		return;
	text = (const char *)string;
	for (n = number(&text); n; n--) {
		uintptr_t start = at + number(&text);
		size_t size = number(&text), length = number(&text), far;

		far = bad < start ? start - bad : bad < start + size ? 0 : bad - (start + size);
		if (*text == ' ')
			text++;
		if (far <= best_far) {
			best = start;
			best_size = size;
			best_far = far;
			best_name = text;
			best_length = length;
		}
		text += length;
	}
	if (!best_name)
		return;
	best_length = MIN(best_length, sizeof(name) - 1);
	memcpy(name, best_name, best_length);
	name[best_length] = 0;
	/* gcc adds the line */
	for (char *c = name; *c; c++)
		if (*c == ':')
			*c = 0;
	place(where, sizeof(where), bad, best, best_size);
	fmt_snprintf(report.owner, sizeof(report.owner), ", %s local variable '%s' of %lu byte%s", where, name,
		     best_size, plural(best_size));
}

static const char *describe(uintptr_t bad)
{
	uint8_t s = *shadow_of(bad);

	/* behind the end of something whose last 8 bytes are used in part: what follows says what it is */
	if (s < GRANULE)
		s = *shadow_of(bad + GRANULE);
	switch (s) {
	case SHADOW_HEAP_LEFT:
	case SHADOW_HEAP_RIGHT:
		return describe_heap(bad, false);
	case SHADOW_FREED:
		return describe_heap(bad, true);
	case SHADOW_GLOBAL:
		return describe_global(bad);
	case SHADOW_STACK_LEFT:
	case SHADOW_STACK_MIDDLE:
	case SHADOW_STACK_RIGHT:
		describe_frame(bad);
		return "stack-buffer-overflow";
	case SHADOW_SCOPE:
		describe_frame(bad);
		return "stack-use-after-scope";
	case SHADOW_ALLOCA_LEFT:
	case SHADOW_ALLOCA_RIGHT:
		return "dynamic-stack-buffer-overflow";
	case SHADOW_TAKEN:
		return "use of kernel memory that nobody has (freed frame, object or stack)";
	default:
		return "wrong address";
	}
}

static void lines(void *arg)
{
	(void)arg;
	stack_print(report.stack.pc, STACK_DEPTH);
	if (!report.has_block)
		return;
	if (report.block.freed) {
		plat_log('C', "  the block was freed by:");
		stack_print(report.block.freed_by.pc, STACK_DEPTH);
	}
	plat_log('C', "  the block was allocated by:");
	stack_print(report.block.allocated_by.pc, STACK_DEPTH);
}

/* One report is made; others wait here until it has stopped them. True for the one. */
static bool report_begin(uintptr_t pc, uintptr_t fp)
{
	static const struct uk_thread *owner;
	const struct uk_thread *nobody = NULL;
	const struct uk_thread *me = current_thread() ? current_thread() : (const struct uk_thread *)1;

	unsigned long flags;

	if (plat_crash_begun)
		return false;
	/* from here on the report is not interrupted: what comes in between on this CPU comes from inside it */
	flags = arch_irq_save();
	/* one word, one winner: nothing else is published by it */
	if (!__atomic_compare_exchange_n(&owner, &nobody, me, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		if (nobody == me)
			return false;
		/* another thread's: it ends the run; on this CPU it may need the CPU for that */
		arch_irq_restore(flags);
		while (!plat_crash_begun)
			__asm__ volatile("pause");
		return false;
	}
	stack_walk(report.stack.pc, STACK_DEPTH, pc, fp);
	return true;
}

__cold void memory_report(uintptr_t addr, size_t size, bool write, uintptr_t bad, uintptr_t pc, uintptr_t fp)
{
	const char *kind;

	if (!report_begin(pc, fp))
		return;
	kind = describe(bad);
	check_end(lines, NULL, "%s: %s of %lu byte%s at 0x%lx%s", kind, write ? "write" : "read", size, plural(size),
		  addr, report.owner);
}

__cold void memory_report_free(uintptr_t addr, bool twice, uintptr_t pc, uintptr_t fp)
{
	uint8_t s;

	if (!report_begin(pc, fp))
		return;
	s = shadow_has(addr) ? *shadow_of(addr) : 0;
	if (s >= SHADOW_HEAP_LEFT && s <= SHADOW_FREED) {
		describe_heap(addr, false);
	} else if (shadow_has(addr)) {
		char where[48];

		/* perhaps inside a block */
		report.has_block = heap_find(addr, &report.block) && addr >= report.block.start &&
				   addr <= report.block.start + report.block.size;
		if (report.has_block) {
			place(where, sizeof(where), addr, report.block.start, report.block.size);
			fmt_snprintf(report.owner, sizeof(report.owner), ", %s a block of %lu byte%s", where,
				     report.block.size, plural(report.block.size));
		}
	}
	if (twice)
		check_end(lines, NULL, "double free: of 0x%lx, a block of %lu byte%s", addr, report.block.size,
			  plural(report.block.size));
	check_end(lines, NULL, "invalid free: 0x%lx was not returned by malloc%s", addr, report.owner);
}

/* ---- the rest of tutti ---- */

void check_memory_give(const void *p, size_t len)
{
	shadow_unpoison((uintptr_t)p, len);
}

void check_memory_take(const void *p, size_t len)
{
	shadow_poison((uintptr_t)p, len, SHADOW_TAKEN);
}

#define FORGET_BY_PAGES (64ul << 10) /* bytes of shadow from which on giving them back is cheaper than clearing them */

void check_memory_forget(uintptr_t start, size_t len)
{
	uintptr_t first = (uintptr_t)shadow_of(start), last = (uintptr_t)shadow_of(start + len);
	uintptr_t inner = ALIGN_UP(first, PAGE_SIZE), outer = ALIGN_DOWN(last, PAGE_SIZE);

	if (!shadow_has(start))
		return;
	if (last - first < FORGET_BY_PAGES || !plat_reserve_fixed(inner, outer - inner)) {
		shadow_fill((uint8_t *)first, 0, last - first);
		return;
	}
	shadow_fill((uint8_t *)first, 0, inner - first);
	shadow_fill((uint8_t *)outer, 0, last - outer);
}

/* ---- what the compiler calls ---- */

#define ACCESS(n)                                                               \
	void __asan_load##n##_noabort(uintptr_t addr)                           \
	{                                                                       \
		small(addr, n, false, CALLER_PC(), CALLER_FP());                \
	}                                                                       \
	void __asan_store##n##_noabort(uintptr_t addr)                          \
	{                                                                       \
		small(addr, n, true, CALLER_PC(), CALLER_FP());                 \
	}                                                                       \
	void __asan_load##n(uintptr_t addr)                                     \
	{                                                                       \
		small(addr, n, false, CALLER_PC(), CALLER_FP());                \
	}                                                                       \
	void __asan_store##n(uintptr_t addr)                                    \
	{                                                                       \
		small(addr, n, true, CALLER_PC(), CALLER_FP());                 \
	}                                                                       \
	void __asan_report_load##n##_noabort(uintptr_t addr)                    \
	{                                                                       \
		memory_range((void *)addr, n, false, CALLER_PC(), CALLER_FP()); \
	}                                                                       \
	void __asan_report_store##n##_noabort(uintptr_t addr)                   \
	{                                                                       \
		memory_range((void *)addr, n, true, CALLER_PC(), CALLER_FP());  \
	}
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

#define RANGE(name, write)                                                               \
	void __asan_##name(uintptr_t addr, size_t size)                                  \
	{                                                                                \
		memory_range((const void *)addr, size, write, CALLER_PC(), CALLER_FP()); \
	}
RANGE(loadN_noabort, false)
RANGE(storeN_noabort, true)
RANGE(loadN, false)
RANGE(storeN, true)
RANGE(report_load_n_noabort, false)
RANGE(report_store_n_noabort, true)

/* clang makes these of the built-ins. */
void *__asan_memcpy(void *dst, const void *src, size_t n)
{
	memory_range(src, n, false, CALLER_PC(), CALLER_FP());
	memory_range(dst, n, true, CALLER_PC(), CALLER_FP());
	return memcpy(dst, src, n);
}

void *__asan_memmove(void *dst, const void *src, size_t n)
{
	memory_range(src, n, false, CALLER_PC(), CALLER_FP());
	memory_range(dst, n, true, CALLER_PC(), CALLER_FP());
	return memmove(dst, src, n);
}

void *__asan_memset(void *dst, int c, size_t n)
{
	memory_range(dst, n, true, CALLER_PC(), CALLER_FP());
	return memset(dst, c, n);
}

/*
 * The frames above are not returned to. On a kernel stack they may be written over by the next system call (signal return): none
 * of their margins stays.
 */
void __asan_handle_no_return(void)
{
	uintptr_t sp = ALIGN_DOWN((uintptr_t)__builtin_frame_address(0), GRANULE), top = percpu_read(kstack_top);

	if (sp >= percpu_read(kstack_base) && sp < top)
		shadow_unpoison(sp, ALIGN_DOWN(top - sp, GRANULE));
}

void __asan_register_globals(const struct asan_global *g, size_t n)
{
	if (globals.lists < GLOBAL_LISTS) {
		globals.list[globals.lists].g = g;
		globals.list[globals.lists++].n = n;
	}
	for (; n; n--, g++) {
		uintptr_t end = ALIGN_UP(g->start + g->size, GRANULE);

		shadow_poison(end, g->start + g->size_with_margin - end, SHADOW_GLOBAL);
		if (g->size % GRANULE)
			*shadow_of(g->start + g->size) = (uint8_t)(g->size % GRANULE);
	}
}

void __asan_unregister_globals(const struct asan_global *g, size_t n)
{
	for (; n; n--, g++)
		shadow_unpoison(g->start, ALIGN_UP(g->size_with_margin, GRANULE));
}

#define ALLOCA_MARGIN 32ul

void __asan_alloca_poison(uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size, right = ALIGN_UP(end, ALLOCA_MARGIN), partial = ALIGN_DOWN(end, GRANULE);

	shadow_poison(addr - ALLOCA_MARGIN, ALLOCA_MARGIN, SHADOW_ALLOCA_LEFT);
	shadow_poison(partial, right + ALLOCA_MARGIN - partial, SHADOW_ALLOCA_RIGHT);
	if (end % GRANULE)
		*shadow_of(end) = (uint8_t)(end % GRANULE);
}

void __asan_allocas_unpoison(uintptr_t top, uintptr_t bottom)
{
	if (top && top <= bottom)
		shadow_fill(shadow_of(top), 0, (bottom - top) / GRANULE);
}

void __asan_poison_stack_memory(uintptr_t addr, size_t size)
{
	shadow_poison(addr, size, SHADOW_SCOPE);
}

void __asan_unpoison_stack_memory(uintptr_t addr, size_t size)
{
	shadow_unpoison(addr, size);
}

#define SET_SHADOW(value)                                            \
	void __asan_set_shadow_##value(uint8_t *shadow, size_t size) \
	{                                                            \
		shadow_fill(shadow, 0x##value, size);                \
	}
SET_SHADOW(00)
SET_SHADOW(f1)
SET_SHADOW(f2)
SET_SHADOW(f3)
SET_SHADOW(f5)
SET_SHADOW(f8)
