/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Run queues, switching, blocking and waking, the idle loop, stealing, time slices. (Life of a thread: thread.c.)
 *
 * A thread that is not blocked is in one place: the queue of one CPU (on_rq, under its lock), running (rq->current),
 * or in the hands of one CPU that is moving it. Invariants:
 *   I1 Who turns state BLOCKED into RUNNING owns the thread until it is queued; nobody else queues it.
 *   I2 on_cpu is 1 from the pick until the switch away has left the stack. A thread in a queue has on_cpu 0, or is that
 *      CPU's own `prev` in the middle of a switch: wakers wait for 0 before they queue, stealers pass by whoever has 1.
 *   I3 A CPU's queue lock is a leaf, taken with interrupts off, and nobody holds two.
 *
 * Waking: BLOCKING -> RUNNING is all if the sleeper has not gone yet. After BLOCKED -> RUNNING the waker spins
 * until on_cpu is 0. This cannot deadlock, whatever the waker holds and wherever it runs: from BLOCKING -> BLOCKED
 * to on_cpu = 0 the other CPU has interrupts off, already holds the only lock it needs and waits for nothing; on
 * the same CPU no interrupt gets in between. sched_evict() waits likewise for a thread that was queued in the middle
 * of a switch; it holds that CPU's queue lock, which the rest of the switch does not take.
 *
 * No lost wake-up (idle). Idle CPU I: halted = 1 by exchange; look at the queue; halt (interrupts off from before
 * the exchange to the halt). Enqueuer E: queue under the lock; if `current` is the idle thread, exchange halted
 * with 0, send an IPI if it was 1. Both are read-modify-writes of one word: if E's is first, I's reads from it and
 * I sees the queue; if I's is first, E sends the IPI, which stays pending until the halt. If `current` was not
 * idle, I has yet to take the queue lock to become idle.
 *
 * No work left lying about while a CPU idles (stealing). I: set own idle bit (locked), then scan all queues; a
 * queue whose lock is busy or whose thread is mid-switch makes it scan again. E, having queued on a busy CPU: a
 * locked instruction, then look at the idle mask; a preempted thread queued by its CPU: the same. Store buffering
 * with a full barrier on both sides (x86-TSO): either I's scan sees the thread or E sees the bit, clears it, then
 * exchanges halted with 0. After its own exchange I checks that its bit is still set: if not, it looks again
 * instead of halting unseen; if it is cleared later, the clearer finds halted 1 and sends the IPI. Before all this an
 * idle CPU whose last halts were short polls for some microseconds: its bit is set and halted 0, so nobody sends IPIs.
 *
 * Preemption keeps BLOCKING threads runnable (they may not have queued themselves anywhere yet); only
 * thread_block() blocks. A slice end is armed only while something is queued behind a running thread: `tick` says
 * that it is armed or that the IPI which makes its CPU arm it is on the way, so there is at most one such IPI per
 * slice. It goes off when a slice ends with nothing queued.
 *
 * Contexts: thread_wake() any, interrupts included; blocking and yielding: thread context, preemption on. No memory is
 * allocated here after sched_init(), which ends the boot with one line if there is none.
 */
#include "sched/sched.h"

#include <arch/cpu.h>

#include "lib/errno.h"
#include "lib/util.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sched/internal.h"
#include "sched/timer.h"
#include "sync/percpu.h"

#define SLICE_NS    4000000ull
#define CPU_POLL_NS 20000000ull
/*
 * Halting and being woken by an IPI costs tens of microseconds: look for work that long if the last halts were
 * short.
 */
#define IDLE_POLL_NS  40000u
#define IDLE_SHORT_NS 1000000u

struct rq {
	struct uk_spinlock lock;
	uint32_t nr_queued;	   /* [lock to write, a to read] */
	struct list queue;	   /* [lock] runnable, not running; oldest first */
	struct uk_thread *current; /* [lock to write, a to read] */
	struct uk_thread *idle;	   /* [I] */
	uint32_t tick;		   /* [lock to write, a to read] slice end armed, or an IPI to arm it sent */
	uint32_t halted;	   /* [a] 1: about to halt or halted, needs an IPI to look at its queue */
	uint64_t slice_start;	   /* [c] */
	struct uk_thread *migrate; /* [c] `prev`, to be queued elsewhere once the switch is complete */
	uint32_t poll_ns;	   /* [c] how long to look for work before the next halt */
	int kick;		   /* [c] idle CPU, claimed, to wake for `prev` once the switch is complete; or -1 */
} __cacheline;

static struct rq rqs[CONFIG_MAX_CPUS];
static struct uk_thread boot_thread;

static struct {
	unsigned cpus;		 /* [I] configured */
	unsigned online_count;	 /* [a] */
	struct cpumask online;	 /* [a] */
	struct cpumask idle;	 /* [a] CPUs looking for work; whoever clears a bit owes that CPU a wake-up */
	struct timer poll_timer; /* late CPUs */
} sched;

bool sched_preemptive = true;

enum steal { STEAL_NONE, STEAL_GOT, STEAL_AGAIN };

static inline bool is_idle_on(const struct rq *rq)
{
	return __atomic_load_n(&rq->current, __ATOMIC_RELAXED) == rq->idle;
}

static inline uint32_t queued_on(const struct rq *rq)
{
	return __atomic_load_n(&rq->nr_queued, __ATOMIC_SEQ_CST);
}

static void queue_add_locked(struct rq *rq, struct uk_thread *t)
{
	list_add_tail(&rq->queue, &t->rq_node);
	__atomic_store_n(&t->on_rq, (int)(rq - rqs) + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&rq->nr_queued, rq->nr_queued + 1, __ATOMIC_RELAXED);
}

static void queue_del_locked(struct rq *rq, struct uk_thread *t)
{
	list_del(&t->rq_node);
	__atomic_store_n(&t->on_rq, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rq->nr_queued, rq->nr_queued - 1, __ATOMIC_RELAXED);
}

/* ---- placing a runnable thread ---- */

/* Make `cpu` look at its queue if it is halted. The enqueuer's half of the idle protocol; preemption off. */
static void wake_halted(unsigned cpu)
{
	/* pairs with the exchange in idle_loop() */
	if (__atomic_exchange_n(&rqs[cpu].halted, 0, __ATOMIC_SEQ_CST) && cpu != cpu_id())
		plat_ipi_send(cpu, PLAT_IPI_RESCHEDULE);
}

/*
 * Some idle CPU that may run `t`, or -1. Its bit was cleared by us: wake_halted() is due. The caller has a full
 * barrier between its enqueuing and this. One that somebody else claims first is not enough: he has work of his own
 * for it, and the next idle CPU would stay idle.
 */
static int claim_idle(const struct uk_thread *t)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++) {
		uint64_t w = __atomic_load_n(&sched.idle.w[i], __ATOMIC_SEQ_CST) &
			     __atomic_load_n(&t->affinity.w[i], __ATOMIC_RELAXED);

		for (; w; w &= w - 1) {
			unsigned cpu = i * 64 + (unsigned)__builtin_ctzll(w);

			if (cpumask_test_and_clear_atomic(&sched.idle, cpu))
				return (int)cpu;
		}
	}
	return -1;
}

/* Allowed CPU with the fewest threads, online ones first. */
static unsigned least_loaded(const struct uk_thread *t)
{
	unsigned best_load = UINT32_MAX;
	int best = -1;

	for (unsigned cpu = 0; cpu < sched.cpus; cpu++) {
		unsigned load;

		if (!sched_allowed(t, cpu) || !cpumask_test(&sched.online, cpu))
			continue;
		load = queued_on(&rqs[cpu]) + !is_idle_on(&rqs[cpu]);
		if (load < best_load) {
			best_load = load;
			best = (int)cpu;
		}
	}
	if (best < 0)
		best = cpumask_next(&t->affinity, 0);
	return (unsigned)best;
}

/* *claimed: the idle bit of the result was cleared by us. */
static unsigned choose_cpu(const struct uk_thread *t, bool spread, bool *claimed)
{
	unsigned last = (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_RELAXED);

	*claimed = true;
	if (cpumask_test(&sched.idle, last) && sched_allowed(t, last) &&
	    cpumask_test_and_clear_atomic(&sched.idle, last))
		return last;
	for (int cpu = cpumask_next(&sched.idle, 0); cpu >= 0; cpu = cpumask_next(&sched.idle, (unsigned)cpu + 1))
		if (sched_allowed(t, (unsigned)cpu) && cpumask_test_and_clear_atomic(&sched.idle, (unsigned)cpu))
			return (unsigned)cpu;
	*claimed = false;
	if (!spread && sched_allowed(t, last) && cpumask_test(&sched.online, last))
		return last;
	return least_loaded(t);
}

/* Arm the end of the running thread's slice on this CPU. Interrupts off. */
static void arm_slice(struct rq *rq)
{
	if (timer_slice() == UINT64_MAX) {
		timer_set_slice(rq->slice_start + SLICE_NS);
		timer_program();
	}
}

/* Queue `t` on `cpu` and see to it that somebody runs it. False: its affinity excludes `cpu` by now. */
static bool enqueue_on(struct uk_thread *t, unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	bool to_idle, new_tick = false;
	int kick = -1;
	unsigned long flags;

	uk_spin_lock_irqsave(&rq->lock, flags);
	queue_add_locked(rq, t);
	/*
	 * A full barrier. Before it: queued here. After it: the affinity (pairs with thread_set_affinity(): it sees
	 * us in this queue or we see its mask) and, in claim_idle(), the idle mask (pairs with idle_loop()).
	 */
	__atomic_store_n(&t->last_cpu, (int)cpu, __ATOMIC_SEQ_CST);
	if (unlikely(!sched_allowed(t, cpu))) {
		queue_del_locked(rq, t);
		uk_spin_unlock_irqrestore(&rq->lock, flags);
		return false;
	}
	to_idle = is_idle_on(rq);
	if (!to_idle) {
		if (sched_preemptive && !rq->tick) {
			__atomic_store_n(&rq->tick, 1, __ATOMIC_RELAXED);
			new_tick = true;
		}
		kick = claim_idle(t);
	}
	uk_spin_unlock(&rq->lock);
	/* `t` may be running, or gone, from here on. Interrupts are still off. */
	if (to_idle)
		wake_halted(cpu);
	if (kick >= 0)
		wake_halted((unsigned)kick);
	if (new_tick) {
		if (cpu == cpu_id())
			arm_slice(rq);
		else
			plat_ipi_send(cpu, PLAT_IPI_RESCHEDULE);
	}
	arch_irq_restore(flags);
	return true;
}

void sched_place(struct uk_thread *t, bool spread)
{
	unsigned cpu;
	bool claimed;

	while (cpu = choose_cpu(t, spread, &claimed), unlikely(!enqueue_on(t, cpu)))
		if (claimed)
			wake_halted(cpu); /* it shows as idle again after a look around */
}

/* ---- switching ---- */

/*
 * Next thread of this CPU, or NULL; marked on_cpu and off the queue. A queued thread may run here (see thread.c,
 * affinity).
 */
static struct uk_thread *pick_locked(struct rq *rq)
{
	struct uk_thread *t;

	if (!rq->nr_queued)
		return NULL;
	t = list_first(&rq->queue, struct uk_thread, rq_node);
	queue_del_locked(rq, t);
	/*
	 * Relaxed: thread_set_affinity() looks after a section of this lock, stealers have no business with it any
	 * more.
	 */
	__atomic_store_n(&t->on_cpu, 1, __ATOMIC_RELAXED);
	return t;
}

/* What has to wait until `prev` is off its stack, or until no lock is held. Interrupts off. */
static void after_switch(struct rq *rq)
{
	if (unlikely(rq->migrate)) {
		struct uk_thread *t = rq->migrate;

		rq->migrate = NULL;
		sched_place(t, false);
	}
	if (unlikely(rq->kick >= 0)) {
		wake_halted((unsigned)rq->kick);
		rq->kick = -1;
	}
	/* Relaxed: set by this CPU, or by another one that then sends an IPI. */
	if (__atomic_load_n(&rq->tick, __ATOMIC_RELAXED))
		arm_slice(rq);
}

static void finish_switch(struct uk_thread *prev)
{
	/* Before on_cpu goes: afterwards only an exited thread is still ours. */
	bool exited = __atomic_load_n(&prev->state, __ATOMIC_RELAXED) == THREAD_EXITED;

	/* Its context is complete. Pairs with the acquires in thread_wake(), steal(). */
	__atomic_store_n(&prev->on_cpu, 0, __ATOMIC_RELEASE);
	after_switch(&rqs[cpu_id()]);
	if (unlikely(exited))
		thread_reap(prev);
}

/*
 * Interrupts off, preemption on. `block`: a thread that is BLOCKING becomes BLOCKED. Returns when the caller runs
 * again.
 */
static void schedule(bool block)
{
	struct uk_thread *prev, *next;
	bool runnable, migrating;
	uint64_t now = plat_monotonic_ns();
	unsigned cpu;
	struct rq *rq;

	preempt_disable();
	cpu = cpu_id();
	rq = &rqs[cpu];
	percpu_write(need_resched, 0);
	uk_spin_lock(&rq->lock);
	prev = rq->current;
	runnable = !prev->is_idle && __atomic_load_n(&prev->state, __ATOMIC_RELAXED) != THREAD_EXITED;
	if (runnable && block) {
		int s = THREAD_BLOCKING;

		/* Release: pairs with the waker's exchange of state. If it fails we were woken: acquire. */
		runnable = !__atomic_compare_exchange_n(&prev->state, &s, THREAD_BLOCKED, false, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE);
	}
	migrating = runnable && unlikely(!sched_allowed(prev, cpu));
	next = pick_locked(rq);
	if (migrating)
		rq->migrate = prev;
	else if (runnable && next) {
		queue_add_locked(rq, prev);
		/* A full barrier between queuing and looking for an idle CPU: pairs with idle_loop(). */
		__atomic_store_n(&prev->last_cpu, (int)cpu, __ATOMIC_SEQ_CST);
		rq->kick = claim_idle(prev);
	}
	if (!next)
		next = runnable && !migrating ? prev : rq->idle;
	if (sched_preemptive && rq->nr_queued && next != rq->idle)
		__atomic_store_n(&rq->tick, 1, __ATOMIC_RELAXED);
	if (next == prev) {
		uk_spin_unlock(&rq->lock);
		after_switch(rq);
		preempt_enable_no_resched();
		return;
	}
	prev->run_ns += now - prev->run_start;
	next->run_start = now;
	rq->slice_start = now;
	__atomic_store_n(&rq->current, next, __ATOMIC_RELAXED);
	percpu_write(current, next);
	percpu_write(kstack_base, next->kstack_base);
	percpu_write(kstack_top, next->kstack_top);
	uk_spin_unlock(&rq->lock);
	/* The CPU may be another one when this returns. */
	prev = arch_switch(&prev->ctx, &next->ctx, prev);
	finish_switch(prev);
	preempt_enable_no_resched();
}

void sched_thread_entry(void *from, void *arg)
{
	struct uk_thread *t = arg;

	finish_switch(from);
	preempt_enable_no_resched();
	if (t->app_sp)
		arch_enter_app(t->app_sp, t->fn, t->arg);
	arch_irq_enable();
	t->fn(t->arg);
	thread_exit();
}

/* ---- blocking and waking ---- */

void thread_prepare_block(void)
{
	/* Full barrier: the condition is read after it. Pairs with the locked exchange in thread_wake(). */
	__atomic_store_n(&current_thread()->state, THREAD_BLOCKING, __ATOMIC_SEQ_CST);
}

void thread_cancel_block(void)
{
	/* Acquire: what the waker wrote before it woke us. */
	__atomic_exchange_n(&current_thread()->state, THREAD_RUNNING, __ATOMIC_ACQ_REL);
}

void thread_block(void)
{
	unsigned long flags;

	UK_ASSERT(context_may_sleep());
	/* pairs with the exchange in thread_wake() */
	if (__atomic_load_n(&current_thread()->state, __ATOMIC_ACQUIRE) == THREAD_RUNNING)
		return;
	flags = arch_irq_save();
	schedule(true);
	arch_irq_restore(flags);
}

struct block_timer {
	struct timer timer;
	struct uk_thread *thread;
};

static void block_timer_fired(struct timer *timer)
{
	/* The thread is there: it cancels the timer, and so waits for us, before it goes on. */
	thread_wake(container_of(timer, struct block_timer, timer)->thread);
}

bool thread_block_until(uint64_t deadline_ns)
{
	struct block_timer bt;

	if (deadline_ns == UINT64_MAX) {
		thread_block();
		return false;
	}
	if (plat_monotonic_ns() >= deadline_ns) {
		thread_cancel_block();
		return true;
	}
	timer_init(&bt.timer, block_timer_fired);
	bt.thread = current_thread();
	timer_arm(&bt.timer, deadline_ns);
	thread_block();
	return !timer_cancel(&bt.timer);
}

int thread_sleep_until(uint64_t deadline_ns)
{
	thread_prepare_block();
	/* After the announcement: who sets the flag and then wakes us is not missed. */
	if (__atomic_load_n(&current_thread()->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING) {
		thread_cancel_block();
		return -EINTR;
	}
	thread_block_until(deadline_ns);
	return __atomic_load_n(&current_thread()->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING ? -EINTR : 0;
}

void thread_wake(struct uk_thread *t)
{
	int s;

	/* Not preempted between taking the thread over (I1) and queuing it. */
	preempt_disable();
	for (;;) {
		s = THREAD_BLOCKING;
		/*
		 * A locked exchange is a full barrier even if it fails: what the caller wrote before is seen by the
		 * sleeper's check.
		 */
		if (__atomic_compare_exchange_n(&t->state, &s, THREAD_RUNNING, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			goto out;
		if (s != THREAD_BLOCKED)
			goto out;
		if (__atomic_compare_exchange_n(&t->state, &s, THREAD_RUNNING, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			break;
	}
	/* Bounded, see the prologue. Pairs with the release in finish_switch(). */
	while (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
		arch_cpu_relax();
	sched_place(t, false);
out:
	preempt_enable();
}

void thread_start(struct uk_thread *t)
{
	int s = THREAD_NEW;

	preempt_disable();
	if (__atomic_compare_exchange_n(&t->state, &s, THREAD_RUNNING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		sched_place(t, true);
	preempt_enable();
}

/* ---- stealing and idling ---- */

/* Move the oldest thread that may run here from another CPU's queue to ours. Interrupts off. */
static enum steal steal(unsigned cpu)
{
	enum steal result = STEAL_NONE;

	for (unsigned i = 1; i < sched.cpus; i++) {
		unsigned victim = cpu + i < sched.cpus ? cpu + i : cpu + i - sched.cpus;
		struct rq *rq = &rqs[victim];
		struct uk_thread *got = NULL;

		if (!queued_on(rq))
			continue;
		if (!uk_spin_trylock(&rq->lock)) {
			result = STEAL_AGAIN;
			continue;
		}
		list_foreach(n, &rq->queue) {
			struct uk_thread *t = list_entry(n, struct uk_thread, rq_node);

			if (!sched_allowed(t, cpu))
				continue;
			/* pairs with the release in finish_switch() */
			if (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)) {
				result = STEAL_AGAIN;
				continue;
			}
			got = t;
			break;
		}
		if (got)
			queue_del_locked(rq, got);
		uk_spin_unlock(&rq->lock);
		if (got) {
			if (unlikely(!enqueue_on(got, cpu)))
				sched_place(got, false);
			return STEAL_GOT;
		}
	}
	return result;
}

/* Wait a moment for work with interrupts on, idle bit set. */
static void idle_poll(struct rq *rq, unsigned cpu)
{
	uint64_t end = plat_monotonic_ns() + rq->poll_ns;

	arch_irq_enable();
	/* A cleared idle bit: somebody sends us to steal. */
	while (!queued_on(rq) && cpumask_test(&sched.idle, cpu) && plat_monotonic_ns() < end)
		arch_cpu_relax();
	arch_irq_disable();
}

/* Halt until an interrupt; the idle bit is set and the last look found nothing. Interrupts off. */
static void idle_halt(struct rq *rq)
{
	uint64_t start = plat_monotonic_ns();

	mm_cpu_enter_idle();
	plat_wait_for_interrupt();
	arch_irq_disable();
	mm_cpu_leave_idle();
	/* Short halts: poll before the next ones. Long ones: sooner or later not. */
	if (plat_monotonic_ns() - start < IDLE_SHORT_NS)
		rq->poll_ns = IDLE_POLL_NS;
	else
		rq->poll_ns /= 2;
}

static void __attribute__((noreturn)) idle_loop(unsigned cpu)
{
	struct rq *rq = &rqs[cpu];

	for (;;) {
		enum steal r;

		if (queued_on(rq) || steal(cpu) == STEAL_GOT) {
			schedule(false);
			continue;
		}
		/* Full barrier between showing ourselves and the scan: pairs with enqueue_on() and schedule(). */
		cpumask_test_and_set_atomic(&sched.idle, cpu);
		if (rq->poll_ns >= IDLE_POLL_NS / 8)
			idle_poll(rq, cpu);
		/* pairs with wake_halted() */
		__atomic_exchange_n(&rq->halted, 1, __ATOMIC_SEQ_CST);
		/*
		 * A bit that is gone now was cleared by somebody who saw halted 0: we owe a look around, and must
		 * show up again.
		 */
		r = queued_on(rq) || !cpumask_test(&sched.idle, cpu) ? STEAL_GOT : steal(cpu);
		if (r == STEAL_NONE)
			idle_halt(rq);
		__atomic_store_n(&rq->halted, 0, __ATOMIC_RELAXED);
		cpumask_test_and_clear_atomic(&sched.idle, cpu);
		if (r == STEAL_AGAIN) {
			/* Let interrupts in; the nops because QEMU's TCG takes none if `pause` follows `sti`. */
			arch_irq_enable();
			__asm__ volatile("nop; nop");
			arch_cpu_relax();
			arch_irq_disable();
		}
	}
}

static void __attribute__((noreturn)) idle_entry(void *from, void *arg)
{
	(void)arg;
	finish_switch(from);
	preempt_enable_no_resched();
	idle_loop(cpu_id());
}

/* ---- giving way ---- */

void sched_requeue_self(void)
{
	unsigned long flags = arch_irq_save();

	schedule(false);
	arch_irq_restore(flags);
}

void thread_yield(void)
{
	unsigned long flags = arch_irq_save();
	unsigned cpu = cpu_id();

	/*
	 * With nothing queued here look further, or a thread that yields until another one acts could starve it in
	 * `coop`.
	 */
	if (queued_on(&rqs[cpu]) || steal(cpu) == STEAL_GOT)
		schedule(false);
	arch_irq_restore(flags);
}

void sched_preempt(void)
{
	schedule(false);
}

void sched_evict(struct uk_thread *t, unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	unsigned long flags;
	bool took = false;

	preempt_disable();
	uk_spin_lock_irqsave(&rq->lock, flags);
	/* on_rq names this queue only under its lock. */
	if (__atomic_load_n(&t->on_rq, __ATOMIC_RELAXED) == (int)cpu + 1) {
		/*
		 * In the middle of its switch away: bounded as in thread_wake(), that part of a switch takes no
		 * lock.
		 */
		while (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
			arch_cpu_relax();
		queue_del_locked(rq, t);
		took = true;
	}
	uk_spin_unlock_irqrestore(&rq->lock, flags);
	if (took)
		sched_place(t, false);
	else if (cpu != cpu_id() && __atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST))
		plat_ipi_send(cpu, PLAT_IPI_RESCHEDULE);
	preempt_enable();
}

/* ---- interrupts ---- */

void sched_reschedule_ipi(void)
{
	unsigned cpu = cpu_id();
	struct rq *rq = &rqs[cpu];
	struct uk_thread *cur = rq->current;

	/* An idle CPU has what it came for: it is not halted any more. */
	if (cur == rq->idle)
		return;
	if (!sched_allowed(cur, cpu)) {
		percpu_write(need_resched, 1);
		return;
	}
	if (__atomic_load_n(&rq->tick, __ATOMIC_RELAXED)) {
		arm_slice(rq);
		if (queued_on(rq) && plat_monotonic_ns() >= rq->slice_start + SLICE_NS)
			percpu_write(need_resched, 1);
	}
}

/* Give one thread to a CPU that has at least two fewer, so that long runners share fairly. Interrupts off. */
static void push_balance(unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	struct uk_thread *got = NULL;
	uint32_t fewest = UINT32_MAX;
	unsigned to = cpu;

	for (unsigned i = 0; i < sched.cpus; i++) {
		uint32_t n = queued_on(&rqs[i]);

		if (n < fewest && cpumask_test(&sched.online, i)) {
			fewest = n;
			to = i;
		}
	}
	uk_spin_lock(&rq->lock);
	if (to != cpu && rq->nr_queued >= fewest + 2) {
		list_foreach(n, &rq->queue) {
			struct uk_thread *t = list_entry(n, struct uk_thread, rq_node);

			if (sched_allowed(t, to)) {
				got = t;
				queue_del_locked(rq, t);
				break;
			}
		}
	}
	uk_spin_unlock(&rq->lock);
	/* on_cpu is 0: in an interrupt this CPU is not in the middle of a switch. */
	if (got && unlikely(!enqueue_on(got, to)))
		sched_place(got, false);
}

static void slice_ended(uint64_t now)
{
	unsigned cpu = cpu_id();
	struct rq *rq = &rqs[cpu];
	uint64_t end = rq->slice_start + SLICE_NS;
	bool over = false;

	uk_spin_lock(&rq->lock);
	if (!rq->nr_queued || rq->current == rq->idle) {
		__atomic_store_n(&rq->tick, 0, __ATOMIC_RELAXED);
		timer_set_slice(UINT64_MAX);
	} else {
		over = now >= end;
		timer_set_slice(over ? now + SLICE_NS : end);
	}
	uk_spin_unlock(&rq->lock);
	if (over) {
		if (sched.cpus > 1 && queued_on(rq) >= 2)
			push_balance(cpu);
		percpu_write(need_resched, 1);
	}
}

void sched_timer(void)
{
	uint64_t now;

	timer_hw_fired();
	timer_run_due();
	now = plat_monotonic_ns();
	if (timer_slice() <= now)
		slice_ended(now);
	timer_program();
}

/* ---- CPUs ---- */

unsigned sched_online_count(void)
{
	return __atomic_load_n(&sched.online_count, __ATOMIC_ACQUIRE);
}

static void poll_cpus(struct timer *t)
{
	if (sched_online_count() >= sched.cpus)
		return;
	plat_cpus_poll();
	timer_arm(t, plat_monotonic_ns() + CPU_POLL_NS);
}

static void mark_online(unsigned cpu)
{
	percpu_write(preempt_count, 0);
	percpu_write(need_resched, 0);
	__atomic_store_n(&percpu_areas[cpu].online, 1, __ATOMIC_SEQ_CST);
	cpumask_test_and_set_atomic(&sched.online, cpu);
	__atomic_fetch_add(&sched.online_count, 1, __ATOMIC_ACQ_REL);
}

void sched_cpu_online(void)
{
	unsigned cpu = cpu_id();

	rqs[cpu].idle->run_start = plat_monotonic_ns();
	mark_online(cpu);
	/* Shootdowns have passed this CPU by until now, and it may run a thread before it is idle once. */
	mm_cpu_leave_idle();
	idle_loop(cpu);
}

void sched_init(void)
{
	timer_subsystem_init();
	sched.cpus = plat_cpu_count();
	UK_CHECK(sched.cpus <= CONFIG_MAX_CPUS);
	for (unsigned cpu = 0; cpu < sched.cpus; cpu++) {
		struct rq *rq = &rqs[cpu];

		uk_spin_init(&rq->lock);
		list_init(&rq->queue);
		rq->kick = -1;
		rq->idle = thread_alloc_idle(cpu);
		if (!rq->idle)
			plat_boot_error("not enough memory for %u CPUs", sched.cpus);
		rq->current = rq->idle;
		arch_context_init(&rq->idle->ctx, rq->idle->kstack_top, idle_entry, NULL);
		if (cpu) {
			percpu_areas[cpu].current = rq->idle;
			percpu_areas[cpu].kstack_top = rq->idle->kstack_top;
			percpu_areas[cpu].kstack_base = rq->idle->kstack_base;
			plat_cpu_set_stack(cpu, rq->idle->kstack_top);
		}
	}
	thread_setup(&boot_thread, "boot", percpu_read(kstack_base), percpu_read(kstack_top));
	cpumask_set_first(&boot_thread.affinity, sched.cpus);
	boot_thread.state = THREAD_RUNNING;
	boot_thread.on_cpu = 1;
	boot_thread.run_start = plat_monotonic_ns();
	rqs[0].current = &boot_thread;
	rqs[0].slice_start = boot_thread.run_start;
	thread_adopt(&boot_thread);
	percpu_write(current, &boot_thread);
	mark_online(0);
	if (sched.cpus > 1) {
		timer_init(&sched.poll_timer, poll_cpus);
		timer_arm(&sched.poll_timer, plat_monotonic_ns() + CPU_POLL_NS);
	}
}
