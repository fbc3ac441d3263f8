/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software timers: per CPU a red-black tree ordered by (deadline, address), and the one hardware one-shot it shares
 * with the scheduler's time slice.
 *
 * A timer is unarmed (cpu -1), armed (cpu == home, in that CPU's tree) or firing (cpu -1 again, or re-armed by its
 * own callback, and `running` of its home CPU points to it). All of it changes under the home CPU's lock, which is
 * irq-safe, a leaf (nothing is taken inside it), and not held while a callback runs. A timer is armed only on the
 * calling CPU, with interrupts off from reading the CPU number on, so the tree and the hardware of a CPU are only
 * ever fed by that CPU; other CPUs may take a timer out.
 *
 * timer_cancel() finds the lock through `home`, which does not change while the timer is armed or firing. It
 * returns only when `running` no longer points to the timer; after the callback the engine touches its own
 * `running` alone. So a timer on a stack may go as soon as cancel returned. Two CPUs arming or cancelling one timer
 * at once is the owner's bug, except that cancel may meet the callback anywhere. Waiting for a callback cannot
 * deadlock: it runs with interrupts off on another CPU (on this one it would have to be below us on the stack,
 * which is excluded), waits for nobody but the owners of the locks it takes, and the caller of cancel holds none of
 * these.
 *
 * The one-shot is programmed lazily: moved forward when something earlier comes, never moved back. A shot that finds
 * nothing due costs one interrupt and programs the right time; in exchange a switch or a cancel touches no hardware.
 *
 * Contexts: arm and cancel any (interrupts, early boot after timer_subsystem_init()). No memory is allocated.
 */
#include "sched/timer.h"

#include <arch/cpu.h>

#include "lib/util.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

struct timer_cpu {
	struct uk_spinlock lock;
	struct rb_tree tree;   /* [lock] */
	struct timer *running; /* [lock] its callback is running */
	uint64_t first;	       /* [lock to write, a to read] earliest deadline in the tree, or UINT64_MAX */
	uint64_t slice;	       /* [c] */
	uint64_t hw;	       /* [c] what the one-shot is set to; UINT64_MAX: not set */
} __cacheline;

static struct timer_cpu timer_cpus[CONFIG_MAX_CPUS];

static inline struct timer *timer_of(struct rb_node *n)
{
	return container_of(n, struct timer, node);
}

void timer_subsystem_init(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
		struct timer_cpu *tc = &timer_cpus[i];

		uk_spin_init(&tc->lock);
		tc->first = UINT64_MAX;
		tc->slice = UINT64_MAX;
		tc->hw = UINT64_MAX;
	}
}

static void update_first_locked(struct timer_cpu *tc)
{
	struct rb_node *n = rb_first(&tc->tree);

	__atomic_store_n(&tc->first, n ? timer_of(n)->deadline : UINT64_MAX, __ATOMIC_RELAXED);
}

static void insert_locked(struct timer_cpu *tc, struct timer *t)
{
	struct rb_node **link = &tc->tree.root, *parent = NULL;

	while (*link) {
		struct timer *p = timer_of(*link);

		parent = *link;
		if (t->deadline < p->deadline || (t->deadline == p->deadline && (uintptr_t)t < (uintptr_t)p))
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(&tc->tree, &t->node, parent, link);
	if (t->deadline < tc->first)
		__atomic_store_n(&tc->first, t->deadline, __ATOMIC_RELAXED);
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	t->deadline = 0;
	t->fn = fn;
	t->cpu = -1;
	t->home = -1;
}

void timer_program(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];
	/*
	 * Relaxed: only this CPU makes `first` earlier; a remote cancel makes it later, and then we wake once for
	 * nothing.
	 */
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
	insert_locked(tc, t);
	uk_spin_unlock(&tc->lock);
	timer_program();
	arch_irq_restore(flags);
}

bool timer_cancel(struct timer *t)
{
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
	if (pending) {
		rb_erase(&tc->tree, &t->node);
		t->cpu = -1;
		update_first_locked(tc);
	}
	while (unlikely(tc->running == t)) {
		uk_spin_unlock_irqrestore(&tc->lock, flags);
		arch_cpu_relax();
		uk_spin_lock_irqsave(&tc->lock, flags);
		/* its callback may have armed it once more */
		if (t->cpu >= 0) {
			rb_erase(&tc->tree, &t->node);
			t->cpu = -1;
			update_first_locked(tc);
			pending = true;
		}
	}
	uk_spin_unlock_irqrestore(&tc->lock, flags);
	return pending;
}

uint64_t timer_run_due(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];
	uint64_t now = plat_monotonic_ns();
	uint64_t first;

	uk_spin_lock(&tc->lock);
	/*
	 * The clock is read once, so the loop ends: a callback re-arms in the future, or at worst catches up with
	 * `now`.
	 */
	while (tc->first <= now) {
		struct timer *t = timer_of(rb_first(&tc->tree));
		void (*fn)(struct timer *) = t->fn;

		rb_erase(&tc->tree, &t->node);
		t->cpu = -1;
		update_first_locked(tc);
		tc->running = t;
		uk_spin_unlock(&tc->lock);
		fn(t);
		uk_spin_lock(&tc->lock);
		tc->running = NULL;
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
