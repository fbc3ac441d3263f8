// SPDX-License-Identifier: BSD-3-Clause
/*
 * Core of RCU: who has been asked for a quiescent state, who is idle, and the callbacks that wait. The thread that drives it, and
 * everything that sleeps or sends interrupts, is sched/rcu.c.
 *
 * Each CPU has one word, rcu_state in its per-CPU area:
 *
 *	OFFLINE -> RUNNING	the CPU itself, when it comes
 *	RUNNING -> OWES		the thread that begins a grace period
 *	OWES -> RUNNING		the CPU, in a quiescent state: `missing` goes down by one
 *	RUNNING -> IDLE		the CPU, before it halts
 *	IDLE -> RUNNING		the CPU, when it goes on, or first thing in an interrupt, whose handler may read
 *
 * All of them are read-modify-writes of one word, and so is the look at a word that is IDLE or OFFLINE (it is replaced by itself), so
 * the changes of a word stand in one order, and each sees all that came before the one before it (acquire and release).
 *
 * Quiescent state: the CPU runs, and no read section is open on it. A section has preemption off and does not sleep, hence: a
 * voluntary or involuntary switch, a turn of the idle loop, an interrupt that came to code with preemption on.
 *
 * A grace period does not end while a reader that began before it is inside. Writer: (w) takes the object out; then, in this thread or
 * one that comes after it, the asker goes through all CPUs. Take a reader on CPU C that has found the object, and the asker's
 * operation A on C's word.
 *   A found RUNNING and left OWES. C's next quiescent state is an operation Q on the word, which follows A; its count goes to
 *   `missing`, and the grace period ends after that. Did the reader end before Q: then all it read happens before the end (program order, Q and
 *   `missing` are releases, the asker's last look an acquire). It cannot be open at Q. Did it begin after Q: Q has acquired A, so
 *   the reader sees (w) and cannot have found the object.
 *   A found IDLE. The operation E that made it so stands before A: readers of before E have ended, and A has acquired E. The operation L that
 *   leaves idle stands after A and has acquired it: readers of after L see (w). Between E and L C runs nothing that reads.
 *   A found OFFLINE: the same with the operation that brings C up as L.
 * On the CPU where the asker stands at that moment no section is open, for it runs there with preemption on.
 * L must be a locked instruction for the reader's sake: a plain store could wait in the store buffer while the reader's loads are
 * done already, and the asker would still see IDLE (tests/models/rcu.pml, tests/host/rcu_litmus.c). It is the handshake of
 * mm/shootdown.c. McKenney et al., "User-Level Implementations of Read-Copy Update", IEEE TPDS 23(2), 2012, QSBR; the idle half is
 * what Linux calls dyntick-idle.
 *
 * An idle CPU that is asked just before it halts (OWES) must not halt: to answer may wake a thread into the queue it has looked at already.
 * So rcu_idle_enter() fails, and the idle loop answers before its next look.
 *
 * Callbacks: a list per CPU, pushed to by compare-and-swap (any context, any number), taken whole by an exchange: no element is ever
 * taken out of the middle, so there is no ABA. Two grace periods never overlap; what is pushed while one runs waits for the next one.
 *
 * Contexts as at each function. No locks, no memory.
 */
#include "sync/rcu.h"

#include "config.h"
#include "sync/upcall.h"

static struct {
	uint32_t missing; /* [a] CPUs that have been asked and have not answered, and the asker while it asks */
	struct {
		struct tutti_rcu_head *pushed; /* [a] newest first */
	} __cacheline cpu[CONFIG_MAX_CPUS];
} rcu;

static uint32_t *my_word(void)
{
	return &percpu_areas[cpu_id()].rcu_state;
}

bool tutti_rcu_read_held(void)
{
	return !context_may_sleep();
}

/* ---- what CPUs say ---- */

__noinline void rcu_report(void)
{
	/* Acquire: A of the prologue. Release: the sections before. It is not OWES if an interrupt has answered meanwhile. */
	if (__atomic_exchange_n(my_word(), RCU_RUNNING, __ATOMIC_ACQ_REL) != RCU_OWES)
		return;
	/* pairs with the acquire in rcu_gp_done(); sequentially consistent: the waker's half of the blocking protocol */
	if (__atomic_sub_fetch(&rcu.missing, 1, __ATOMIC_SEQ_CST) == 0)
		tutti_upcalls.rcu_done();
}

__noinline void rcu_interrupt_slow(void)
{
	if (percpu_read(rcu_state) == RCU_IDLE)
		rcu_idle_leave();
	else if (!percpu_read(preempt_count))
		rcu_report();
}

void rcu_cpu_online(void)
{
	/* L of the prologue */
	__atomic_exchange_n(my_word(), RCU_RUNNING, __ATOMIC_SEQ_CST);
}

bool rcu_idle_enter(void)
{
	uint32_t s = RCU_RUNNING;

	/* E of the prologue. Sequentially consistent: of two CPUs that halt at once one sees the other idle (rcu_cpu_idle()). */
	return __atomic_compare_exchange_n(my_word(), &s, RCU_IDLE, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

void rcu_idle_leave(void)
{
	if (percpu_read(rcu_state) != RCU_IDLE)
		return;
	/* Before the word changes: who sees it changed back sees this. Relaxed: the exchange releases it. */
	__atomic_store_n(&percpu_areas[cpu_id()].idle_seq, percpu_read(idle_seq) + 1, __ATOMIC_RELAXED);
	/* L of the prologue: a full barrier before whatever is read next */
	__atomic_exchange_n(my_word(), RCU_RUNNING, __ATOMIC_SEQ_CST);
}

bool rcu_cpu_idle(unsigned cpu, uint32_t *seq)
{
	uint32_t s = RCU_IDLE;

	if (!__atomic_compare_exchange_n(&percpu_areas[cpu].rcu_state, &s, RCU_IDLE, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	*seq = __atomic_load_n(&percpu_areas[cpu].idle_seq, __ATOMIC_RELAXED);
	return true;
}

/* ---- grace periods ---- */

/* A of the prologue. True: it will answer. */
static bool ask(unsigned cpu)
{
	uint32_t *word = &percpu_areas[cpu].rcu_state;
	uint32_t s = __atomic_load_n(word, __ATOMIC_RELAXED);

	/* the look is an operation of its own even if nothing changes by it */
	while (!__atomic_compare_exchange_n(word, &s, s == RCU_RUNNING ? RCU_OWES : s, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED))
		;
	return s == RCU_RUNNING;
}

void rcu_gp_begin(unsigned cpus)
{
	uint32_t answered = 1;
	unsigned me;

	/* Relaxed: the last period has ended, and who answers this one has acquired the question, which comes after. */
	__atomic_store_n(&rcu.missing, cpus, __ATOMIC_RELAXED);
	/* While the number of this CPU is looked at it must be this CPU; it is quiescent now, before the section. */
	preempt_disable();
	me = cpu_id();
	for (unsigned i = 0; i < cpus; i++)
		if (i != me)
			answered += !ask(i);
	preempt_enable();
	__atomic_sub_fetch(&rcu.missing, answered, __ATOMIC_ACQ_REL);
}

bool rcu_gp_done(void)
{
	/* pairs with the operation in rcu_report() */
	return !__atomic_load_n(&rcu.missing, __ATOMIC_SEQ_CST);
}

bool rcu_owes(unsigned cpu)
{
	return __atomic_load_n(&percpu_areas[cpu].rcu_state, __ATOMIC_RELAXED) == RCU_OWES;
}

/* ---- callbacks ---- */

void rcu_push(struct tutti_rcu_head *head, void (*fn)(struct tutti_rcu_head *head))
{
	/* Any CPU's list will do: one that is left behind by a preemption does no harm, but to the order. */
	struct tutti_rcu_head **list, *first;

	preempt_disable();
	list = &rcu.cpu[cpu_id()].pushed;
	head->fn = fn;
	first = __atomic_load_n(list, __ATOMIC_RELAXED);
	do
		head->next = first;
	/* Release: the caller has taken its object out. A full barrier: then the caller looks whether the thread sleeps. */
	while (!__atomic_compare_exchange_n(list, &first, head, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	preempt_enable();
}

bool rcu_any(unsigned cpus)
{
	for (unsigned i = 0; i < cpus; i++)
		if (__atomic_load_n(&rcu.cpu[i].pushed, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

struct tutti_rcu_head *rcu_take(unsigned cpus)
{
	struct tutti_rcu_head *all = NULL;

	for (unsigned i = cpus; i-- > 0;) {
		struct tutti_rcu_head *h;

		if (!__atomic_load_n(&rcu.cpu[i].pushed, __ATOMIC_RELAXED))
			continue;
		/* Acquire: pairs with the push. Newest first, so the oldest ends up in front. */
		h = __atomic_exchange_n(&rcu.cpu[i].pushed, NULL, __ATOMIC_ACQUIRE);
		while (h) {
			struct tutti_rcu_head *next = h->next;

			h->next = all;
			all = h;
			h = next;
		}
	}
	return all;
}
