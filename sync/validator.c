// SPDX-License-Identifier: BSD-3-Clause
/*
 * The lock validator: follows every lock that is taken and reports what can deadlock, before it does.
 *
 * What it knows. Each CPU has a list of the spin locks it holds, each thread one of the sleeping locks it holds, each entry with the place in the
 * code. The order graph (lock_graph.c) has an edge from each class held to each class taken. Each class has two marks: taken in an
 * interrupt, taken elsewhere with interrupts on.
 *
 * What it reports, when a lock is about to be waited for:
 *	recursion	it is held already, by this thread or by what this interrupt came into
 *	nesting		another one of its class is held, and the class is not LOCK_BY_ADDRESS or the address is not larger
 *	order		the graph has a way from its class to that of a lock that is held: AB-BA, ABC-CA ...
 *	rank		a lock of the same or a larger rank, or a leaf, is held
 *	interrupts	a class gets both marks; or there is a way from a class with the first mark to one with the second: A, which an interrupt
 *			takes, is held by one CPU that waits for B; B is held by another, whose interrupt waits for A
 *	sleeping	with preemption or interrupts off, with a spin lock held, in an interrupt, in an RCU read section
 * and at other times: unlock of what is not held, interrupts turned on with a lock held that interrupts take, locks held or a read
 * section open when the thread or the machine ends. The first report ends the run (the upcall does not return).
 *
 * A lock that is tried for cannot be waited for, so it adds no edge to itself, but edges from it count. Readers count as writers:
 * both our readers-writer locks hold new readers back while a writer waits. An interrupt's locks and those it came into are no pair:
 * the marks say all there is to it. A page fault's locks and the faulting code's are one.
 *
 * Concurrency. A CPU's list is [c]: preemption is off while it is not empty. Interrupts change it in strict nesting, so an entry is
 * opened by the count, written, and valid with its `lock`, last; the space above the count is always NULL, so whoever comes in between sees an
 * entry that is nothing. A thread's list belongs to the thread; interrupts take no sleeping locks. The fast path
 * reads one bit per lock held and the two marks, all of which only ever come; a stale 0 leads into the slow path, where it is looked at again
 * under the raw lock. Edges are checked and added in one section of it, before the lock is waited for: of the threads that close a cycle, the last
 * one finds all other edges in place, whatever the CPUs do. So what is possible is reported without having to happen.
 *
 * Contexts: any, from the first instruction on (the boot has no thread, and CPU 0). Memory is static; a list, class or edge
 * that does not fit is not followed, which one line says.
 */
#include "sync/validator.h"

#ifdef __TUTTI_LOCK_HOOKS__

#include <arch/irqflags.h>
#include <arch/stack.h>

#include "lib/fmt.h"
#include "lib/util.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define SPIN_MAX 24
#define IN_IRQ	 1u /* marks of a class */
#define IRQS_ON	 2u
#define WORDS	 96

struct cpu_locks {
	uint32_t count;
	uint32_t lost; /* taken with the list full */
	uint32_t rcu;  /* depth of read sections */
	uint32_t rcu_stack[LOCK_STACK_SHORT];
	struct lock_held held[SPIN_MAX];
} __cacheline;

/* Where the caller of the hook is. */
struct place {
	uintptr_t pc, fp;
};

static struct {
	struct lock_raw lock;					  /* marks, graph */
	uint8_t off;						  /* [a] a report or a crash has begun */
	uint8_t told_full;					  /* [a] */
	bool edges_full;					  /* [a] */
	uint8_t marks[LOCK_CLASSES];				  /* [a] written under lock */
	uint32_t marked_at[LOCK_CLASSES][2][LOCK_STACK_LONG - 4]; /* [lock] by IN_IRQ and IRQS_ON */
	struct cpu_locks cpu[CONFIG_MAX_CPUS];			  /* [c] */
	struct lock_report report;				  /* of whoever has set `off` */
} v;

/* ---- who holds what ---- */

static bool is_off(void)
{
	return unlikely(__atomic_load_n(&v.off, __ATOMIC_RELAXED));
}

/* Preemption is off, or the answer is not used. */
static struct cpu_locks *this_cpu(void)
{
	return &v.cpu[cpu_id()];
}

static struct lock_thread *this_thread(void)
{
	char *t = (char *)current_thread();

	return t ? (struct lock_thread *)(t + LOCK_THREAD_OFFSET) : NULL;
}

static struct lock_held *find(struct lock_held *held, unsigned n, const void *lock)
{
	while (n-- > 0)
		if (held[n].lock == lock)
			return &held[n];
	return NULL;
}

/* With preemption on this CPU, whichever it is, holds nothing for us. */
static bool may_hold_spins(void)
{
	return percpu_read(preempt_count) || percpu_read(in_irq);
}

static struct lock_held *find_held(const void *lock)
{
	struct lock_held *h = NULL;
	struct lock_thread *t = this_thread();

	if (may_hold_spins())
		h = find(this_cpu()->held, this_cpu()->count, lock);
	if (!h && t)
		h = find(t->held, t->count, lock);
	return h;
}

/*
 * A program's call for a lock that sleeps comes from its own stack, by way of the kernel's; the near walk ends there, before it has shown
 * anything of the program.
 */
static void walk_to_user(uint32_t *out, struct place at)
{
	uintptr_t stack[LOCK_STACK_SHORT];

	stack_walk(stack, LOCK_STACK_SHORT, at.pc, at.fp);
	for (unsigned i = 0, more = 1; i < LOCK_STACK_SHORT; i++) {
		more = more && stack[i];
		out[i] = more ? stack_offset(stack[i]) : 0;
	}
}

static void push(struct lock_held *held, uint32_t *count, uint32_t *lost, unsigned max, unsigned class,
		 const void *lock, unsigned mode, struct place at)
{
	unsigned n = *count;

	if (unlikely(n >= max)) {
		++*lost;
		return;
	}
	/* see the prologue for the order of these */
	__atomic_store_n(count, n + 1, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
	held[n].class = (uint16_t) class;
	held[n].mode = (uint8_t)mode;
	held[n].context = (uint8_t)percpu_read(in_irq);
	if (mode & LOCK_SLEEPING)
		walk_to_user(held[n].stack, at);
	else
		stack_walk_near(held[n].stack, LOCK_STACK_SHORT, at.pc, at.fp);
	__asm__ volatile("" ::: "memory");
	__atomic_store_n(&held[n].lock, lock, __ATOMIC_RELAXED);
}

static void pop(struct lock_held *held, uint32_t *count, struct lock_held *h)
{
	unsigned last = *count - 1;

	for (unsigned i = (unsigned)(h - held); i < last; i++)
		held[i] = held[i + 1];
	__asm__ volatile("" ::: "memory");
	__atomic_store_n(&held[last].lock, NULL, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
	__atomic_store_n(count, last, __ATOMIC_RELAXED);
}

/* ---- reports ---- */

/* NULL: somebody else reports already. */
static __cold struct lock_report *report_begin(const char *fmt, ...)
{
	va_list ap;

	if (__atomic_exchange_n(&v.off, 1, __ATOMIC_ACQUIRE))
		return NULL;
	v.report.count = 0;
	va_start(ap, fmt);
	fmt_vsnprintf(v.report.what, sizeof(v.report.what), fmt, ap);
	va_end(ap);
	return &v.report;
}

/* Returns only where a test stands above. */
static __cold void report_end(void)
{
	tutti_upcalls.lock_report(&v.report);
	__atomic_store_n(&v.off, 0, __ATOMIC_RELEASE);
}

/* One more part; its stack is still empty. */
static __cold uintptr_t *part(const char *fmt, ...)
{
	struct lock_report *r = &v.report;
	unsigned i = MIN(r->count, LOCK_PARTS - 1u);
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(r->part[i].line, sizeof(r->part[i].line), fmt, ap);
	va_end(ap);
	r->count = i + 1;
	r->part[i].stack[0] = 0;
	return r->part[i].stack;
}

static __cold void here(uintptr_t *out, struct place at)
{
	stack_walk(out, LOCK_STACK_LONG, at.pc, at.fp);
}

static __cold void there(uintptr_t *out, const uint32_t *stack, unsigned n)
{
	for (unsigned i = 0; i < LOCK_STACK_LONG; i++)
		out[i] = i < n ? stack_address(stack[i]) : 0;
}

static __cold const char *words(unsigned class, char *buf)
{
	return lock_class_words(class, NULL, buf, WORDS);
}

static __cold const char *words_of(unsigned class, const void *lock, char *buf)
{
	return lock_class_words(class, lock, buf, WORDS);
}

static __cold void all_of(const struct lock_held *held, unsigned n, const char *whose)
{
	char buf[WORDS];

	for (unsigned i = 0; i < n; i++)
		if (held[i].lock)
			there(part("  held by this %s: %s%s%s, since:", whose,
				   words_of(held[i].class, held[i].lock, buf),
				   held[i].mode & LOCK_SHARED ? " as reader" : "",
				   held[i].context ? " (taken in an interrupt)" : ""),
			      held[i].stack, LOCK_STACK_SHORT);
}

/* Every lock that this CPU and thread hold, oldest first. */
static __cold void all_held(void)
{
	const struct lock_thread *t = this_thread();

	if (t)
		all_of(t->held, MIN(t->count, (uint32_t)LOCK_SLEEP_MAX), "thread");
	if (may_hold_spins())
		all_of(this_cpu()->held, MIN(this_cpu()->count, (uint32_t)SPIN_MAX), "CPU");
}

/* The edges of a way through the graph, as they were seen first. */
static __cold void all_edges(const uint16_t *path, unsigned n, bool forward)
{
	char a[WORDS], b[WORDS];

	for (unsigned i = 0; i + 1 < n; i++) {
		unsigned from = path[forward ? i : i + 1], to = path[forward ? i + 1 : i];
		const struct lock_edge *e = graph_edge(from, to);

		if (!e) {
			part("  (more of the way from %s to %s is left out)", words(from, a), words(to, b));
			continue;
		}
		there(part("  before: %s was taken:", words(to, b)), e->taken_at, LOCK_STACK_LONG);
		there(part("  before: with %s held, taken:", words(from, a)), e->held_at, LOCK_STACK_SHORT);
	}
}

/* ---- interrupts ---- */

static bool is_marked(unsigned class, unsigned mark)
{
	/* Relaxed: who unlocks looks without the raw lock. */
	return __atomic_load_n(&v.marks[class], __ATOMIC_RELAXED) & mark ||
	       (mark == IN_IRQ && lock_class_by_id(class)->flags & LOCK_IRQ);
}

static __cold void where_marked(unsigned class, unsigned mark)
{
	char buf[WORDS];
	const uint32_t *at = v.marked_at[class][mark == IN_IRQ ? 0 : 1];

	if (!at[0])
		part("  %s is declared as taken in interrupts (LOCK_IRQ)", words(class, buf));
	else
		there(part(mark == IN_IRQ ? "  before: %s was taken in an interrupt:"
					  : "  before: %s was taken with interrupts on:",
			   words(class, buf)),
		      at, LOCK_STACK_LONG - 4);
}

/*
 * Ways from a class that interrupts take to one that is taken with interrupts on, through `class` and then `next` (0: only through
 * `class`). Reported if there is one; the caller holds the raw lock, which is released.
 */
static bool mixing_locked(unsigned class, unsigned next, const void *lock, struct place at, unsigned long flags)
	RELEASES(v.lock);
static bool mixing_locked(unsigned class, unsigned next, const void *lock, struct place at, unsigned long flags)
{
	uint16_t back[LOCK_PATH_MAX], on[LOCK_PATH_MAX];
	unsigned nb = 0, no = 0;
	unsigned safe = graph_search(class, false, is_marked, IN_IRQ, back, &nb);
	unsigned open = safe ? graph_search(next ? next : class, true, is_marked, IRQS_ON, on, &no) : 0;
	char a[WORDS], b[WORDS];

	lock_raw_unlock(&v.lock, flags);
	if (!open)
		return false;
	if (safe == open) {
		if (!report_begin("lock and interrupts: %s is taken in interrupts and elsewhere with interrupts on",
				  words(safe, a)))
			return true;
	} else if (
		!report_begin(
			"lock and interrupts: %s is taken with %s held, which interrupts take, too, and elsewhere with interrupts on",
			words(open, b), words(safe, a))) {
		return true;
	}
	here(part("  now, by CPU %u: taking %s:", cpu_id(), words_of(next ? next : class, lock, a)), at);
	where_marked(safe, IN_IRQ);
	all_edges(back, nb, false);
	all_edges(on, no, true);
	where_marked(open, IRQS_ON);
	all_held();
	report_end();
	return true;
}

static __noinline void mark_slow(unsigned class, unsigned mark, const void *lock, struct place at)
{
	const struct lock_class *c = lock_class_by_id(class);
	uintptr_t stack[LOCK_STACK_LONG];
	unsigned long flags;
	char buf[WORDS];

	stack_walk(stack, LOCK_STACK_LONG, at.pc, at.fp);
	flags = lock_raw_lock(&v.lock);
	if (v.marks[class] & mark) {
		lock_raw_unlock(&v.lock, flags);
		return;
	}
	for (unsigned i = 0, more = 1; i < LOCK_STACK_LONG - 4; i++) {
		more = more && stack[i];
		v.marked_at[class][mark == IN_IRQ ? 0 : 1][i] = more ? stack_offset(stack[i]) : 0;
	}
	__atomic_store_n(&v.marks[class], (uint8_t)(v.marks[class] | mark), __ATOMIC_RELAXED);
	if (mixing_locked(class, 0, lock, at, flags))
		return;
	if (mark == IN_IRQ && c->rank && !(c->flags & LOCK_IRQ) &&
	    report_begin("lock and interrupts: %s is taken in an interrupt, and its class is not LOCK_IRQ",
			 words(class, buf))) {
		here(part("  now, by CPU %u: taking %s:", cpu_id(), words_of(class, lock, buf)), at);
		all_held();
		report_end();
	}
}

/* The class is taken now, in this context. */
static void mark(unsigned class, const void *lock, unsigned mode, struct place at)
{
	unsigned want;

	if (mode & LOCK_SLEEPING)
		return;
	if (percpu_read(in_irq))
		want = mode & LOCK_TRY ? 0 : IN_IRQ; /* who does not wait harms nobody whom the interrupt came into */
	else
		want = arch_irqs_disabled() ? 0 : IRQS_ON;
	if (unlikely(want & ~__atomic_load_n(&v.marks[class], __ATOMIC_RELAXED)))
		mark_slow(class, want, lock, at);
}

/* ---- order ---- */

static __cold void report_two(const char *what, const struct lock_held *h, unsigned class, const void *lock,
			      struct place at)
{
	char a[WORDS], b[WORDS];

	if (!report_begin("%s: taking %s with %s held", what, words(class, a), words(h->class, b)))
		return;
	here(part("  now, by CPU %u: taking %s:", cpu_id(), words_of(class, lock, a)), at);
	there(part("  %s was taken:", words_of(h->class, h->lock, b)), h->stack, LOCK_STACK_SHORT);
	all_held();
	report_end();
}

static __cold void report_cycle(const uint16_t *path, unsigned n, const struct lock_held *h, unsigned class,
				const void *lock, struct place at)
{
	char a[WORDS], b[WORDS];

	if (!report_begin(
		    "lock order: cycle of %u locks: taking %s with %s held, and before in the other order: possible deadlock",
		    n, words(class, a), words(h->class, b)))
		return;
	here(part("  now, by CPU %u: taking %s:", cpu_id(), words_of(class, lock, a)), at);
	there(part("  now: with %s held, taken:", words_of(h->class, h->lock, b)), h->stack, LOCK_STACK_SHORT);
	all_edges(path, n, true);
	all_held();
	report_end();
}

static bool is_class(unsigned class, unsigned arg)
{
	return class == arg;
}

static bool rank_wrong(const struct lock_class *held, const struct lock_class *taken)
{
	return held->flags & LOCK_LEAF || (held->rank && taken->rank && held->rank >= taken->rank);
}

static __noinline void new_edge(const struct lock_held *h, unsigned class, const void *lock, struct place at)
{
	const unsigned from = h->class;
	const struct lock_class *held = lock_class_by_id(from), *taken = lock_class_by_id(class);
	uintptr_t stack[LOCK_STACK_LONG];
	uint16_t path[LOCK_PATH_MAX];
	struct lock_edge *e;
	unsigned long flags;
	unsigned n = 0;

	stack_walk(stack, LOCK_STACK_LONG, at.pc, at.fp);
	flags = lock_raw_lock(&v.lock);
	if (graph_seen(from, class)) {
		lock_raw_unlock(&v.lock, flags);
		return;
	}
	graph_mark_seen(from, class);
	if (graph_search(class, true, is_class, from, path, &n)) {
		lock_raw_unlock(&v.lock, flags);
		report_cycle(path, n, h, class, lock, at);
		return;
	}
	if (rank_wrong(held, taken)) {
		lock_raw_unlock(&v.lock, flags);
		report_two(held->flags & LOCK_LEAF ? "lock rank: a leaf is held" : "lock rank", h, class, lock, at);
		return;
	}
	e = graph_add(from, class);
	if (!e) {
		__atomic_store_n(&v.edges_full, true, __ATOMIC_RELAXED);
		lock_raw_unlock(&v.lock, flags);
		return;
	}
	for (unsigned i = 0; i < LOCK_STACK_SHORT; i++)
		e->held_at[i] = h->stack[i];
	for (unsigned i = 0, more = 1; i < LOCK_STACK_LONG; i++) {
		more = more && stack[i];
		e->taken_at[i] = more ? stack_offset(stack[i]) : 0;
	}
	mixing_locked(from, class, lock, at, flags);
}

/* Another lock of the same class is held. */
static void same_class(const struct lock_held *h, unsigned class, const void *lock, struct place at)
{
	const struct lock_class *c = lock_class_by_id(class);

	if (!(c->flags & LOCK_BY_ADDRESS)) {
		if (!graph_seen(class, class)) {
			graph_mark_seen(class, class);
			report_two("lock nesting: two locks of one class", h, class, lock, at);
		}
	} else if (h->lock > lock) {
		report_two("lock nesting: against the order of addresses", h, class, lock, at);
	}
}

/* False: nothing more to say about this lock. */
static bool check_against(const struct lock_held *held, unsigned n, unsigned class, const void *lock, unsigned mode,
			  struct place at)
{
	const unsigned context = percpu_read(in_irq);

	for (unsigned i = n; i-- > 0;) {
		const struct lock_held *h = &held[i];

		if (!h->lock)
			continue;
		if (unlikely(h->lock == lock)) {
			if (!(mode & LOCK_RECURSIVE))
				report_two(h->context == context ? "lock recursion" : "lock recursion: in an interrupt",
					   h, class, lock, at);
			return false;
		}
		if (h->context != context || !h->class || !class)
			continue;
		if (unlikely(h->class == class))
			same_class(h, class, lock, at);
		else if (unlikely(!graph_seen(h->class, class)))
			new_edge(h, class, lock, at);
	}
	return true;
}

static __noinline __cold void tell_full(void)
{
	if (!__atomic_exchange_n(&v.told_full, 1, __ATOMIC_RELAXED))
		tutti_upcalls.lock_note(
			lock_class_full()
				? "lock validator: too many classes of locks; the order of further ones is not checked"
				: "lock validator: too many pairs of locks; further ones are not checked");
}

void validator_acquire(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };
	struct lock_thread *t = this_thread();

	if (is_off())
		return;
	if (mode & LOCK_SLEEPING)
		validator_may_sleep(pc, fp);
	if (may_hold_spins() && !check_against(this_cpu()->held, this_cpu()->count, class, lock, mode, at))
		return;
	if (t && t->count && !percpu_read(in_irq) && !check_against(t->held, t->count, class, lock, mode, at))
		return;
	if (class)
		mark(class, lock, mode, at);
	if (unlikely((lock_class_full() || __atomic_load_n(&v.edges_full, __ATOMIC_RELAXED)) &&
		     !__atomic_load_n(&v.told_full, __ATOMIC_RELAXED)) &&
	    !percpu_read(in_irq) && !this_cpu()->count)
		tell_full();
}

void validator_acquired(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };
	struct lock_thread *t = this_thread();

	if (is_off())
		return;
	if (mode & LOCK_SLEEPING) {
		if (t)
			push(t->held, &t->count, &t->lost, LOCK_SLEEP_MAX, class, lock, mode, at);
		return;
	}
	if (class && mode & LOCK_TRY)
		mark(class, lock, mode, at);
	push(this_cpu()->held, &this_cpu()->count, &this_cpu()->lost, SPIN_MAX, class, lock, mode, at);
}

static __cold void not_held(const void *lock, struct place at)
{
	if (!report_begin("unlock of a lock that is not held: 0x%lx, by CPU %u", (unsigned long)lock, cpu_id()))
		return;
	here(part("  now:"), at);
	all_held();
	report_end();
}

static __cold void irqs_on(const struct lock_held *h, const void *lock, struct place at)
{
	char buf[WORDS];

	if (!report_begin("lock and interrupts: interrupts were turned on with %s held, which they take",
			  words(h->class, buf)))
		return;
	here(part("  now, by CPU %u: unlocking 0x%lx:", cpu_id(), (unsigned long)lock), at);
	where_marked(h->class, IN_IRQ);
	all_held();
	report_end();
}

void validator_release(const void *lock, uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };
	struct lock_thread *t = this_thread();
	struct lock_held *h;

	if (is_off())
		return;
	if (may_hold_spins()) {
		struct cpu_locks *c = this_cpu();

		h = find(c->held, c->count, lock);
		if (likely(h)) {
			if (unlikely(h->class && !h->context && !percpu_read(in_irq) && !arch_irqs_disabled() &&
				     is_marked(h->class, IN_IRQ)))
				irqs_on(h, lock, at);
			pop(c->held, &c->count, h);
			return;
		}
	}
	h = t ? find(t->held, t->count, lock) : NULL;
	if (h)
		pop(t->held, &t->count, h);
	else if (may_hold_spins() && this_cpu()->lost)
		this_cpu()->lost--;
	else if (t && t->lost)
		t->lost--;
	else
		not_held(lock, at);
}

bool validator_is_held(const void *lock)
{
	const struct lock_thread *t = this_thread();

	return is_off() || find_held(lock) || this_cpu()->lost || (t && t->lost);
}

/* ---- sleeping, read sections, ends ---- */

static __noinline __cold void sleeping(struct place at)
{
	const struct cpu_locks *c = this_cpu();
	const char *why = percpu_read(in_irq)			   ? "in an interrupt"
			  : c->rcu && percpu_read(preempt_count)   ? "in an RCU read section"
			  : c->count && percpu_read(preempt_count) ? "with a spin lock held"
			  : percpu_read(preempt_count)		   ? "with preemption off"
								   : "with interrupts off";

	if (!report_begin("sleeping %s, on CPU %u (preemption count %u, interrupts %s)", why, cpu_id(),
			  percpu_read(preempt_count), arch_irqs_disabled() ? "off" : "on"))
		return;
	here(part("  now:"), at);
	if (c->rcu && percpu_read(preempt_count))
		there(part("  the read section began:"), c->rcu_stack, LOCK_STACK_SHORT);
	all_held();
	report_end();
}

void validator_may_sleep(uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };

	/* Before there is a thread there is nobody to sleep. */
	if (is_off() || !current_thread())
		return;
	if (unlikely(percpu_read(preempt_count) || percpu_read(in_irq) || arch_irqs_disabled()))
		sleeping(at);
}

void validator_rcu_lock(uintptr_t pc, uintptr_t fp)
{
	struct cpu_locks *c = this_cpu();

	if (!c->rcu++)
		stack_walk_near(c->rcu_stack, LOCK_STACK_SHORT, pc, fp);
}

void validator_rcu_unlock(uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };
	struct cpu_locks *c = this_cpu();

	if (likely(c->rcu)) {
		c->rcu--;
		return;
	}
	if (is_off() || !report_begin("end of an RCU read section that has not begun, on CPU %u", cpu_id()))
		return;
	here(part("  now:"), at);
	report_end();
}

bool validator_rcu_is_held(void)
{
	return percpu_read(preempt_count) && this_cpu()->rcu;
}

void validator_exit(const char *who, uintptr_t pc, uintptr_t fp)
{
	const struct place at = { pc, fp };
	const struct lock_thread *t = this_thread();
	char buf[WORDS];
	const struct lock_held *h = NULL;

	if (is_off())
		return;
	if (validator_rcu_is_held() && !percpu_read(in_irq)) {
		if (!report_begin("%s ends in an RCU read section, on CPU %u", who, cpu_id()))
			return;
		there(part("  the read section began:"), this_cpu()->rcu_stack, LOCK_STACK_SHORT);
		all_held();
		here(part("  now:"), at);
		report_end();
		return;
	}
	if (may_hold_spins() && this_cpu()->count)
		h = &this_cpu()->held[this_cpu()->count - 1];
	else if (t && t->count)
		h = &t->held[t->count - 1];
	if (!h ||
	    !report_begin("%s ends with a lock held: %s, on CPU %u", who, words_of(h->class, h->lock, buf), cpu_id()))
		return;
	all_held();
	here(part("  now:"), at);
	report_end();
}

void validator_off(void)
{
	__atomic_store_n(&v.off, 1, __ATOMIC_RELAXED);
}

#endif
