/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Switching, blocking and waking, the idle loop, stealing, time slices, priorities. (Order within a queue: runq.c. Life of
 * a thread: thread.c.)
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
 * the same CPU no interrupt gets in between. sched_evict() and sched_params_changed() wait likewise for a thread that was queued in
 * the middle of a switch; they hold that CPU's queue lock, which the rest of the switch does not take.
 *
 * No lost wake-up (idle). Idle CPU I: halted = 1 by exchange; look at the queue; halt (interrupts off from before
 * the exchange to the halt). Enqueuer E: queue under the lock; if `current` is the idle thread, exchange halted
 * with 0, send an IPI if it was 1. Both are read-modify-writes of one word: if E's is first, I's reads from it and
 * I sees the queue; if I's is first, E sends the IPI, which stays pending until the halt. If `current` was not
 * idle, I has yet to take the queue lock to become idle.
 *
 * No work left lying about while a CPU idles (stealing). I: set own idle bit (locked), then scan all queues; a
 * queue whose lock is busy or whose thread is mid-switch makes it scan again. E, having queued on a busy CPU: a
 * locked instruction, then look at the idle mask; if there is one, claim it and queue there instead. A preempted thread
 * queued by its CPU: the same, with an IPI that makes the idle one steal. Store buffering
 * with a full barrier on both sides (x86-TSO): either I's scan sees the thread or E sees the bit, clears it, then
 * exchanges halted with 0. After its own exchange I checks that its bit is still set: if not, it looks again
 * instead of halting unseen; if it is cleared later, the clearer finds halted 1 and sends the IPI. Before all this an
 * idle CPU whose last halts were short polls for some microseconds: its bit is set and halted 0, so nobody sends IPIs.
 *
 * Priorities. `params` is written by anybody, at any time; the key under which a thread is queued (`ent`) is read from it
 * under the queue's lock. Who changes params writes it (locked), then reads on_rq. An enqueuer writes on_rq, and after
 * the full barrier that it has anyway reads params again. Store buffering once more: the one sees the queue and puts the
 * thread in its new place there, or the other sees the new parameters. A running thread's CPU reads params after taking
 * the lock under which rq->current changes, the same lock that the writer takes after writing.
 *
 * Real time: a waking thread goes to the CPU that runs the least urgent one (cur_prio) and interrupts it. One that waits
 * because all its CPUs ran something as urgent counts in rt_queued; a CPU that turns to something less urgent exchanges cur_prio,
 * then reads rt_queued and pulls; the enqueuer counts (locked), then looks at all cur_prio again and places it anew if
 * it finds a CPU now. Same argument. Real-time threads are not throttled: they can keep the others from running.
 *
 * Preemption keeps BLOCKING threads runnable (they may not have queued themselves anywhere yet); only
 * thread_block() blocks. A slice end is armed only while something is queued behind a running thread: `tick` says
 * that it is armed or that the IPI which makes its CPU arm it is on the way, so there is at most one such IPI per
 * slice. It goes off when a slice ends with nothing queued. `urgent` says that the current thread is to be
 * interrupted and that its CPU has been told. A wake-up sends one IPI at most: to an idle CPU, or for urgent, or for tick.
 *
 * Contexts: thread_wake() and the priorities any, interrupts included; blocking and yielding: thread context, preemption on.
 * No memory is allocated here after sched_init(), which ends the boot with one line if there is none.
 */
#include "sched/sched.h"

#include <arch/cpu.h>

#include "lib/capability.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sched/internal.h"
#include "sched/timer.h"
#include "sched/watchdog.h"
#include "sync/percpu.h"
#include "sync/rcu.h"
#include "sync/spin.h"

#define RR_SLICE_NS 10000000ull
#define CPU_POLL_NS 20000000ull
/* A thread that ran on a CPU no longer ago finds something of it in that CPU's caches. */
#define CACHE_WARM_NS 2000000ull
/* Threads of which no even distribution exists (three on two CPUs) take turns at being alone that often. */
#define ROTATE_NS 60000000ull
/*
 * Halting and being woken by an IPI costs tens of microseconds, so an idle CPU looks for work before it halts. For how long, the last
 * halts say: after one that was so short that looking on would have done, twice as long as before; after a longer one, half. It
 * has to be able to outlast a halt and the way back: two threads on two CPUs that wake each other in turn would halt each time
 * for no other reason than that the other one has halted. (Linux' haltpoll governor looks for up to 200 us, too.)
 *
 * Where two virtual CPUs share a core of the host, looking keeps the other one from working: the longest look finds nothing, and the
 * halt after it is short. Then the next halts come at once, POLL_REST_MIN of them at first, and twice as many each time that this
 * happens again before a look has found something.
 */
#define IDLE_POLL_MIN_NS 5000u
#define IDLE_POLL_NS	 40000u
#define IDLE_POLL_MAX_NS 200000u
/* Looks for each look at the clock. */
#define IDLE_LOOKS    (config_replay ? 1u : 32u)
#define POLL_REST_MIN 64u
#define POLL_REST_MAX 1024u

LOCK_CLASS(run_queue_class, "run queue", 80, LOCK_IRQ | LOCK_LEAF,
	   "runnable threads of one CPU, its running thread and slice");

struct rq {
	struct uk_spinlock lock;
	uint32_t tick;		    /* [lock to write, a to read] slice end armed, or an IPI to arm it sent */
	struct runq q;		    /* [lock; its counts a to read] runnable, not running */
	struct uk_thread *current;  /* [lock to write, a to read] */
	struct uk_thread *idle;	    /* [I] */
	uint32_t urgent;	    /* [lock to write, a to read] current is to be interrupted */
	uint32_t cur_prio;	    /* [lock to write, a to read] of current; RUNQ_PRIO_NONE: idle */
	uint32_t cur_weight;	    /* [lock to write, a to read] 0: idle */
	uint32_t top_prio;	    /* [lock to write, a to read] of the first in `q` */
	uint32_t halted;	    /* [a] 1: about to halt or halted, needs an IPI to look at its queue */
	uint64_t slice_start;	    /* [c] */
	uint64_t slice_turn;	    /* [c] turn_ns of the running thread then */
	uint64_t rotated;	    /* [c] when a thread was last pushed to an equally loaded CPU */
	struct uk_thread *migrate;  /* [c] `prev`, to be queued anew once the switch is complete */
	enum sched_how migrate_how; /* [c] */
	uint32_t poll_ns;	    /* [c] how long to look for work before the next halt */
	uint32_t poll_rest;	    /* [c] halts to come without a look before them */
	uint32_t poll_rest_next;    /* [c] the next time that looking turns out to be in the way */
	int kick;		    /* [c] idle CPU, claimed, to wake for `prev` once the switch is complete; or -1 */
} __cacheline;

static struct rq rqs[CONFIG_MAX_CPUS];
static struct uk_thread boot_thread;

static struct {
	unsigned cpus;		 /* [I] configured */
	unsigned online_count;	 /* [a] */
	struct cpumask online;	 /* [a] */
	struct cpumask idle;	 /* [a] CPUs looking for work; whoever clears a bit owes that CPU a wake-up */
	uint32_t rt_queued;	 /* [a] real-time threads that wait in some queue */
	struct timer poll_timer; /* late CPUs */
} sched;

bool sched_preemptive = true;

enum steal { STEAL_NONE, STEAL_GOT, STEAL_AGAIN };
enum why { WHY_BLOCK, WHY_YIELD, WHY_PREEMPT };

static inline bool is_idle_on(const struct rq *rq)
{
	return __atomic_load_n(&rq->current, __ATOMIC_RELAXED) == rq->idle;
}

static inline uint32_t queued_on(const struct rq *rq)
{
	return runq_count(&rq->q);
}

static inline uint64_t load_of(const struct rq *rq)
{
	return runq_load(&rq->q) + __atomic_load_n(&rq->cur_weight, __ATOMIC_RELAXED);
}

static inline struct uk_thread *thread_of(struct runq_entity *e)
{
	return container_of(e, struct uk_thread, ent);
}

/* ---- queues and priorities ---- */

/* Take over the parameters of a thread that is in no queue. Acquire: pairs with the writers' exchange. */
static inline void read_params(struct uk_thread *t)
{
	uint32_t w = __atomic_load_n(&t->params, __ATOMIC_ACQUIRE), prio;

	/* 0 to begin with, which is no parameters */
	if (likely(w == t->params_used))
		return;
	prio = params_prio(w);
	t->params_used = w;
	t->ent.prio = prio;
	t->ent.weight = runq_weight(prio, PARAMS_POLICY(w) == THREAD_IDLE && params_base(w) <= PARAMS_BOOST(w));
}

static inline bool params_differ(const struct uk_thread *t)
{
	return __atomic_load_n(&t->params, __ATOMIC_SEQ_CST) != t->params_used;
}

static inline bool is_real_time(const struct uk_thread *t)
{
	return t->ent.prio < RUNQ_PRIO_FAIR;
}

static void note_top_locked(struct rq *rq) REQUIRES(rq->lock);
static inline void note_top_locked(struct rq *rq)
{
	const struct runq_entity *first = runq_first(&rq->q);

	uk_spin_assert_held(&rq->lock);
	__atomic_store_n(&rq->top_prio, first ? first->prio : RUNQ_PRIO_NONE, __ATOMIC_RELAXED);
}

static void queue_add_locked(struct rq *rq, struct uk_thread *t, enum runq_how how) REQUIRES(rq->lock);
static inline void queue_add_locked(struct rq *rq, struct uk_thread *t, enum runq_how how)
{
	uk_spin_assert_held(&rq->lock);
	read_params(t);
	runq_add(&rq->q, &t->ent, how);
	note_top_locked(rq);
	if (unlikely(is_real_time(t)))
		__atomic_fetch_add(&sched.rt_queued, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&t->on_rq, (int)(rq - rqs) + 1, __ATOMIC_RELAXED);
}

static void queue_del_locked(struct rq *rq, struct uk_thread *t) REQUIRES(rq->lock);
static inline void queue_del_locked(struct rq *rq, struct uk_thread *t)
{
	uk_spin_assert_held(&rq->lock);
	runq_del(&rq->q, &t->ent);
	note_top_locked(rq);
	if (unlikely(is_real_time(t)))
		__atomic_fetch_sub(&sched.rt_queued, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&t->on_rq, 0, __ATOMIC_RELAXED);
}

/* After the full barrier that follows queue_add_locked(): has somebody changed the parameters without seeing this queue? */
static void queue_recheck_locked(struct rq *rq, struct uk_thread *t) REQUIRES(rq->lock);
static inline void queue_recheck_locked(struct rq *rq, struct uk_thread *t)
{
	uk_spin_assert_held(&rq->lock);
	while (unlikely(params_differ(t))) {
		queue_del_locked(rq, t);
		queue_add_locked(rq, t, RUNQ_BACK);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

/* Count what the running thread has used. `now` may be a little before run_start, if another CPU read it. */
static void charge_locked(struct rq *rq, struct uk_thread *t, uint64_t now) REQUIRES(rq->lock);
static inline void charge_locked(struct rq *rq, struct uk_thread *t, uint64_t now)
{
	uint64_t ran = now - t->run_start;

	uk_spin_assert_held(&rq->lock);
	if (unlikely((int64_t)ran <= 0))
		return;
	__atomic_store_n(&t->run_ns, t->run_ns + ran, __ATOMIC_RELAXED);
	__atomic_store_n(&t->run_start, now, __ATOMIC_RELAXED);
	if (unlikely(t->is_idle))
		return;
	if (unlikely(is_real_time(t)))
		t->turn_ns += ran;
	runq_charge(&rq->q, &t->ent, ran);
}

static void note_current_locked(struct rq *rq, const struct uk_thread *t) REQUIRES(rq->lock);
static inline void note_current_locked(struct rq *rq, const struct uk_thread *t)
{
	const uint32_t prio = t->is_idle ? RUNQ_PRIO_NONE : t->ent.prio;

	uk_spin_assert_held(&rq->lock);
	__atomic_store_n(&rq->cur_weight, t->is_idle ? 0 : t->ent.weight, __ATOMIC_RELAXED);
	if (likely(rq->cur_prio >= RUNQ_PRIO_FAIR || prio <= rq->cur_prio))
		__atomic_store_n(&rq->cur_prio, prio, __ATOMIC_RELAXED);
	else /* less urgent: a full barrier before rt_queued is read, see the prologue */
		__atomic_exchange_n(&rq->cur_prio, prio, __ATOMIC_SEQ_CST);
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

/* Allowed CPU with the least load, online ones first. */
static unsigned least_loaded(const struct uk_thread *t)
{
	uint64_t best_load = UINT64_MAX;
	int best = -1;

	for (unsigned cpu = 0; cpu < sched.cpus; cpu++) {
		uint64_t load;

		if (!sched_allowed(t, cpu) || !cpumask_test(&sched.online, cpu))
			continue;
		load = load_of(&rqs[cpu]);
		if (load < best_load) {
			best_load = load;
			best = (int)cpu;
		}
	}
	if (best < 0)
		best = cpumask_next(&t->affinity, 0);
	return (unsigned)best;
}

/* The allowed CPU whose thread is the least urgent, if it is less urgent than `prio`; else -1. `last` among equals. */
static int least_urgent(const struct uk_thread *t, uint32_t prio, unsigned last)
{
	int best = -1;

	for (unsigned cpu = 0; cpu < sched.cpus; cpu++) {
		uint32_t p;

		if (!sched_allowed(t, cpu) || !cpumask_test(&sched.online, cpu))
			continue;
		p = __atomic_load_n(&rqs[cpu].cur_prio, __ATOMIC_SEQ_CST);
		if (p > prio || (p == prio && best >= 0 && cpu == last)) {
			prio = p;
			best = (int)cpu;
		}
	}
	return best;
}

static bool cache_is_warm(const struct uk_thread *t)
{
	return plat_monotonic_ns() - __atomic_load_n(&t->run_start, __ATOMIC_RELAXED) < CACHE_WARM_NS;
}

/* *claimed: the idle bit of the result was cleared by us. */
static unsigned choose_cpu(const struct uk_thread *t, enum sched_how how, bool *claimed)
{
	unsigned last = (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_RELAXED);
	uint32_t prio;

	*claimed = true;
	if (cpumask_test(&sched.idle, last) && sched_allowed(t, last) &&
	    cpumask_test_and_clear_atomic(&sched.idle, last))
		return last;
	for (int cpu = cpumask_next(&sched.idle, 0); cpu >= 0; cpu = cpumask_next(&sched.idle, (unsigned)cpu + 1))
		if (sched_allowed(t, (unsigned)cpu) && cpumask_test_and_clear_atomic(&sched.idle, (unsigned)cpu))
			return (unsigned)cpu;
	*claimed = false;
	prio = params_prio(__atomic_load_n(&t->params, __ATOMIC_RELAXED));
	if (unlikely(prio < RUNQ_PRIO_FAIR)) {
		int cpu = least_urgent(t, prio, last);

		if (cpu >= 0)
			return (unsigned)cpu;
		if (sched_allowed(t, last) && cpumask_test(&sched.online, last))
			return last;
	}
	/* not behind a real-time thread; with one CPU there is nothing to ask */
	if (how != SCHED_HOW_START && sched_allowed(t, last) && cpumask_test(&sched.online, last) &&
	    (sched.cpus == 1 ||
	     (cache_is_warm(t) && __atomic_load_n(&rqs[last].cur_prio, __ATOMIC_RELAXED) >= RUNQ_PRIO_FAIR)))
		return last;
	return least_loaded(t);
}

/*
 * Of the running thread. Interrupts off, own CPU. A real-time thread that was interrupted goes on with its turn: else its equals
 * would wait for ever for one that is interrupted more often than turns end.
 */
static uint64_t slice_end(const struct rq *rq)
{
	if (__atomic_load_n(&rq->cur_prio, __ATOMIC_RELAXED) >= RUNQ_PRIO_FAIR)
		return rq->slice_start + runq_slice_ns(&rq->q);
	return rq->slice_start + RR_SLICE_NS - MIN(rq->slice_turn, RR_SLICE_NS);
}

/* Arm the end of the running thread's slice on this CPU. Interrupts off. */
static void arm_slice(struct rq *rq)
{
	if (timer_slice() == UINT64_MAX) {
		timer_set_slice(slice_end(rq));
		timer_program();
	}
}

/* Has the current thread of `cpu` to make way for `t`, which was added to the queue? */
static bool is_urgent_locked(struct rq *rq, const struct uk_thread *t, enum sched_how how) REQUIRES(rq->lock);
static bool is_urgent_locked(struct rq *rq, const struct uk_thread *t, enum sched_how how)
{
	const struct uk_thread *cur = rq->current;
	uint64_t ran = 0;

	uk_spin_assert_held(&rq->lock);
	if (!sched_preemptive || rq->urgent)
		return false;
	if (!is_real_time(t)) {
		if (how != SCHED_HOW_WOKEN || cur->ent.prio < RUNQ_PRIO_FAIR ||
		    PARAMS_POLICY(__atomic_load_n(&t->params, __ATOMIC_RELAXED)) == THREAD_BATCH)
			return false;
		/* What the waker itself has used since its last switch is less than a slice: worth no look at the clock. */
		if (cur != current_thread() || percpu_read(in_irq)) {
			uint64_t now = plat_monotonic_ns();

			ran = now > cur->run_start ? now - cur->run_start : 0;
		}
	}
	return runq_preempts(&rq->q, &t->ent, &cur->ent, ran);
}

/* Make the current thread of `cpu` look at `urgent`, or at `tick`. Interrupts off, no lock held. */
static void tell(unsigned cpu, bool urgent)
{
	if (cpu != cpu_id())
		plat_ipi_send(cpu, PLAT_IPI_RESCHEDULE);
	else if (urgent)
		percpu_write(need_resched, 1);
	else
		arm_slice(&rqs[cpu]);
}

static inline enum runq_how queue_how(const struct uk_thread *t, enum sched_how how)
{
	if (how == SCHED_HOW_WOKEN)
		return RUNQ_WOKEN;
	return how == SCHED_HOW_MOVED && is_real_time(t) ? RUNQ_FRONT : RUNQ_BACK;
}

/* What enqueue_on() may say instead of a CPU that it has claimed. */
#define PLACED	     (-1)
#define CHOOSE_AGAIN (-2)

/*
 * Queue `t` on `cpu` and see to it that somebody runs it. Otherwise `t` is in no queue, because its affinity excludes `cpu`
 * by now or a better CPU turned up: choose again; or the result is that better one, idle and claimed.
 */
static int enqueue_on(struct uk_thread *t, unsigned cpu, enum sched_how how)
{
	struct rq *rq = &rqs[cpu];
	bool to_idle, urgent = false, new_tick = false;
	int better = PLACED;
	unsigned long flags;

	uk_spin_lock_irqsave(&rq->lock, flags);
	queue_add_locked(rq, t, queue_how(t, how));
	/*
	 * A full barrier. Before it: queued here. After it: the affinity (pairs with thread_set_affinity(): it sees
	 * us in this queue or we see its mask), the parameters (pairs with sched_params_changed()), in claim_idle() the idle mask
	 * (pairs with idle_loop()), and what the other CPUs run (pairs with note_current_locked()).
	 */
	__atomic_store_n(&t->last_cpu, (int)cpu, __ATOMIC_SEQ_CST);
	queue_recheck_locked(rq, t);
	if (unlikely(!sched_allowed(t, cpu)))
		better = CHOOSE_AGAIN;
	to_idle = is_idle_on(rq);
	if (!to_idle && better == PLACED) {
		better = claim_idle(t);
		if (unlikely(better == PLACED && is_real_time(t) && t->ent.prio >= rq->cur_prio &&
			     least_urgent(t, t->ent.prio, cpu) >= 0))
			better = CHOOSE_AGAIN;
	}
	if (unlikely(better != PLACED)) {
		queue_del_locked(rq, t);
		uk_spin_unlock_irqrestore(&rq->lock, flags);
		return better;
	}
	if (!to_idle) {
		urgent = is_urgent_locked(rq, t, how);
		if (urgent) {
			__atomic_store_n(&rq->urgent, 1, __ATOMIC_RELAXED);
		} else if (sched_preemptive && !rq->tick) {
			__atomic_store_n(&rq->tick, 1, __ATOMIC_RELAXED);
			new_tick = true;
		}
	}
	uk_spin_unlock(&rq->lock);
	/* `t` may be running, or gone, from here on. Interrupts are still off. */
	if (to_idle)
		wake_halted(cpu);
	else if (urgent || new_tick)
		tell(cpu, urgent);
	arch_irq_restore(flags);
	return PLACED;
}

/* `claimed`: we cleared the idle bit of `cpu`. Preemption off. */
static void place_on(struct uk_thread *t, unsigned cpu, bool claimed, enum sched_how how)
{
	int r;

	while (r = enqueue_on(t, cpu, how), unlikely(r != PLACED)) {
		if (claimed)
			wake_halted(cpu); /* it shows as idle again after a look around */
		claimed = r >= 0;
		cpu = claimed ? (unsigned)r : choose_cpu(t, how, &claimed);
	}
}

void sched_place(struct uk_thread *t, enum sched_how how)
{
	bool claimed;
	unsigned cpu = choose_cpu(t, how, &claimed);

	place_on(t, cpu, claimed, how);
}

/*
 * A real-time thread that waits elsewhere and is more urgent than what this CPU is about to run comes here. Interrupts
 * off, no lock held.
 */
static __noinline void pull_real_time_slow(unsigned cpu)
{
	struct rq *own = &rqs[cpu];

	for (unsigned i = 0; i < sched.cpus; i++) {
		struct rq *rq = &rqs[i];
		uint32_t bound = MIN(__atomic_load_n(&own->cur_prio, __ATOMIC_RELAXED),
				     __atomic_load_n(&own->top_prio, __ATOMIC_RELAXED));
		struct uk_thread *got = NULL;

		if (i == cpu || __atomic_load_n(&rq->top_prio, __ATOMIC_SEQ_CST) >= MIN(bound, RUNQ_PRIO_FAIR))
			continue;
		uk_spin_lock(&rq->lock);
		for (struct runq_entity *e = runq_first(&rq->q); e && e->prio < MIN(bound, RUNQ_PRIO_FAIR);
		     e = runq_next(e)) {
			/* pairs with the release in finish_switch() */
			if (sched_allowed(thread_of(e), cpu) &&
			    !__atomic_load_n(&thread_of(e)->on_cpu, __ATOMIC_ACQUIRE)) {
				got = thread_of(e);
				queue_del_locked(rq, got);
				break;
			}
		}
		uk_spin_unlock(&rq->lock);
		if (got)
			place_on(got, cpu, false, SCHED_HOW_MOVED);
	}
}

/* ---- switching ---- */

/*
 * First thread of this CPU's queue, or NULL; marked on_cpu and off the queue. A queued thread may run here (see thread.c,
 * affinity).
 */
static struct uk_thread *pick_locked(struct rq *rq) REQUIRES(rq->lock);
static inline struct uk_thread *pick_locked(struct rq *rq)
{
	struct uk_thread *t;

	uk_spin_assert_held(&rq->lock);
	if (!runq_first(&rq->q))
		return NULL;
	t = thread_of(runq_first(&rq->q));
	queue_del_locked(rq, t);
	/*
	 * Relaxed: thread_set_affinity() looks after a section of this lock, stealers have no business with it any
	 * more.
	 */
	__atomic_store_n(&t->on_cpu, 1, __ATOMIC_RELAXED);
	return t;
}

/* What has to wait until `prev` is off its stack, or until no lock is held. Interrupts off. May set need_resched. */
static void after_switch(struct rq *rq)
{
	if (unlikely(rq->migrate)) {
		struct uk_thread *t = rq->migrate;

		rq->migrate = NULL;
		sched_place(t, rq->migrate_how);
	}
	if (unlikely(rq->kick >= 0)) {
		wake_halted((unsigned)rq->kick);
		rq->kick = -1;
	}
	/* Relaxed: if it counts for us, there was a full barrier in note_current_locked(). */
	if (unlikely(__atomic_load_n(&sched.rt_queued, __ATOMIC_RELAXED)) && sched.cpus > 1)
		pull_real_time_slow((unsigned)(rq - rqs));
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
 * `prev` can go on, but may not be the one to. Who is next: NULL if it is prev. prev is queued or put into rq->migrate then.
 */
static struct uk_thread *contest_locked(struct rq *rq, struct uk_thread *prev, enum why why) REQUIRES(rq->lock);
static inline struct uk_thread *contest_locked(struct rq *rq, struct uk_thread *prev, enum why why)
{
	const unsigned cpu = (unsigned)(rq - rqs);
	struct uk_thread *next;
	bool turn_over = why == WHY_YIELD;

	uk_spin_assert_held(&rq->lock);
	if (unlikely(!sched_allowed(prev, cpu))) {
		rq->migrate = prev;
		rq->migrate_how = SCHED_HOW_MOVED;
		return pick_locked(rq);
	}
	if (unlikely(params_differ(prev)))
		read_params(prev);
	if (why == WHY_YIELD)
		runq_yield(&rq->q, &prev->ent);
	else if (unlikely(is_real_time(prev)))
		turn_over = PARAMS_POLICY(prev->params_used) == THREAD_RR && prev->turn_ns >= RR_SLICE_NS;
	if (turn_over || prev->turn_ns >= RR_SLICE_NS)
		prev->turn_ns = 0;
	if (!runq_first_goes(&rq->q, &prev->ent, turn_over))
		return NULL;
	next = pick_locked(rq);
	if (unlikely(is_real_time(prev) && sched.cpus > 1)) {
		/* Another CPU may run something less urgent; and in a queue it would be passed by until it is off its stack. */
		rq->migrate = prev;
		rq->migrate_how = turn_over ? SCHED_HOW_YIELDED : SCHED_HOW_MOVED;
		return next;
	}
	queue_add_locked(rq, prev, unlikely(is_real_time(prev) && !turn_over) ? RUNQ_FRONT : RUNQ_BACK);
	/*
	 * A full barrier between queuing and looking at the parameters, for an idle CPU: pairs with
	 * sched_params_changed(), idle_loop(). (The affinity was looked at under the lock, see thread.c.)
	 */
	__atomic_store_n(&prev->last_cpu, (int)cpu, __ATOMIC_SEQ_CST);
	queue_recheck_locked(rq, prev);
	rq->kick = claim_idle(prev);
	return next;
}

/*
 * Interrupts off, preemption on. With WHY_BLOCK a thread that is BLOCKING becomes BLOCKED. Returns when the caller runs
 * again.
 */
static void switch_away(enum why why)
{
	struct uk_thread *prev, *next;
	uint64_t now = plat_monotonic_ns();
	bool runnable;
	struct rq *rq;

	preempt_disable();
	rq = &rqs[cpu_id()];
	rcu_quiescent();
	watchdog_switch();
	percpu_write(need_resched, 0);
	uk_spin_lock(&rq->lock);
	prev = rq->current;
	if (rq->urgent)
		__atomic_store_n(&rq->urgent, 0, __ATOMIC_RELAXED);
	charge_locked(rq, prev, now);
	runnable = !prev->is_idle && __atomic_load_n(&prev->state, __ATOMIC_RELAXED) != THREAD_EXITED;
	if (runnable && why == WHY_BLOCK) {
		int s = THREAD_BLOCKING;

		/* Release: pairs with the waker's exchange of state. If it fails we were woken: acquire. */
		runnable = !__atomic_compare_exchange_n(&prev->state, &s, THREAD_BLOCKED, false, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE);
	}
	if (runnable) {
		next = contest_locked(rq, prev, why);
		if (!next)
			next = rq->migrate ? rq->idle : prev;
	} else {
		next = pick_locked(rq);
		if (!next)
			next = rq->idle;
	}
	note_current_locked(rq, next);
	if (sched_preemptive && rq->q.count && next != rq->idle)
		__atomic_store_n(&rq->tick, 1, __ATOMIC_RELAXED);
	rq->slice_start = now;
	rq->slice_turn = next->turn_ns;
	if (next == prev) {
		uk_spin_unlock(&rq->lock);
		after_switch(rq);
		preempt_enable_no_resched();
		return;
	}
	__atomic_store_n(&next->run_start, now, __ATOMIC_RELAXED);
	__atomic_store_n(&rq->current, next, __ATOMIC_RELAXED);
	percpu_write(current, next);
	percpu_write(kstack_base, next->kstack_base);
	percpu_write(kstack_top, next->kstack_top);
	uk_spin_unlock(&rq->lock);
	if (prev->is_idle)
		watchdog_busy();
	/* The CPU may be another one when this returns. */
	prev = arch_switch(&prev->ctx, &next->ctx, prev);
	finish_switch(prev);
	preempt_enable_no_resched();
}

/* As above, and again if the end of the switch found something more urgent. */
static inline void schedule(enum why why)
{
	switch_away(why);
	while (unlikely(percpu_read(need_resched)))
		switch_away(WHY_PREEMPT);
}

void sched_thread_entry(void *from, void *arg)
{
	struct uk_thread *t = arg;

	finish_switch(from);
	preempt_enable_no_resched();
	while (unlikely(percpu_read(need_resched)))
		switch_away(WHY_PREEMPT);
	if (t->app_sp)
		arch_enter_app(t->app_sp, t->fn, t->arg);
	arch_irq_enable();
	t->fn(t->arg);
	thread_exit();
}

/* ---- changes of priority ---- */

void sched_params_changed(struct uk_thread *t)
{
	bool urgent = false, place = false;
	unsigned long flags;
	unsigned cpu;
	struct rq *rq;
	int on;

	preempt_disable();
	/* After params, which was exchanged: see the prologue. In neither queue nor CPU: who queues it sees the new parameters. */
	on = __atomic_load_n(&t->on_rq, __ATOMIC_SEQ_CST);
	cpu = on ? (unsigned)on - 1 : (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST);
	rq = &rqs[cpu];
	uk_spin_lock_irqsave(&rq->lock, flags);
	if (__atomic_load_n(&t->on_rq, __ATOMIC_RELAXED) == (int)cpu + 1) {
		queue_del_locked(rq, t);
		queue_add_locked(rq, t, RUNQ_BACK);
		if (!is_idle_on(rq))
			urgent = is_urgent_locked(rq, t, SCHED_HOW_WOKEN);
		/* A more urgent thread may be better off elsewhere. In the middle of its switch away: as in sched_evict(). */
		if (is_real_time(t) && !urgent && sched.cpus > 1) {
			while (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
				arch_cpu_relax();
			queue_del_locked(rq, t);
			place = true;
		}
	} else if (rq->current == t && !t->is_idle) {
		charge_locked(rq, t, plat_monotonic_ns());
		read_params(t);
		note_current_locked(rq, t);
		/* the switch looks at its queue and at others */
		urgent = sched_preemptive && !rq->urgent &&
			 (rq->q.count || __atomic_load_n(&sched.rt_queued, __ATOMIC_SEQ_CST));
	}
	if (urgent)
		__atomic_store_n(&rq->urgent, 1, __ATOMIC_RELAXED);
	uk_spin_unlock(&rq->lock);
	if (urgent)
		tell(cpu, true);
	arch_irq_restore(flags);
	if (place)
		sched_place(t, SCHED_HOW_MOVED);
	preempt_enable();
}

uint64_t thread_slice_ns(const struct uk_thread *t)
{
	switch (PARAMS_POLICY(__atomic_load_n(&t->params, __ATOMIC_RELAXED))) {
	case THREAD_FIFO:
		return 0;
	case THREAD_RR:
		return RR_SLICE_NS;
	}
	return runq_slice_ns(&rqs[__atomic_load_n(&t->last_cpu, __ATOMIC_RELAXED)].q);
}

/* ---- blocking and waking ---- */

void thread_prepare_block(void)
{
	/* Full barrier: the condition is read after it. Pairs with the locked exchange in thread_wake(). */
	__atomic_store_n(&current_thread()->state, THREAD_BLOCKING, __ATOMIC_SEQ_CST);
}

void thread_cancel_block(void)
{
	/* Acquire: what the waker wrote before it woke us. Nobody but us turns RUNNING into something else. */
	if (__atomic_load_n(&current_thread()->state, __ATOMIC_ACQUIRE) != THREAD_RUNNING)
		__atomic_exchange_n(&current_thread()->state, THREAD_RUNNING, __ATOMIC_ACQ_REL);
}

void thread_block(void)
{
	unsigned long flags;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	/* pairs with the exchange in thread_wake() */
	if (__atomic_load_n(&current_thread()->state, __ATOMIC_ACQUIRE) == THREAD_RUNNING)
		return;
	flags = arch_irq_save();
	schedule(WHY_BLOCK);
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
	int s = THREAD_BLOCKED;
	unsigned looks = 0;

	/* Not preempted between taking the thread over (I1) and queuing it. */
	preempt_disable();
	/*
	 * A locked exchange is a full barrier even if it fails: what the caller wrote before is seen by the sleeper's
	 * check. Most sleep by now, so that is tried first; then whatever was found, if it is a sleeper's state.
	 */
	while (!__atomic_compare_exchange_n(&t->state, &s, THREAD_RUNNING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		if (s != THREAD_BLOCKING && s != THREAD_BLOCKED)
			goto out;
	if (s == THREAD_BLOCKING)
		goto out;
	/* Bounded, see the prologue. Pairs with the release in finish_switch(). */
	while (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
		spin_wait(&looks);
	sched_place(t, SCHED_HOW_WOKEN);
out:
	preempt_enable();
}

void thread_start(struct uk_thread *t)
{
	int s = THREAD_NEW;

	preempt_disable();
	if (__atomic_compare_exchange_n(&t->state, &s, THREAD_RUNNING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		sched_place(t, SCHED_HOW_START);
	preempt_enable();
}

/* ---- stealing and idling ---- */

/* Move the first thread that may run here from another CPU's queue to ours. Interrupts off, preemption on. */
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
		for (struct runq_entity *e = runq_first(&rq->q); e; e = runq_next(e)) {
			struct uk_thread *t = thread_of(e);

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
			place_on(got, cpu, false, SCHED_HOW_MOVED);
			return STEAL_GOT;
		}
	}
	return result;
}

/* Wait a moment for work with interrupts on, idle bit set. True: there is some. */
static bool idle_poll(struct rq *rq, unsigned cpu)
{
	uint64_t end = plat_monotonic_ns() + rq->poll_ns;
	unsigned looks = 0;
	bool found;

	arch_irq_enable();
	/* A cleared idle bit: somebody sends us to steal. */
	while (found = queued_on(rq) || !cpumask_test(&sched.idle, cpu), !found) {
		spin_wait(&looks);
		if (looks % IDLE_LOOKS == 0 && plat_monotonic_ns() >= end)
			break;
	}
	arch_irq_disable();
	return found;
}

/* Halt until an interrupt; the idle bit is set and the last look found nothing. Interrupts off. */
static void idle_halt(struct rq *rq)
{
	uint64_t start = plat_monotonic_ns();

	if (unlikely(!rcu_idle_enter()))
		return;
	watchdog_idle();
	mm_cpu_enter_idle();
	plat_wait_for_interrupt();
	arch_irq_disable();
	mm_cpu_leave_idle();
	rcu_idle_leave();
	if (rq->poll_rest) {
		rq->poll_rest--;
	} else if (plat_monotonic_ns() - start >= IDLE_POLL_MAX_NS) {
		rq->poll_ns /= 2;
	} else if (rq->poll_ns < IDLE_POLL_MAX_NS) {
		rq->poll_ns = MIN(MAX(rq->poll_ns * 2, IDLE_POLL_NS), IDLE_POLL_MAX_NS);
	} else {
		rq->poll_ns = 0;
		rq->poll_rest = MAX(rq->poll_rest_next, POLL_REST_MIN);
		rq->poll_rest_next = MIN(rq->poll_rest * 2, POLL_REST_MAX);
	}
}

static void __attribute__((noreturn)) idle_loop(unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	unsigned looks = 0;

	for (;;) {
		enum steal r;

		/* Before the looks at the queues: it may wake a thread. */
		rcu_quiescent();
		if (queued_on(rq) || steal(cpu) == STEAL_GOT) {
			schedule(WHY_PREEMPT);
			continue;
		}
		/* Full barrier between showing ourselves and the scan: pairs with enqueue_on() and schedule(). */
		cpumask_test_and_set_atomic(&sched.idle, cpu);
		if (rq->poll_ns >= IDLE_POLL_MIN_NS && idle_poll(rq, cpu)) {
			rq->poll_rest_next = 0;
			cpumask_test_and_clear_atomic(&sched.idle, cpu);
			continue;
		}
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
			spin_wait(&looks);
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

	schedule(WHY_PREEMPT);
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
		schedule(WHY_YIELD);
	arch_irq_restore(flags);
}

void sched_preempt(void)
{
	if (unlikely(watchdog_only()))
		return;
	schedule(WHY_PREEMPT);
}

void sched_evict(struct uk_thread *t, unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	unsigned long flags;
	bool took = false;
	unsigned looks = 0;

	preempt_disable();
	uk_spin_lock_irqsave(&rq->lock, flags);
	/* on_rq names this queue only under its lock. */
	if (__atomic_load_n(&t->on_rq, __ATOMIC_RELAXED) == (int)cpu + 1) {
		/*
		 * In the middle of its switch away: bounded as in thread_wake(), that part of a switch takes no
		 * lock.
		 */
		while (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
			spin_wait(&looks);
		queue_del_locked(rq, t);
		took = true;
	}
	uk_spin_unlock_irqrestore(&rq->lock, flags);
	if (took)
		sched_place(t, SCHED_HOW_MOVED);
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

	watchdog_ipi();
	/* An idle CPU has what it came for: it is not halted any more. */
	if (cur == rq->idle)
		return;
	if (!sched_allowed(cur, cpu)) {
		percpu_write(need_resched, 1);
		return;
	}
	if (__atomic_load_n(&rq->urgent, __ATOMIC_RELAXED)) {
		percpu_write(need_resched, 1);
	} else if (__atomic_load_n(&rq->tick, __ATOMIC_RELAXED)) {
		arm_slice(rq);
		if (queued_on(rq) && plat_monotonic_ns() >= slice_end(rq))
			percpu_write(need_resched, 1);
	}
}

/*
 * Give a fair thread to the CPU with the least load, if the two are more equal afterwards; now and then also if they
 * are as unequal as before, but the other way round. Interrupts off.
 */
static void push_balance(unsigned cpu, uint64_t now)
{
	struct rq *rq = &rqs[cpu];
	struct uk_thread *got = NULL;
	uint64_t least = UINT64_MAX, diff;
	unsigned to = cpu;

	for (unsigned i = 0; i < sched.cpus; i++) {
		uint64_t load = load_of(&rqs[i]);

		if (load < least && cpumask_test(&sched.online, i)) {
			least = load;
			to = i;
		}
	}
	diff = load_of(rq) - least;
	if (to == cpu || (int64_t)diff <= 0)
		return;
	preempt_disable();
	uk_spin_lock(&rq->lock);
	for (struct runq_entity *e = runq_first(&rq->q); e && !got; e = runq_next(e)) {
		struct uk_thread *t = thread_of(e);

		if (e->prio >= RUNQ_PRIO_FAIR && sched_allowed(t, to) &&
		    (diff > e->weight || (diff == e->weight && now - rq->rotated >= ROTATE_NS))) {
			got = t;
			queue_del_locked(rq, t);
			rqs[cpu].rotated = now;
		}
	}
	uk_spin_unlock(&rq->lock);
	/* on_cpu is 0: in an interrupt this CPU is not in the middle of a switch. */
	if (got)
		place_on(got, to, false, SCHED_HOW_MOVED);
	preempt_enable_no_resched();
}

static void slice_ended(uint64_t now)
{
	unsigned cpu = cpu_id();
	struct rq *rq = &rqs[cpu];
	bool over = false;

	uk_spin_lock(&rq->lock);
	if (!rq->q.count || rq->current == rq->idle) {
		__atomic_store_n(&rq->tick, 0, __ATOMIC_RELAXED);
		timer_set_slice(UINT64_MAX);
	} else {
		over = now >= slice_end(rq);
		timer_set_slice(over ? now + runq_slice_ns(&rq->q) : slice_end(rq));
	}
	uk_spin_unlock(&rq->lock);
	if (over) {
		if (sched.cpus > 1)
			push_balance(cpu, now);
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

bool sched_all_online(void)
{
	return sched_online_count() == sched.cpus;
}

bool sched_any_queued(void)
{
	for (unsigned i = 0; i < sched.cpus; i++)
		if (queued_on(&rqs[i]))
			return true;
	return false;
}

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
	rcu_cpu_online();
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

		spin_init_class(&rq->lock, &run_queue_class);
		runq_init(&rq->q, !sched_preemptive);
		rq->cur_prio = rq->top_prio = RUNQ_PRIO_NONE;
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
	read_params(&boot_thread);
	boot_thread.ent.clock = &rqs[0].q;
	rqs[0].current = &boot_thread;
	rqs[0].cur_prio = boot_thread.ent.prio;
	rqs[0].cur_weight = boot_thread.ent.weight;
	rqs[0].slice_start = boot_thread.run_start;
	thread_adopt(&boot_thread);
	percpu_write(current, &boot_thread);
	mark_online(0);
	if (sched.cpus > 1) {
		timer_init(&sched.poll_timer, poll_cpus);
		timer_arm(&sched.poll_timer, plat_monotonic_ns() + CPU_POLL_NS);
	}
}
