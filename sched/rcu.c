// SPDX-License-Identifier: BSD-3-Clause
/*
 * The thread of RCU: runs grace periods, then the callbacks; and everything of RCU that sleeps. (Who owes what, and why a grace period
 * does not end too early: sync/rcu.c.)
 *
 * One round of the thread is a batch: take all callbacks, let one grace period pass, run them. Whatever comes meanwhile is the next
 * batch, so any number of calls and of waiting threads share a grace period. The thread is asleep only when it has found nothing.
 *
 * A grace period: ask all CPUs, sleep until the last has answered (upcall rcu_done) and, every few milliseconds, send an interrupt to those
 * that have not: a thread that computes without a switch, `coop` mode. An idle CPU is not asked, hence not woken. One CPU
 * alone is quiescent whenever a thread can wait: nothing is asked there.
 *
 * No wake-up is lost. Callbacks: the thread sets `asleep`, then looks at the lists; a caller queues, then looks at `asleep` and clears it
 * by exchange. Sequentially consistent operations on both sides: either the thread sees the callback or the caller sees the sleeper. The
 * last answer: the count is changed before the wake-up, the thread announces BLOCKING before it looks at the count.
 *
 * barrier(): a callback that was queued before barrier() reads `begun` = n is taken by batch n + 1 at the latest, because that batch looks at each
 * list after it has been numbered. So it waits until batch n + 1 has run, and asks for it (`wanted`), callbacks or not.
 *
 * synchronize() is a callback that wakes its caller; it holds a reference on the thread, which may exit as soon as `done` is seen.
 *
 * Programs call these functions too, on stacks of their own: what takes locks or sleeps changes to the kernel stack first
 * (sched_on_kstack()). Contexts are in tutti/rcu.h. Memory: one thread, at boot; without it the boot ends with one line.
 */
#include "lib/util.h"
#include "plat/plat.h"
#include "sched/internal.h"
#include "sched/sched.h"
#include "sched/waitq.h"
#include "sync/rcu.h"

/* A CPU that has been silent for so long gets an interrupt. */
#define SILENT_NS 2000000ull
/* After so many callbacks others may run, in `coop` mode too. */
#define CALLBACKS 64u

static struct {
	struct uk_thread *thread; /* [I] */
	unsigned cpus;		  /* [I] */
	uint32_t asleep;	  /* [a] 1: the thread has found nothing to do; who clears it wakes it */
	uint64_t begun;		  /* [a] number of the last batch that has been begun */
	uint64_t ran;		  /* [a] ... whose callbacks have run */
	uint64_t wanted;	  /* [a] a barrier waits for this one */
	struct waitq barriers;	  /* for a change of `ran` */
} rcu = { .barriers = WAITQ_INIT(rcu.barriers) };

struct synchronizer {
	struct tutti_rcu_head head;
	struct uk_thread *thread; /* [I] with a reference of the callback's */
	uint32_t done;		  /* [a] the last that the callback touches */
};

/* ---- the thread ---- */

void sched_rcu_done(void)
{
	thread_wake(rcu.thread);
}

static void wake_if_asleep(void)
{
	/* after the caller's sequentially consistent change of a list or of `wanted` */
	if (__atomic_load_n(&rcu.asleep, __ATOMIC_SEQ_CST) && __atomic_exchange_n(&rcu.asleep, 0, __ATOMIC_SEQ_CST))
		thread_wake(rcu.thread);
}

static bool work_to_do(void)
{
	return __atomic_load_n(&rcu.wanted, __ATOMIC_SEQ_CST) > rcu.ran || rcu_any(rcu.cpus);
}

static void wait_for_work(void)
{
	while (!work_to_do()) {
		thread_prepare_block();
		__atomic_store_n(&rcu.asleep, 1, __ATOMIC_SEQ_CST);
		if (work_to_do())
			thread_cancel_block();
		else
			thread_block();
		__atomic_store_n(&rcu.asleep, 0, __ATOMIC_RELAXED);
	}
}

static void ask_silent_cpus(void)
{
	for (unsigned i = 0; i < rcu.cpus; i++)
		if (rcu_owes(i))
			plat_ipi_send(i, PLAT_IPI_RESCHEDULE);
}

static void grace_period(void)
{
	rcu_gp_begin(rcu.cpus);
	while (!rcu_gp_done()) {
		thread_prepare_block();
		if (rcu_gp_done())
			thread_cancel_block();
		else if (thread_block_until(plat_monotonic_ns() + SILENT_NS))
			ask_silent_cpus();
	}
}

static void run_callbacks(struct tutti_rcu_head *h)
{
	for (unsigned n = 1; h; n++) {
		struct tutti_rcu_head *next = h->next;

		h->fn(h);
		h = next;
		if (n % CALLBACKS == 0)
			thread_yield();
	}
}

static void rcu_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct tutti_rcu_head *batch;
		uint64_t n;

		wait_for_work();
		/* numbered before the lists are looked at: see the prologue */
		n = __atomic_add_fetch(&rcu.begun, 1, __ATOMIC_SEQ_CST);
		batch = rcu_take(rcu.cpus);
		if (batch) {
			grace_period();
			run_callbacks(batch);
		}
		/* pairs with the acquire in barrier_on_kstack() */
		__atomic_store_n(&rcu.ran, n, __ATOMIC_RELEASE);
		waitq_wake_all(&rcu.barriers);
	}
}

__cold void sched_rcu_start(void)
{
	const struct thread_attr attr = { .name = "rcu", .fn = rcu_main };

	rcu.cpus = plat_cpu_count();
	rcu.thread = thread_create(&attr);
	if (!rcu.thread)
		plat_boot_error("too little memory for RCU's thread");
	thread_start(rcu.thread);
}

/* ---- callers ---- */

static long wake_on_kstack(void *a, void *b)
{
	(void)a, (void)b;
	wake_if_asleep();
	return 0;
}

void tutti_rcu_call(struct tutti_rcu_head *head, void (*fn)(struct tutti_rcu_head *head))
{
	rcu_push(head, fn);
	if (unlikely(__atomic_load_n(&rcu.asleep, __ATOMIC_SEQ_CST)))
		sched_on_kstack(wake_on_kstack, NULL, NULL);
}

static void synchronized(struct tutti_rcu_head *head)
{
	struct synchronizer *s = container_of(head, struct synchronizer, head);
	struct uk_thread *t = s->thread;

	/* pairs with the acquire in synchronize_on_kstack() */
	__atomic_store_n(&s->done, 1, __ATOMIC_SEQ_CST);
	thread_wake(t);
	thread_put(t);
}

static long synchronize_on_kstack(void *a, void *b)
{
	struct synchronizer s = { .thread = thread_get(current_thread()) };

	(void)a, (void)b;
	rcu_push(&s.head, synchronized);
	wake_if_asleep();
	for (;;) {
		thread_prepare_block();
		if (__atomic_load_n(&s.done, __ATOMIC_SEQ_CST))
			break;
		thread_block();
	}
	thread_cancel_block();
	return 0;
}

void tutti_rcu_synchronize(void)
{
	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	/* One CPU, and a thread runs on it with preemption on: nobody is in a section. */
	if (rcu.cpus > 1)
		sched_on_kstack(synchronize_on_kstack, NULL, NULL);
}

static long barrier_on_kstack(void *a, void *b)
{
	const uint64_t target = __atomic_load_n(&rcu.begun, __ATOMIC_SEQ_CST) + 1;
	uint64_t w = __atomic_load_n(&rcu.wanted, __ATOMIC_RELAXED);

	(void)a, (void)b;
	UK_ASSERT(current_thread() != rcu.thread);
	while (w < target &&
	       !__atomic_compare_exchange_n(&rcu.wanted, &w, target, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	wake_if_asleep();
	waitq_wait(&rcu.barriers, __atomic_load_n(&rcu.ran, __ATOMIC_ACQUIRE) >= target);
	return 0;
}

void tutti_rcu_barrier(void)
{
	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	sched_on_kstack(barrier_on_kstack, NULL, NULL);
}
