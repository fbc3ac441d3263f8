// SPDX-License-Identifier: BSD-3-Clause
/*
 * Data races of tutti and of its programs, found by sampling: the run-time of -fsanitize=thread, after the kernel
 * concurrency sanitizer of Linux (Elver et al., "Finding race conditions in the kernel with KCSAN", LWN 816850, 2020) and
 * DataCollider (Erickson et al., OSDI 2010).
 *
 * What it does. The compiler calls in here before every access to memory that may be shared. Now and then (a random number of
 * accesses apart) a CPU does not go on but leaves a watchpoint for the access it is about to make, waits a random time, and takes
 * it away. Whoever makes an access meanwhile that meets a watchpoint (the same bytes, one of the two a write, not both
 * marked) has found a race: both threads stand before their accesses at the same time, so nothing that either has done
 * orders them. There are no false reports of this kind, whatever the program uses to synchronize; what is not met is not
 * found. If the bytes change while they are watched and nobody was met, the writer is code that is not instrumented (C
 * library, upstream allocator, assembly), or had looked for watchpoints just before this one: the same argument holds, so
 * it is reported too, with one stack, if the other does not come by again.
 *
 * Plain and marked. Atomic and volatile accesses are marked: they look for watchpoints but never leave one, so two of them never
 * race. At least one side of a report is plain.
 *
 * Order. On x86 stores do not overtake each other, but C allows it: a value that is published by a relaxed store
 * need not be seen by who sees the flag. So the last plain access that a CPU has watched stays `late`. If the thread then makes
 * a marked write without release order, the late access is watched once more, now after it: as long as no release has
 * happened nobody else may touch these bytes. It ends with any release operation or fence (also inside
 * the C library's functions that synchronize: race_wrap.S), with any return from a function, with another sample.
 *
 * Objects. race.watch: one word per watchpoint, found by the line of memory (64 bytes) it is in; a watchpoint never leaves its
 * line, and where the slot is taken a sample is dropped. found: per slot, what the other side writes down for the one
 * who watches. race_cpus: counter to the next sample, late access.
 *
 * Concurrency. No locks. A word of race.watch goes 0 -> access (the watcher, compare-and-swap), access -> RACE_FOUND (one
 * other side, compare-and-swap: only while the watcher still waits), access or RACE_FOUND -> 0 (the watcher). Between the
 * second and the watcher's look at found[].ready the slot belongs to the other side, which fills it in, releases `ready` and
 * waits until the report has stopped it; so both stacks are those of the race. Nobody else waits for anybody, the other
 * side a limited time.
 *	The thread may be preempted and moved anywhere outside of the slow halves, which have interrupts off. So the fast path may
 * count down another CPU's counter, losing a step, or end another CPU's late access, losing a chance: both are
 * plain words whose every value is a right one. `late` itself is written and believed with interrupts off only,
 * together with the thread it belongs to. Interrupts off also keep the CPU from meeting its own watchpoint. An access that would
 * fault (demand paging, a wild pointer) is not watched: the fault belongs to the program's instruction, not to this code.
 *
 * Contexts: any, after check_start(); before that, and inside a crash report, all calls return at once. In interrupts and with
 * interrupts off the wait is short. Not instrumented itself. No memory. With one CPU nothing is ever found.
 *
 * Limits: the C library and upstream allocators are not instrumented; memory that they write on behalf of
 * two threads shows only as a changed value. Inline assembly is not seen: a lock written in it does not end a late access.
 */
#include "check/race.h"

#include <arch/image.h>
#include <arch/insn.h>
#include <arch/irqflags.h>
#include <arch/trap.h>

#include "check/check.h"
#include "plat/plat.h"
#include "sync/spin.h"

#define SKIP_MAX	4096u  /* accesses */
#define WAIT_MAX	65536u /* ns */
#define WAIT_MAX_ATOMIC 8192u  /* interrupts are off, or a lock is held */
#define SECOND_LOOKS	32u
#define GIVE_UP_NS	2000000000ul

struct found {
	uint32_t ready; /* [a] 1: the rest is valid */
	uint32_t cpu;
	struct race_access access;
	struct stack stack;
};

struct race_state race;
struct race_cpu race_cpus[CONFIG_MAX_CPUS];
_Static_assert(sizeof(struct race_cpu) == 128 && offsetof(struct race_cpu, late_set) == 0, "race_wrap.S");
_Static_assert(offsetof(struct percpu, idx) == 40, "race_wrap.S");
static struct found found[RACE_SLOTS];

/* What a report is about. */
static struct {
	struct race_access a, b;
	unsigned cpu_a, cpu_b;
	struct stack stack_a, stack_b;
	bool known; /* b is */
	uint64_t before, after;
} report;

static uint32_t next_random(struct race_cpu *c)
{
	uint32_t r = c->random;

	/* Marsaglia, "Xorshift RNGs", 2003 */
	r ^= r << 13;
	r ^= r >> 17;
	r ^= r << 5;
	return c->random = r;
}

void check_start(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
		race_cpus[i].random = (uint32_t)arch_rdtsc() * 2654435761u + i * 40503u + 1;
		if (!race_cpus[i].random)
			race_cpus[i].random = 1;
		race_cpus[i].skip = (int32_t)(next_random(&race_cpus[i]) % SKIP_MAX);
	}
	race.on = true;
}

/* ---- report ---- */

static const char *words(unsigned kind)
{
	static const char *const names[] = { "read", "write", "marked read", "marked write" };

	return names[kind & (RACE_WRITE | RACE_MARKED)];
}

static void lines(void *arg)
{
	(void)arg;
	plat_log('C', "  %s of %lu byte%s at 0x%lx by CPU %u%s:", words(report.a.kind), report.a.size,
		 report.a.size == 1 ? "" : "s", report.a.addr, report.cpu_a,
		 report.a.kind & RACE_LATE
			 ? ", which nothing makes visible before a later write that has no release order"
			 : "");
	stack_print(report.stack_a.pc, STACK_DEPTH);
	if (report.known) {
		plat_log('C', "  %s of %lu byte%s at 0x%lx by CPU %u:", words(report.b.kind), report.b.size,
			 report.b.size == 1 ? "" : "s", report.b.addr, report.cpu_b);
		stack_print(report.stack_b.pc, STACK_DEPTH);
	}
	if (report.before != report.after)
		plat_log('C', "  the value changed meanwhile from 0x%lx to 0x%lx", report.before, report.after);
	if (!report.known)
		plat_log(
			'C',
			"  who changed it was not seen: code that is not instrumented (C library, allocator, assembly), "
			"or an access that had just begun");
}

static __attribute__((noreturn)) void report_race(void)
{
	race.on = false;
	if (report.known)
		check_end(lines, NULL, "data race: %s of %lu byte%s at 0x%lx by CPU %u and %s by CPU %u",
			  words(report.a.kind), report.a.size, report.a.size == 1 ? "" : "s", report.a.addr,
			  report.cpu_a, words(report.b.kind), report.cpu_b);
	check_end(lines, NULL, "data race: %s of %lu byte%s at 0x%lx by CPU %u, changed meanwhile",
		  words(report.a.kind), report.a.size, report.a.size == 1 ? "" : "s", report.a.addr, report.cpu_a);
}

/* ---- the side that finds a watchpoint ---- */

static bool still(const struct found *f, uint64_t deadline)
{
	return __atomic_load_n(&f->ready, __ATOMIC_RELAXED) && plat_monotonic_ns() < deadline;
}

static bool meet(const struct race_access *a, unsigned slot)
{
	uint64_t w = __atomic_load_n(&race.watch[slot], __ATOMIC_RELAXED);
	struct found *f = &found[slot];
	unsigned looks = 0;
	uint64_t deadline;

	if (likely(!race_meets(w, a->addr, a->size, a->kind)))
		return false;
	/* pairs with the watcher's compare-and-swap: its look at `ready` comes after the slot has become ours */
	if (!__atomic_compare_exchange_n(&race.watch[slot], &w, RACE_FOUND, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	f->cpu = cpu_id();
	f->access = *a;
	stack_walk(f->stack.pc, STACK_DEPTH, a->pc, a->fp);
	__atomic_store_n(&f->ready, 1, __ATOMIC_RELEASE); /* pairs with the acquire in watch() */
	deadline = plat_monotonic_ns() + GIVE_UP_NS;
	while (still(f, deadline))
		spin_wait(&looks);
	return true;
}

__noinline void race_found_slow(const struct race_access *a)
{
	unsigned long flags = arch_irq_save();
	struct race_cpu *c = race_this_cpu();

	if (race.on && !c->busy && !plat_crash_begun) {
		uintptr_t line = a->addr / RACE_LINE, last = (a->addr + a->size - 1) / RACE_LINE;

		c->busy = 1;
		if (last - line >= RACE_SLOTS) {
			for (unsigned slot = 0; slot < RACE_SLOTS; slot++)
				if (meet(a, slot))
					break;
		} else {
			for (; line <= last; line++)
				if (meet(a, race_slot(line * RACE_LINE)))
					break;
		}
		c->busy = 0;
	}
	arch_irq_restore(flags);
}

/* ---- the side that watches ---- */

/* size: 1, 2, 4 or 8. */
static uint64_t value(uintptr_t addr, size_t size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)addr;
	case 2:
		return *(const volatile uint16_t *)addr;
	case 4:
		return *(const volatile uint32_t *)addr;
	default:
		return *(const volatile uint64_t *)addr;
	}
}

static bool mapped(uintptr_t addr, size_t size)
{
	uintptr_t first = ALIGN_DOWN(addr, 8ul), last = ALIGN_DOWN(addr + size - 1, 8ul);
	uint64_t word;

	return arch_safe_read(first, &word) && (first == last || arch_safe_read(last, &word));
}

/*
 * Leave the watchpoint for `wait` ns. False: the slot was taken, nothing happened. Otherwise *other says whether somebody met it, and
 * the values are those before and after (0 if has_value is not set).
 */
static bool watch_once(const struct race_access *a, unsigned slot, uint64_t w, bool has_value, uint64_t wait,
		       bool *other, uint64_t *before, uint64_t *after)
{
	uint64_t expected = 0, start;
	unsigned looks = 0;

	if (!__atomic_compare_exchange_n(&race.watch[slot], &expected, w, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	*before = has_value ? value(a->addr, a->size) : 0;
	start = plat_monotonic_ns();
	do {
		spin_wait(&looks);
	} while (__atomic_load_n(&race.watch[slot], __ATOMIC_RELAXED) == w && plat_monotonic_ns() - start < wait);
	*after = has_value ? value(a->addr, a->size) : 0;
	expected = w;
	*other = !__atomic_compare_exchange_n(&race.watch[slot], &expected, 0, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED);
	return true;
}

/* Interrupts are off, busy is set. Comes back if there was no race. */
static void watch(const struct race_access *a, struct race_cpu *c, uint64_t wait)
{
	static uint32_t reporting;
	const size_t size = MIN(a->size, RACE_LINE - a->addr % RACE_LINE);
	const bool has_value = !(a->kind & RACE_LATE) && size == a->size && size <= 8 && !(size & (size - 1));
	const uint64_t w = (a->addr & RACE_ADDRESS) | (uint64_t)size << RACE_SIZE_AT |
			   (uint64_t)(a->kind & RACE_WRITE) << RACE_WRITE_AT;
	unsigned slot = race_slot(a->addr), looks = 0;
	uint64_t before, after, last;
	bool other;

	if (!mapped(a->addr, size) || !watch_once(a, slot, w, has_value, wait, &other, &before, &after))
		return;
	if (!other && before == after)
		return;
	/*
	 * Somebody has changed it, which is a race; but who? Perhaps code that is not instrumented, perhaps an access that
	 * had been looked at before the watchpoint was there. Racing code mostly comes again: stay for both stacks.
	 */
	for (unsigned i = 0; i < SECOND_LOOKS && !other; i++)
		if (!watch_once(a, slot, w, has_value, WAIT_MAX, &other, &last, &last))
			break;
	if (plat_crash_begun)
		return;
	/* one report is made: a second CPU that gets here waits until the first has stopped it */
	while (__atomic_exchange_n(&reporting, 1, __ATOMIC_ACQ_REL))
		spin_wait(&looks);
	if (other) {
		/* pairs with the release in meet(); the other side only has to write down its stack */
		while (!__atomic_load_n(&found[slot].ready, __ATOMIC_ACQUIRE))
			spin_wait(&looks);
		report.b = found[slot].access;
		report.cpu_b = found[slot].cpu;
		report.stack_b = found[slot].stack;
	}
	report.a = *a;
	report.cpu_a = (unsigned)(c - race_cpus);
	stack_walk(report.stack_a.pc, STACK_DEPTH, a->pc, a->fp);
	report.known = other;
	report.before = before;
	report.after = after;
	report_race();
}

static uint64_t wait_time(struct race_cpu *c, bool atomic)
{
	return next_random(c) % (atomic ? WAIT_MAX_ATOMIC : WAIT_MAX);
}

__noinline void race_watch_slow(const struct race_access *a)
{
	bool atomic = arch_irqs_disabled() || percpu_read(preempt_count);
	unsigned long flags = arch_irq_save();
	struct race_cpu *c = race_this_cpu();

	c->skip = (int32_t)(next_random(c) % SKIP_MAX);
	if (race.on && !c->busy && !plat_crash_begun) {
		c->busy = 1;
		c->late_set = 0;
		watch(a, c, wait_time(c, atomic));
		c->late = *a;
		c->late.kind |= RACE_LATE;
		c->late_by = current_thread();
		c->late_set = 1;
		c->busy = 0;
	}
	arch_irq_restore(flags);
}

/* The late access is made visible, if at all, by now. */
__noinline void race_publish_slow(void)
{
	bool atomic = arch_irqs_disabled() || percpu_read(preempt_count);
	unsigned long flags = arch_irq_save();
	struct race_cpu *c = race_this_cpu();

	if (race.on && c->late_set && !c->busy && c->late_by == current_thread() && !plat_crash_begun) {
		c->busy = 1;
		c->late_set = 0;
		watch(&c->late, c, wait_time(c, atomic));
		c->busy = 0;
	}
	arch_irq_restore(flags);
}

/* ---- what the compiler calls ---- */

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

/* What the function has called may be a lock, an allocator: a late access does not outlive a return. */
void __tsan_func_exit(void)
{
	if (likely(race.on))
		race_release();
}

#define PLAIN(name, size, kind)                                                     \
	void __tsan_##name(void *p)                                                 \
	{                                                                           \
		race_plain((uintptr_t)p, (size), (kind), CALLER_PC(), CALLER_FP()); \
	}
#define MARKED_READ(name, size)                                                 \
	void __tsan_##name(void *p)                                             \
	{                                                                       \
		race_marked((uintptr_t)p, (size), 0, CALLER_PC(), CALLER_FP()); \
	}
/* The write itself is made after the call, so the late access waits for the next occasion (race_release()). */
#define MARKED_WRITE(name, size)                                                         \
	void __tsan_##name(void *p)                                                      \
	{                                                                                \
		race_marked((uintptr_t)p, (size), RACE_WRITE, CALLER_PC(), CALLER_FP()); \
		if (unlikely(race_this_cpu()->late_set))                                 \
			race_this_cpu()->late_set = 2;                                   \
	}
#define ACCESSES(n)                                   \
	PLAIN(read##n, n, 0)                          \
	PLAIN(write##n, n, RACE_WRITE)                \
	PLAIN(unaligned_read##n, n, 0)                \
	PLAIN(unaligned_write##n, n, RACE_WRITE)      \
	PLAIN(read_write##n, n, RACE_WRITE)           \
	PLAIN(unaligned_read_write##n, n, RACE_WRITE) \
	MARKED_READ(volatile_read##n, n)              \
	MARKED_WRITE(volatile_write##n, n)            \
	MARKED_READ(unaligned_volatile_read##n, n)    \
	MARKED_WRITE(unaligned_volatile_write##n, n)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *p, size_t size)
{
	if (size)
		race_plain((uintptr_t)p, size, 0, CALLER_PC(), CALLER_FP());
}

void __tsan_write_range(void *p, size_t size)
{
	if (size)
		race_plain((uintptr_t)p, size, RACE_WRITE, CALLER_PC(), CALLER_FP());
}

/* Of C++; gcc names them in C never, but a program may link an object that has them. */
void __tsan_vptr_read(void **p)
{
	race_plain((uintptr_t)p, sizeof(*p), 0, CALLER_PC(), CALLER_FP());
}

void __tsan_vptr_update(void **p, void *new)
{
	if (*p != new)
		race_plain((uintptr_t)p, sizeof(*p), RACE_WRITE, CALLER_PC(), CALLER_FP());
}
