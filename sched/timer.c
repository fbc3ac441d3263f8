/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software timers: per CPU a hierarchical timing wheel in front of an exact, ordered queue, and the one hardware one-shot
 * they share with the scheduler's time slice.
 *
 * Wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7). `cursor` is a time, a multiple
 * of the slot width of level 0, never after now. A timer whose deadline is in the cursor's own slot of level 0, or before
 * it, is near: it stands in a red-black tree ordered by (deadline, address). Every other one is far: the highest group of 6
 * bits in which its deadline differs from the cursor names the level, and these 6 bits of the deadline the slot, an unordered
 * list. Invariants:
 *   W1 near timers are due before all far ones; those of a lower level before those of a higher one; in a level, those of a
 *      lower slot before those of a higher one. So the lowest occupied slot of the lowest occupied level holds the next.
 *   W2 The cursor may be moved to any time before the start of that slot: no timer changes its level by it. Moved to the
 *      start itself, the timers of this slot, and no others, belong to a lower level or to the tree: the slot is spilled.
 * Arm is a count of leading zeroes and a push on a list, cancel takes an element off it. A timer is moved at most once per
 * level, so what an interrupt has to move was paid for by as many arms. The tree holds what is due within one slot of level 0
 * (65 us) besides what is due: its depth does not depend on the number of timers armed for later.
 *
 * Exact. Wheel slots round nothing: a timer fires from the tree, in the order of deadlines, when the clock has reached it. The
 * one-shot is set to the deadline itself as long as the next slot holds few timers (they are looked through), and otherwise
 * to the start of the slot, which is earlier. An interrupt moves at most SPILL_MAX timers and calls at most FIRE_MAX callbacks
 * with interrupts off; is there more to do, the one-shot is set to now and the interrupt comes again. What is being spilled is
 * on `spill`; until it is done only timers before the cursor, which all those on it are after, are fired.
 *
 * A timer is unarmed (cpu -1), armed (cpu == home, in that CPU's structures) or firing (cpu -1 again, or re-armed by its own
 * callback, and `running` of its home CPU points to it). All of it changes under the home CPU's lock, which is irq-safe, a
 * leaf (nothing is taken inside it), and not held while a callback runs. A timer is armed only on the calling CPU, with
 * interrupts off from reading the CPU number on, so the structures and the hardware of a CPU are only ever fed by that CPU;
 * other CPUs may take a timer out.
 *
 * timer_cancel() finds the lock through `home`, which does not change while the timer is armed or firing. It returns only
 * when `running` no longer points to the timer; after the callback the engine touches its own `running` alone. So a timer on
 * a stack may go as soon as cancel returned. Two CPUs arming or cancelling one timer at once is the owner's bug, except that
 * cancel may meet the callback anywhere. Waiting for a callback cannot deadlock: it runs with interrupts off on another CPU
 * (on this one it would have to be below us on the stack, which is excluded), waits for nobody but the owners of the locks it
 * takes, and the caller of cancel holds none of these.
 *
 * The one-shot is programmed lazily: moved forward when something earlier comes, never moved back; `first` likewise, until
 * an interrupt finds it past. A shot that finds nothing due costs one interrupt and programs the right time; in exchange a
 * switch or a cancel touches no hardware. A CPU with no timer and no slice gets no interrupt at all.
 *
 * Contexts: arm and cancel any (interrupts, early boot after timer_subsystem_init()). Memory: 4 KiB for each configured CPU at
 * boot, none later.
 */
#include "sched/timer.h"

#include <arch/cpu.h>

#include "lib/string.h"
#include "lib/util.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define GRAIN_BITS 16 /* width of a slot of level 0: 2^16 ns */
#define SLOT_BITS  6
#define SLOTS	   (1u << SLOT_BITS)
#define LEVELS	   ((64u - GRAIN_BITS) / SLOT_BITS)
#define HALF	   (LEVELS / 2)
_Static_assert(LEVELS *SLOT_BITS + GRAIN_BITS == 64, "every deadline has a slot");

/* Of timer.where. Else it is level * SLOTS + slot, of a timer on `spill` the slot it was in. */
#define WHERE_TREE 0xffff

#define SPILL_MAX 128 /* timers moved in one interrupt */
#define FIRE_MAX  128 /* callbacks in one interrupt */
#define LOOK_MAX  8   /* timers of a slot that are looked through for the earliest */

/* Half the levels: what slab objects can be. */
struct timer_wheel {
	struct timer *slot[HALF][SLOTS];
};

struct timer_cpu {
	struct uk_spinlock lock;
	uint32_t armed;		      /* [lock] timers armed or firing, `background` ones not counted */
	struct timer *running;	      /* [lock] its callback is running */
	uint64_t first;		      /* [lock to write, a to read] not after the earliest deadline; UINT64_MAX: none */
	uint64_t slice;		      /* [c] */
	uint64_t hw;		      /* [c] what the one-shot is set to; UINT64_MAX: not set */
	struct rb_tree tree;	      /* [lock] near timers */
	uint64_t cursor;	      /* [lock] */
	struct timer *spill;	      /* [lock] timers of a slot at the cursor, to be put where they belong */
	uint32_t levels;	      /* [lock] bit per level: one of its slots is occupied */
	uint64_t occupied[LEVELS];    /* [lock] bit per slot */
	struct timer_wheel *wheel[2]; /* [I] after timer_subsystem_init(); slots: [lock] */
} __cacheline;

#define CANCEL_LOOKS 64u

static struct timer_cpu timer_cpus[CONFIG_MAX_CPUS];
static struct slab_cache wheel_cache = SLAB_CACHE("timer wheel", struct timer_wheel);

LOCK_CLASS(timer_class, "timers", 80, LOCK_IRQ | LOCK_LEAF, "armed timers of a CPU");

static inline struct timer *timer_of(struct rb_node *n)
{
	return container_of(n, struct timer, node);
}

__cold void timer_subsystem_init(void)
{
	for (unsigned i = 0; i < plat_cpu_count(); i++) {
		struct timer_cpu *tc = &timer_cpus[i];

		spin_init_class(&tc->lock, &timer_class);
		tc->first = UINT64_MAX;
		tc->slice = UINT64_MAX;
		tc->hw = UINT64_MAX;
		for (unsigned h = 0; h < 2; h++) {
			tc->wheel[h] = slab_alloc(&wheel_cache);
			if (!tc->wheel[h])
				plat_boot_error("not enough memory for %u CPUs", plat_cpu_count());
			memset(tc->wheel[h], 0, sizeof(*tc->wheel[h]));
		}
	}
}

/* ---- the wheel ---- */

static inline struct timer **slot_head(struct timer_cpu *tc, unsigned where)
{
	unsigned level = where / SLOTS;

	return &tc->wheel[level / HALF]->slot[level % HALF][where % SLOTS];
}

static inline void push(struct timer **head, struct timer *t, unsigned where)
{
	t->next = *head;
	t->pprev = head;
	if (t->next)
		t->next->pprev = &t->next;
	*head = t;
	t->where = (uint16_t)where;
}

static inline void unlink_far(struct timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
}

static void slot_emptied_locked(struct timer_cpu *tc, unsigned where) REQUIRES(tc->lock);
static void slot_emptied_locked(struct timer_cpu *tc, unsigned where)
{
	unsigned level = where / SLOTS;

	uk_spin_assert_held(&tc->lock);
	tc->occupied[level] &= ~(1ull << (where % SLOTS));
	if (!tc->occupied[level])
		tc->levels &= ~(1u << level);
}

static void tree_insert_locked(struct timer_cpu *tc, struct timer *t) REQUIRES(tc->lock);
static void tree_insert_locked(struct timer_cpu *tc, struct timer *t)
{
	struct rb_node **link = &tc->tree.root, *parent = NULL;

	uk_spin_assert_held(&tc->lock);
	while (*link) {
		struct timer *p = timer_of(*link);

		parent = *link;
		if (t->deadline < p->deadline || (t->deadline == p->deadline && (uintptr_t)t < (uintptr_t)p))
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(&tc->tree, &t->node, parent, link);
	t->where = WHERE_TREE;
}

static void insert_locked(struct timer_cpu *tc, struct timer *t) REQUIRES(tc->lock);
static void insert_locked(struct timer_cpu *tc, struct timer *t)
{
	uint64_t differs = t->deadline ^ tc->cursor;
	unsigned level, slot;

	uk_spin_assert_held(&tc->lock);
	if (t->deadline < tc->cursor || differs < 1ull << GRAIN_BITS) {
		tree_insert_locked(tc, t);
		return;
	}
	level = (63u - (unsigned)__builtin_clzll(differs) - GRAIN_BITS) / SLOT_BITS;
	slot = (unsigned)(t->deadline >> (GRAIN_BITS + level * SLOT_BITS)) % SLOTS;
	push(slot_head(tc, level * SLOTS + slot), t, level * SLOTS + slot);
	tc->occupied[level] |= 1ull << slot;
	tc->levels |= 1u << level;
}

static void remove_locked(struct timer_cpu *tc, struct timer *t) REQUIRES(tc->lock);
static void remove_locked(struct timer_cpu *tc, struct timer *t)
{
	uk_spin_assert_held(&tc->lock);
	t->cpu = -1;
	tc->armed -= !t->background;
	if (t->where == WHERE_TREE) {
		rb_erase(&tc->tree, &t->node);
		return;
	}
	unlink_far(t);
	/* The slot of one on `spill` is empty, marked so, and stays so until the spill is done. */
	if (!*slot_head(tc, t->where))
		slot_emptied_locked(tc, t->where);
}

/* Slot of the next far timers and its start; false: there are none. */
static bool next_slot_locked(struct timer_cpu *tc, unsigned *where, uint64_t *start) REQUIRES(tc->lock);
static bool next_slot_locked(struct timer_cpu *tc, unsigned *where, uint64_t *start)
{
	unsigned level, slot, shift;

	uk_spin_assert_held(&tc->lock);
	if (!tc->levels)
		return false;
	level = (unsigned)__builtin_ctz(tc->levels);
	slot = (unsigned)__builtin_ctzll(tc->occupied[level]);
	shift = GRAIN_BITS + level * SLOT_BITS;
	*where = level * SLOTS + slot;
	*start = ((tc->cursor >> shift & ~(uint64_t)(SLOTS - 1)) | slot) << shift;
	return true;
}

/*
 * Moves the cursor to now and spills the slots on the way, at most SPILL_MAX timers. All timers that are due until the time
 * returned, which is not after `now`, are in the tree.
 */
static uint64_t advance_locked(struct timer_cpu *tc, uint64_t now) REQUIRES(tc->lock);
static uint64_t advance_locked(struct timer_cpu *tc, uint64_t now)
{
	unsigned left = SPILL_MAX, where;
	uint64_t start;

	uk_spin_assert_held(&tc->lock);
	for (;;) {
		for (struct timer *t; (t = tc->spill);) {
			if (!left--)
				return tc->cursor - 1;
			unlink_far(t);
			insert_locked(tc, t);
		}
		if (!next_slot_locked(tc, &where, &start) || start > now)
			break;
		tc->cursor = start;
		tc->spill = *slot_head(tc, where);
		tc->spill->pprev = &tc->spill;
		*slot_head(tc, where) = NULL;
		slot_emptied_locked(tc, where);
	}
	tc->cursor = MAX(tc->cursor, ALIGN_DOWN(now, 1ull << GRAIN_BITS));
	return now;
}

/* After an interrupt's work: when the next one has to come. */
static void update_first_locked(struct timer_cpu *tc, uint64_t now) REQUIRES(tc->lock);
static void update_first_locked(struct timer_cpu *tc, uint64_t now)
{
	struct rb_node *n = rb_first(&tc->tree);
	uint64_t first = UINT64_MAX, start;
	unsigned where, looks = 0;

	uk_spin_assert_held(&tc->lock);
	if (tc->spill) {
		first = now;
	} else if (n) {
		first = timer_of(n)->deadline;
	} else if (next_slot_locked(tc, &where, &start)) {
		for (struct timer *t = *slot_head(tc, where); t; t = t->next) {
			if (++looks > LOOK_MAX) {
				first = start;
				break;
			}
			first = MIN(first, t->deadline);
		}
	}
	__atomic_store_n(&tc->first, first, __ATOMIC_RELAXED);
}

/* ---- arm and cancel ---- */

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	t->deadline = 0;
	t->fn = fn;
	t->cpu = -1;
	t->home = -1;
	t->background = false;
}

void timer_program(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];
	/* Relaxed: only this CPU makes `first` earlier; a remote cancel leaves it, and then we wake once for nothing. */
	uint64_t want = MIN(__atomic_load_n(&tc->first, __ATOMIC_RELAXED), tc->slice);

	if (want < tc->hw) {
		tc->hw = want;
		plat_timer_arm(want);
	}
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	unsigned long flags = arch_irq_save();
	unsigned cpu = cpu_id();
	struct timer_cpu *tc = &timer_cpus[cpu];

	uk_spin_lock(&tc->lock);
	UK_ASSERT(t->cpu < 0);
	t->deadline = deadline_ns;
	t->cpu = (int)cpu;
	__atomic_store_n(&t->home, (int)cpu, __ATOMIC_RELAXED);
	tc->armed += !t->background;
	insert_locked(tc, t);
	if (deadline_ns < tc->first)
		__atomic_store_n(&tc->first, deadline_ns, __ATOMIC_RELAXED);
	uk_spin_unlock(&tc->lock);
	timer_program();
	arch_irq_restore(flags);
}

bool timer_cancel(struct timer *t)
{
	unsigned looks = 0;
	/* Relaxed: the owner armed it, or learned of it from who did; the lock orders the rest. */
	int home = __atomic_load_n(&t->home, __ATOMIC_RELAXED);
	struct timer_cpu *tc;
	unsigned long flags;
	bool pending;

	if (home < 0)
		return false;
	tc = &timer_cpus[home];
	uk_spin_lock_irqsave(&tc->lock, flags);
	pending = t->cpu >= 0;
	if (pending)
		remove_locked(tc, t);
	while (unlikely(tc->running == t)) {
		uk_spin_unlock_irqrestore(&tc->lock, flags);
		/* The CPU that runs the callback may be a thread of a host, off its core for milliseconds. */
		if (++looks % CANCEL_LOOKS)
			arch_cpu_relax();
		else
			arch_cpu_yield();
		uk_spin_lock_irqsave(&tc->lock, flags);
		/* its callback may have armed it once more */
		if (t->cpu >= 0) {
			remove_locked(tc, t);
			pending = true;
		}
	}
	uk_spin_unlock_irqrestore(&tc->lock, flags);
	return pending;
}

int timer_try_cancel(struct timer *t)
{
	int home = __atomic_load_n(&t->home, __ATOMIC_RELAXED); /* as in timer_cancel() */
	struct timer_cpu *tc;
	unsigned long flags;
	int r = 0;

	if (home < 0)
		return 0;
	tc = &timer_cpus[home];
	uk_spin_lock_irqsave(&tc->lock, flags);
	if (unlikely(tc->running == t)) {
		r = -1;
	} else if (t->cpu >= 0) {
		remove_locked(tc, t);
		r = 1;
	}
	uk_spin_unlock_irqrestore(&tc->lock, flags);
	return r;
}

bool timer_any_armed(void)
{
	bool any = false;

	for (unsigned i = 0; i < plat_cpu_count() && !any; i++) {
		struct timer_cpu *tc = &timer_cpus[i];
		unsigned long flags;

		uk_spin_lock_irqsave(&tc->lock, flags);
		any = tc->armed != 0;
		uk_spin_unlock_irqrestore(&tc->lock, flags);
	}
	return any;
}

/* ---- the interrupt ---- */

uint64_t timer_run_due(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];
	uint64_t now = plat_monotonic_ns(), until, first;
	struct rb_node *n;
	bool background;

	uk_spin_lock(&tc->lock);
	if (tc->first <= now) {
		until = advance_locked(tc, now);
		for (unsigned left = FIRE_MAX; left && (n = rb_first(&tc->tree)); left--) {
			struct timer *t = timer_of(n);
			void (*fn)(struct timer *) = t->fn;

			if (t->deadline > until)
				break;
			background = t->background;
			remove_locked(tc, t);
			/* Counts until its callback is done. */
			tc->armed += !background;
			tc->running = t;
			uk_spin_unlock(&tc->lock);
			fn(t);
			uk_spin_lock(&tc->lock);
			tc->running = NULL;
			tc->armed -= !background;
		}
		update_first_locked(tc, now);
	}
	first = tc->first;
	uk_spin_unlock(&tc->lock);
	return first;
}

void timer_hw_fired(void)
{
	timer_cpus[cpu_id()].hw = UINT64_MAX;
}

void timer_set_slice(uint64_t deadline_ns)
{
	timer_cpus[cpu_id()].slice = deadline_ns;
}

uint64_t timer_slice(void)
{
	return timer_cpus[cpu_id()].slice;
}
