// SPDX-License-Identifier: BSD-3-Clause
/*
 * The watchdog: a CPU that does not get on, and a machine where nobody ever will, end with a report instead of in silence.
 *
 * Stuck CPUs. A CPU that runs threads has a timer (`tick`): ten times per limit, at least once a second. It is armed when the CPU leaves
 * its idle thread and is not armed again when it fires on an idle CPU: no tick there. In it
 *   - the CPU looks at itself: has preemption been off at this tick, and at all ticks of the limit, without a switch or a moment with
 *     preemption on between them? To learn of such a moment it sets need_resched (RESCHED_WATCHDOG), so the end of the
 *     section comes to watchdog_only(). Each of these ticks is time in which the CPU did run: a virtual CPU that its host
 *     has taken off a core takes one tick for all that it missed.
 *   - it looks at the next CPU in the circle that is not idle: has that taken an interrupt since the last look (`watch_beats`)? From half the
 *     limit on it sends one (PLAT_IPI_RESCHEDULE) at each tick. If none of them is taken, interrupts are off there. Counted are the
 *     ticks of the CPU that looks, so a pause of the whole machine counts as one; the limit is far above what a
 *     host with too few cores withholds from one of its threads.
 * What nobody sees (one CPU, or all others idle or stuck) the tool asks for at its time-out: plat/vm/trap.c, plat/host/cpu.c.
 *
 * Deadlock. A CPU that is about to halt looks whether anything can still happen. Claim: if (1) all CPUs are idle in the sense of
 * RCU_IDLE (sync/rcu.c), (2) no timer is armed, (3) no runnable thread is queued, (4) no thread waits for something from outside, and (5) no CPU has
 * left the idle state between a look before (2) and one after (4), then no thread will ever run again.
 *   Who wakes a thread is a thread (its CPU is not idle), a timer's callback, or the handler of a device's interrupt; those two leave
 *   RCU_IDLE first thing in the interrupt. By (1) and (5), with idle_seq, there is a moment between the two rounds of looks at which all CPUs
 *   are idle, and none was anything else from the first round to the second; so no code ran but this, and what (2) to (4) saw holds together.
 *   From such a state only interrupts lead on. Those of timers find nothing to call (2). Those between CPUs that are on their way were sent by
 *   code that ran before: for a queued thread (3), or for nothing. Those of devices wake who waits for them, and these are counted (4) from before
 *   they block until they run again. A CPU that has yet to come online keeps the machine from (1): all configured ones must be there.
 *   Threads of the kernel that wait for work (RCU's) wake nobody by themselves, so they need no exception.
 * No deadlock is missed: two CPUs that become idle at once each do so by a sequentially consistent operation before they look at the
 * other, so one of them sees both idle. Whatever keeps (2) to (4) from holding ends on a CPU that is not idle, which looks again later.
 * The ticks of the CPUs are timers, too: a deadlock is seen when the last has fired, within a second.
 *
 * Contexts: interrupts off, as said in the header; external waits in thread context. No locks but the timers', no memory.
 * Limits: a CPU that is stuck before its first thread, or in its idle loop, is seen by the tool alone. Replayed runs have bounds of
 * their own and no ticks.
 */
#include "sched/watchdog.h"

#include "config.h"
#include "plat/plat.h"
#include "sched/internal.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "sync/rcu.h"

#define TICK_MAX_NS 1000000000ull
#define TICKS_LEAST 10u

struct watch_cpu {
	struct timer timer;
	/* [c] whom this CPU watches, what it saw there, and for how many ticks it has been that */
	unsigned other, unanswered;
	uint32_t beats;
} __cacheline;

static struct {
	uint64_t tick_ns;  /* [I] */
	unsigned ticks;	   /* [I] this many are too many */
	unsigned seconds;  /* [I] the limit, for the report; 0: off */
	uint32_t external; /* [a] threads that wait for the world */
	struct watch_cpu cpu[CONFIG_MAX_CPUS];
} watch;

bool watchdog_cpus;

/* ---- stuck CPUs ---- */

/* Preemption is off in the code that this interrupt came to. */
static void look_at_self(void)
{
	const uint32_t tense = percpu_read(watch_tense) + 1;

	percpu_write(watch_tense, tense);
	if (!percpu_read(need_resched))
		percpu_write(need_resched, RESCHED_WATCHDOG);
	if (tense >= watch.ticks)
		plat_crash(
			percpu_read(irq_frame),
			"watchdog: CPU %u is stuck: preemption has been off for %u s, in thread %d (interrupts are on)",
			cpu_id(), watch.seconds, current_thread()->tid);
}

/* The next CPU that runs threads, or this one. */
static unsigned next_busy(unsigned cpu)
{
	const unsigned n = plat_cpu_count();
	uint32_t seq;

	for (unsigned i = 1; i < n; i++) {
		unsigned other = cpu + i < n ? cpu + i : cpu + i - n;

		/* Relaxed: a hint. Armed: it is to take an interrupt before long. */
		if (__atomic_load_n(&percpu_areas[other].watch_armed, __ATOMIC_RELAXED) && !rcu_cpu_idle(other, &seq))
			return other;
	}
	return cpu;
}

static void look_at_other(unsigned cpu)
{
	struct watch_cpu *w = &watch.cpu[cpu];
	const unsigned other = next_busy(cpu);
	uint32_t beats = __atomic_load_n(&percpu_areas[other].watch_beats, __ATOMIC_RELAXED);

	if (other == cpu || other != w->other || beats != w->beats) {
		w->other = other;
		w->beats = beats;
		w->unanswered = 0;
		return;
	}
	w->unanswered++;
	if (w->unanswered >= watch.ticks)
		plat_crash(NULL, "watchdog: CPU %u is stuck: interrupts have been off for %u s (seen by CPU %u)", other,
			   watch.seconds, cpu);
	if (w->unanswered >= watch.ticks / 2)
		plat_ipi_send(other, PLAT_IPI_RESCHEDULE);
}

static void tick(struct timer *t)
{
	const unsigned cpu = cpu_id();

	watchdog_ipi();
	if (current_thread()->is_idle) {
		__atomic_store_n(&percpu_areas[cpu].watch_armed, 0, __ATOMIC_RELAXED);
		return;
	}
	if (percpu_read(preempt_count))
		look_at_self();
	else
		percpu_write(watch_tense, 0);
	look_at_other(cpu);
	timer_arm(t, plat_monotonic_ns() + watch.tick_ns);
}

__noinline void watchdog_busy_slow(void)
{
	const unsigned cpu = cpu_id();
	struct watch_cpu *w = &watch.cpu[cpu];

	w->other = cpu;
	w->unanswered = 0;
	__atomic_store_n(&percpu_areas[cpu].watch_armed, 1, __ATOMIC_RELAXED);
	timer_arm(&w->timer, plat_monotonic_ns() + watch.tick_ns);
}

/* ---- deadlock ---- */

void thread_external_wait_begin(void)
{
	/* Before the wait: whoever becomes idle because of it sees it (it passes the run queue's lock, and its CPU's word of RCU). */
	__atomic_fetch_add(&watch.external, 1, __ATOMIC_SEQ_CST);
}

void thread_external_wait_end(void)
{
	__atomic_fetch_sub(&watch.external, 1, __ATOMIC_SEQ_CST);
}

/* All CPUs idle? *left: the sum of how often they have ceased to be, which only grows. */
static bool all_idle(uint32_t *left)
{
	const unsigned n = plat_cpu_count();

	*left = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t seq;

		if (!rcu_cpu_idle(i, &seq))
			return false;
		*left += seq;
	}
	return true;
}

static void count_programs(struct uk_thread *t, void *arg)
{
	*(unsigned *)arg += t->posix != NULL;
}

static __cold __noinline void report_deadlock(void)
{
	unsigned threads = 0;

	thread_foreach(count_programs, &threads);
	plat_crash(NULL, "deadlock: all %u threads are blocked and nothing is armed to wake them", threads);
}

void watchdog_idle(void)
{
	uint32_t before, after;

	if (!watch.seconds || !all_idle(&before) || timer_any_armed() || sched_any_queued() ||
	    __atomic_load_n(&watch.external, __ATOMIC_SEQ_CST) || !sched_all_online())
		return;
	if (all_idle(&after) && after == before)
		report_deadlock();
}

__cold void watchdog_start(unsigned seconds)
{
	const unsigned cpus = plat_cpu_count();

	watch.seconds = seconds;
	if (!seconds || config_replay)
		return;
	watch.tick_ns = MIN(seconds * 1000000000ull / TICKS_LEAST, TICK_MAX_NS);
	watch.ticks = (unsigned)(seconds * 1000000000ull / watch.tick_ns);
	for (unsigned i = 0; i < cpus; i++)
		timer_init(&watch.cpu[i].timer, tick);
	watchdog_cpus = true;
	watchdog_busy_slow();
}
