// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sched/sched.c,sched/runq.c,sched/thread.c,sched/timer.c,sched/waitq.c,sched/waiter.c,sched/mutex.c,sched/semaphore.c,sched/rwlock.c,sched/condition.c,sched/completion.c,sched/watchdog.c,sync/rcu.c,lib/rbtree.c,lib/fmt.c cflags=-Itests/host/sched_fake,-pthread sanitize=thread,undefined
/*
 * The real scheduler, timers, wait queues and mutex on four virtual CPUs inside a Linux process.
 *
 * Every tutti thread, idle ones included, is a host thread; arch_switch() hands the virtual CPU over and waits for
 * its own turn. Interrupts are pending bits, taken when the virtual interrupt flag is turned on and at safepoint()
 * calls in the test bodies; a halted CPU sleeps until one is pending, and nothing else wakes it: a lost wake-up or
 * IPI hangs the test, which the watchdog turns into a failure. A stack (host thread) that two CPUs run at once is
 * caught by `on_stack`, use of a freed thread by poisoning.
 *
 * Promises kept: no wake-up is lost between block, wake, time-out and idle; mutual exclusion of uk_mutex; cancelled
 * timers do not run later; exited threads may still be woken and looked up; affinity holds on return; a wake-up sends one
 * IPI at most; boosts and changes of policy against wake-ups, steals and switches: the order of the queues holds, no thread is
 * lost, a boosted thread runs although more hogs than CPUs do not give way; all in both modes.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mm/mm.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "sched/waitq.h"
#include "sync/rcu.h"
#include "sync/upcall.h"
#include "tutti/completion.h"
#include "tutti/condition.h"
#include "uk/mutex.h"
#include "uk/rwlock.h"
#include "uk/semaphore.h"

#define CPUS	     4
#define PEND_TIMER   1u
#define PEND_RESCHED 2u

static struct {
	uint32_t pending; /* [a] */
	uint64_t shot;	  /* [a] one-shot deadline */
	pthread_mutex_t m;
	pthread_cond_t c;
} vcpu[CPUS];

/* What stands behind a kernel stack: the host thread. */
struct host_thread {
	sem_t turn;
	struct percpu *cpu;
	void *from;
	struct host_thread *from_stack;
	int on_stack; /* [a] */
	int dead;
	void (*entry)(void *, void *) __attribute__((noreturn));
	void *arg;
};

struct percpu percpu_areas[CONFIG_MAX_CPUS];
__thread struct percpu *host_cpu;
/* No grace periods here. */
const struct tutti_upcalls tutti_upcalls;
static uint64_t ipis, switches;
static uint64_t ipis_of[CPUS]; /* [c] */
static unsigned jitter;

struct uk_thread *__attribute__((noinline)) host_current(void)
{
	return host_cpu->current;
}

static void fail(const char *what)
{
	fprintf(stderr, "sched_sim: %s\n", what);
	_exit(1);
}
#define CHECK(x)                  \
	do {                      \
		if (!(x))         \
			fail(#x); \
	} while (0)

/* Every stack is a kernel stack. */
long sched_on_kstack(long (*fn)(void *a, void *b), void *a, void *b)
{
	return fn(a, b);
}

/* ---- interrupts ---- */

unsigned long __attribute__((noinline)) arch_irq_flags(void)
{
	return host_cpu->irq_on;
}

bool arch_irqs_disabled(void)
{
	return !arch_irq_flags();
}

void __attribute__((noinline)) arch_irq_disable(void)
{
	host_cpu->irq_on = 0;
}

/* One pending round of this CPU; interrupts off. */
static void __attribute__((noinline)) take_pending(void)
{
	uint32_t p = __atomic_exchange_n(&vcpu[host_cpu->idx].pending, 0, __ATOMIC_SEQ_CST);

	host_cpu->in_irq++;
	rcu_interrupt();
	if (p & PEND_TIMER)
		sched_timer();
	if (p & PEND_RESCHED)
		sched_reschedule_ipi();
	host_cpu->in_irq--;
}

static bool __attribute__((noinline)) has_pending(void)
{
	return __atomic_load_n(&vcpu[host_cpu->idx].pending, __ATOMIC_SEQ_CST) != 0;
}

void __attribute__((noinline)) arch_irq_enable(void)
{
	host_cpu->irq_on = 1;
	while (has_pending()) {
		host_cpu->irq_on = 0;
		take_pending();
		/* the way back from an interrupt */
		if (host_cpu->need_resched && !host_cpu->preempt_count && !host_cpu->in_irq)
			sched_preempt();
		host_cpu->irq_on = 1;
	}
	/* preemption is allowed at any time: more often than slices end */
	if (sched_preemptive && host_cpu->current && !host_cpu->current->is_idle && !host_cpu->preempt_count &&
	    __atomic_fetch_add(&jitter, 1, __ATOMIC_RELAXED) % 13 == 0) {
		host_cpu->irq_on = 0;
		sched_preempt();
		host_cpu->irq_on = 1;
	}
}

static void __attribute__((noinline)) safepoint(void)
{
	arch_irq_disable();
	arch_irq_enable();
}

void preempt_resched_slow(void)
{
	if (!host_cpu->irq_on || host_cpu->preempt_count || host_cpu->in_irq)
		return;
	arch_irq_disable();
	if (host_cpu->need_resched)
		sched_preempt();
	arch_irq_enable();
}

bool context_may_sleep(void)
{
	return host_cpu->irq_on && !host_cpu->preempt_count && !host_cpu->in_irq;
}

static void raise_irq(unsigned cpu, uint32_t bit)
{
	pthread_mutex_lock(&vcpu[cpu].m);
	__atomic_fetch_or(&vcpu[cpu].pending, bit, __ATOMIC_SEQ_CST);
	pthread_cond_signal(&vcpu[cpu].c);
	pthread_mutex_unlock(&vcpu[cpu].m);
}

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	CHECK(kind == PLAT_IPI_RESCHEDULE && cpu != host_cpu->idx);
	__atomic_fetch_add(&ipis, 1, __ATOMIC_RELAXED);
	ipis_of[host_cpu->idx]++;
	raise_irq(cpu, PEND_RESCHED);
}

void plat_wait_for_interrupt(void)
{
	unsigned cpu = host_cpu->idx;

	CHECK(!host_cpu->irq_on && host_cpu->current->is_idle);
	pthread_mutex_lock(&vcpu[cpu].m);
	while (!__atomic_load_n(&vcpu[cpu].pending, __ATOMIC_SEQ_CST))
		pthread_cond_wait(&vcpu[cpu].c, &vcpu[cpu].m);
	pthread_mutex_unlock(&vcpu[cpu].m);
	arch_irq_enable();
}

/* ---- platform ---- */

uint64_t plat_monotonic_ns(void)
{
	struct timespec ts;

	/* interrupts come in the middle of things too */
	if (host_cpu && host_cpu->irq_on)
		safepoint();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void plat_timer_arm(uint64_t deadline_ns)
{
	CHECK(!host_cpu->irq_on);
	__atomic_store_n(&vcpu[host_cpu->idx].shot, deadline_ns, __ATOMIC_SEQ_CST);
}

static void *timer_hardware(void *arg)
{
	(void)arg;
	for (;;) {
		uint64_t now = plat_monotonic_ns();

		for (unsigned i = 0; i < CPUS; i++) {
			uint64_t d = __atomic_load_n(&vcpu[i].shot, __ATOMIC_SEQ_CST);

			if (d <= now && __atomic_compare_exchange_n(&vcpu[i].shot, &d, UINT64_MAX, false,
								    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				raise_irq(i, PEND_TIMER);
		}
		usleep(50);
	}
	return NULL;
}

unsigned plat_cpu_count(void)
{
	return CPUS;
}

void plat_cpu_set_stack(unsigned cpu, uintptr_t top)
{
	CHECK(percpu_areas[cpu].kstack_top == top);
}

static unsigned polls;
void plat_cpus_poll(void)
{
	__atomic_fetch_add(&polls, 1, __ATOMIC_RELAXED);
}

void plat_log(char level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%c ", level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* Stacks are the host's: gdb shows them. */
void plat_backtrace(const struct arch_context *ctx)
{
	(void)ctx;
}

void plat_crash(struct trap_frame *f, const char *fmt, ...)
{
	va_list ap;

	(void)f;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	abort();
}

void plat_boot_error(const char *fmt, ...)
{
	fail(fmt);
	abort();
}

/* ---- memory ---- */

uintptr_t mm_kstack_alloc(void)
{
	struct host_thread *h = aligned_alloc(64, MM_KSTACK_SIZE);

	memset(h, 0, sizeof(*h));
	sem_init(&h->turn, 0, 0);
	return (uintptr_t)h;
}

void mm_kstack_free(uintptr_t base)
{
	struct host_thread *h = (struct host_thread *)base;

	CHECK(!__atomic_load_n(&h->on_stack, __ATOMIC_SEQ_CST));
	h->dead = 1;
	sem_post(&h->turn);
}

void mm_cpu_enter_idle(void)
{
	CHECK(!host_cpu->irq_on);
}

void mm_cpu_leave_idle(void)
{
	CHECK(!host_cpu->irq_on);
}

void *slab_alloc(struct slab_cache *c)
{
	return aligned_alloc(16, c->size);
}

void slab_free(struct slab_cache *c, void *obj)
{
	/* poison what the scheduler would trip over */
	struct uk_thread *t = obj;

	t->state = 77;
	t->on_cpu = 77;
	(void)c;
	free(obj);
}

void uk_spin_lock_slow(struct uk_spinlock *l)
{
	do {
		while (uk_spin_is_locked(l))
			sched_yield();
	} while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE));
}

/* ---- switching ---- */

static struct host_thread *boot_stack;

static struct host_thread *stack_of(struct arch_context *c)
{
	return (struct host_thread *)container_of(c, struct uk_thread, ctx)->kstack_base;
}

static void resumed(struct host_thread *me)
{
	host_cpu = me->cpu;
	/* the stack we came from is left now */
	CHECK(__atomic_exchange_n(&me->from_stack->on_stack, 0, __ATOMIC_SEQ_CST) == 1);
}

static void *host_main(void *arg)
{
	struct host_thread *me = arg;

	while (sem_wait(&me->turn))
		;
	if (me->dead) {
		free(me);
		return NULL;
	}
	resumed(me);
	me->entry(me->from, me->arg);
}

static void spawn(struct host_thread *h)
{
	pthread_attr_t a;
	pthread_t id;

	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, 256 * 1024);
	CHECK(!pthread_create(&id, &a, host_main, h));
	pthread_attr_destroy(&a);
}

void arch_context_init(struct arch_context *ctx, uintptr_t kstack_top,
		       void (*entry)(void *, void *) __attribute__((noreturn)), void *arg)
{
	struct host_thread *h = stack_of(ctx);

	CHECK(kstack_top == (uintptr_t)h + MM_KSTACK_SIZE);
	h->entry = entry;
	h->arg = arg;
	/* idle threads of other CPUs enter by sched_cpu_online() on a host thread of their own */
	if (entry &&
	    !(container_of(ctx, struct uk_thread, ctx)->is_idle && container_of(ctx, struct uk_thread, ctx)->last_cpu))
		spawn(h);
}

void arch_enter_app(uintptr_t sp, void (*fn)(void *), void *arg)
{
	(void)sp;
	arch_irq_enable();
	fn(arg);
	thread_exit();
}

void *arch_switch(struct arch_context *prev, struct arch_context *next, void *arg)
{
	struct host_thread *p = stack_of(prev), *n = stack_of(next);

	CHECK(!host_cpu->irq_on && host_cpu->preempt_count == 1);
	CHECK(host_cpu->kstack_base == (uintptr_t)n);
	CHECK(__atomic_load_n(&p->on_stack, __ATOMIC_SEQ_CST) == 1);
	CHECK(__atomic_exchange_n(&n->on_stack, 1, __ATOMIC_SEQ_CST) == 0);
	__atomic_fetch_add(&switches, 1, __ATOMIC_RELAXED);
	n->cpu = host_cpu;
	n->from = arg;
	n->from_stack = p;
	/* now and then the host takes the CPU away in the middle of a switch */
	if (__atomic_fetch_add(&jitter, 1, __ATOMIC_RELAXED) % 7 == 0)
		usleep(30);
	sem_post(&n->turn);
	while (sem_wait(&p->turn))
		;
	if (p->dead) {
		free(p);
		pthread_exit(NULL);
	}
	resumed(p);
	return p->from;
}

static void *cpu_main(void *arg)
{
	struct percpu *p = arg;

	host_cpu = p;
	p->irq_on = 0;
	usleep(1000 * p->idx); /* late CPUs: threads are queued for them before they are there */
	((struct host_thread *)p->kstack_base)->on_stack = 1;
	sched_cpu_online();
}

/* ---- the tests: bodies run as tutti threads ---- */

static struct waitq done_wq;
static unsigned running_count;
static unsigned seed_source = 1;

struct body {
	void (*fn)(unsigned i);
	unsigned i;
};

static void body_main(void *arg)
{
	struct body b = *(struct body *)arg;

	free(arg);
	b.fn(b.i);
	/* last one out wakes the boot thread */
	if (__atomic_sub_fetch(&running_count, 1, __ATOMIC_SEQ_CST) == 0)
		waitq_wake_all(&done_wq);
}

static struct uk_thread *start(void (*fn)(unsigned), unsigned i, const struct cpumask *aff)
{
	struct body *b = malloc(sizeof(*b));
	struct uk_thread *t;

	b->fn = fn;
	b->i = i;
	__atomic_fetch_add(&running_count, 1, __ATOMIC_SEQ_CST);
	t = thread_create(&(struct thread_attr){ .name = "test", .fn = body_main, .arg = b, .affinity = aff });
	CHECK(t);
	thread_get(t);
	thread_start(t);
	return t;
}

static void join_all(void)
{
	waitq_wait(&done_wq, __atomic_load_n(&running_count, __ATOMIC_SEQ_CST) == 0);
}

static unsigned rnd(unsigned *s)
{
	*s = *s * 1103515245u + 12345u;
	return *s >> 16;
}

static void spin_ns(uint64_t ns)
{
	uint64_t end = plat_monotonic_ns() + ns;

	while (plat_monotonic_ns() < end)
		safepoint();
}

/* ping-pong over wait queues, pairs */
#define PAIRS  6
#define ROUNDS 1500
static struct {
	struct waitq wq;
	unsigned turn;
} pair[PAIRS];

static void pingpong(unsigned i)
{
	unsigned me = i & 1;

	for (unsigned r = 0; r < ROUNDS; r++) {
		waitq_wait(&pair[i / 2].wq,
			   (safepoint(), __atomic_load_n(&pair[i / 2].turn, __ATOMIC_SEQ_CST) == 2 * r + me));
		__atomic_store_n(&pair[i / 2].turn, 2 * r + me + 1, __ATOMIC_SEQ_CST);
		waitq_wake_all(&pair[i / 2].wq);
	}
}

/* mutex around a plain counter; TSan sees a missing exclusion, the count too */
static struct uk_mutex mutex;
static unsigned counter;
#define LOCKERS 8
static void locker(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 1500; r++) {
		uk_mutex_lock(&mutex);
		counter++;
		if (rnd(&s) % 16 == 0)
			thread_yield();
		if (rnd(&s) % 32 == 0)
			spin_ns(20000);
		CHECK(tutti_mutex_is_held(&mutex));
		uk_mutex_unlock(&mutex);
		safepoint();
	}
}

/* tokens posted one by one by producers, wake_one each; consumers with random time-outs lose none */
static struct waitq tok_wq;
static int tokens;
static unsigned consumed, consumers_left;
#define TOKENS 3000
static bool take_token(void)
{
	int n = __atomic_load_n(&tokens, __ATOMIC_SEQ_CST);

	while (n > 0)
		if (__atomic_compare_exchange_n(&tokens, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			/* time for a wake-up to hit a waiter that is leaving */
			if (__atomic_fetch_add(&jitter, 1, __ATOMIC_RELAXED) % 5 == 0)
				usleep(20);
			return true;
		}
	return false;
}

static void consumer(unsigned i)
{
	unsigned s = i + 7;

	while (__atomic_load_n(&consumed, __ATOMIC_SEQ_CST) < TOKENS) {
		/* Without a deadline for most: a lost wake_one leaves a token behind and hangs. */
		uint64_t dl = rnd(&s) % 16 ? UINT64_MAX : plat_monotonic_ns() + rnd(&s) % 300000;
		bool got = false;

		waitq_wait_until(&tok_wq,
				 (got = take_token()) || __atomic_load_n(&consumed, __ATOMIC_SEQ_CST) >= TOKENS, dl);
		if (got && __atomic_add_fetch(&consumed, 1, __ATOMIC_SEQ_CST) == TOKENS)
			waitq_wake_all(&tok_wq);
	}
	__atomic_sub_fetch(&consumers_left, 1, __ATOMIC_SEQ_CST);
}

static void producer(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < TOKENS / 2; r++) {
		__atomic_fetch_add(&tokens, 1, __ATOMIC_SEQ_CST);
		waitq_wake_one(&tok_wq);
		if (rnd(&s) % 8 == 0)
			spin_ns(rnd(&s) % 50000);
		if (rnd(&s) % 8 == 0)
			thread_yield();
	}
}

/* a wake-up that hits a waiter which leaves anyway goes on to the next one */
static struct waitq pass_wq;
static unsigned pass_flag;
static void passed_on(unsigned i)
{
	(void)i;
	waitq_wait(&pass_wq, __atomic_load_n(&pass_flag, __ATOMIC_SEQ_CST));
}

static void pass_on(void)
{
	struct waitq_entry e;
	unsigned long flags;
	bool both = false;

	waitq_init(&pass_wq);
	waitq_entry_init(&e);
	waitq_prepare(&pass_wq, &e);
	thread_put(start(passed_on, 0, &(struct cpumask){ .w = { 2 } }));
	while (!both) {
		uk_spin_lock_irqsave(&pass_wq.lock, flags);
		both = pass_wq.waiters.next == &e.node && pass_wq.waiters.prev != &e.node;
		uk_spin_unlock_irqrestore(&pass_wq.lock, flags);
	}
	__atomic_store_n(&pass_flag, 1, __ATOMIC_SEQ_CST);
	CHECK(waitq_wake_one(&pass_wq));
	waitq_finish(&pass_wq, &e);
}

/* sleeps: never early by themselves; timers cancelled at random never run afterwards */
static void sleeper(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 40; r++) {
		uint64_t dl = plat_monotonic_ns() + rnd(&s) % 2000000;

		while (plat_monotonic_ns() < dl)
			CHECK(thread_sleep_until(dl) == 0);
	}
}

struct canary_timer {
	struct timer t;
	unsigned fired, magic;
};

static void canary_fired(struct timer *t)
{
	struct canary_timer *c = container_of(t, struct canary_timer, t);

	CHECK(c->magic == 0x600d);
	if (__atomic_fetch_add(&jitter, 1, __ATOMIC_RELAXED) % 3 == 0)
		usleep(20);
	CHECK(c->magic == 0x600d);
	c->fired++;
}

static void canceller(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 100; r++) {
		struct canary_timer *c = malloc(sizeof(*c));

		c->fired = 0;
		c->magic = 0x600d;
		timer_init(&c->t, canary_fired);
		CHECK(!timer_cancel(&c->t));
		timer_arm(&c->t, plat_monotonic_ns() + rnd(&s) % 200000);
		spin_ns(rnd(&s) % 200000);
		if (rnd(&s) % 4 == 0)
			thread_yield();
		if (timer_cancel(&c->t))
			CHECK(c->fired == 0);
		else
			CHECK(c->fired == 1);
		c->magic = 0xdead;
		free(c);
	}
}

/* exit storms: look-ups and wakes of threads that come and go */
static void nobody(unsigned i)
{
	if (i % 3 == 0)
		thread_yield();
}

static void finder(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 1000; r++) {
		struct uk_thread *t = thread_find((int)(2 + rnd(&s) % 400));

		if (t) {
			thread_wake(t);
			CHECK(__atomic_load_n(&t->refs, __ATOMIC_RELAXED) > 0);
			thread_put(t);
		}
		safepoint();
	}
}

static void creator(unsigned i)
{
	for (unsigned r = 0; r < 100; r++) {
		struct uk_thread *t = start(nobody, i + r, NULL);

		if (r % 2)
			thread_wake(t);
		thread_put(t);
	}
}

/* affinity */
static struct uk_thread *wanderers[6];
static unsigned stop_wandering;

static void wanderer(unsigned i)
{
	unsigned s = i;

	while (!__atomic_load_n(&stop_wandering, __ATOMIC_SEQ_CST)) {
		if (rnd(&s) % 3 == 0)
			thread_sleep_until(plat_monotonic_ns() + 20000);
		else
			spin_ns(20000);
		if (rnd(&s) % 4 == 0)
			thread_yield();
	}
}

static void herder(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 300; r++) {
		struct uk_thread *t = wanderers[i]; /* one herder each: its word is law */
		struct cpumask m = { .w = { 1 + rnd(&s) % 15 } };

		CHECK(thread_set_affinity(t, &m) == 0);
		for (unsigned k = 0; k < 20; k++) {
			int on = __atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST);
			unsigned cpu = (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST);

			/* running: twice the same answer around the CPU number, so it is not the moment of a pick */
			if (on && cpumask_test(&m, cpu) == false) {
				bool steady = true;

				for (unsigned j = 0; j < 2000 && steady; j++)
					steady = __atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST) &&
						 (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST) == cpu;
				CHECK(!steady);
			}
			safepoint();
		}
		/* and ourselves */
		m.w[0] = 1 + rnd(&s) % 15;
		CHECK(thread_set_affinity(current_thread(), &m) == 0);
		arch_irq_disable();
		CHECK(cpumask_test(&m, cpu_id()));
		arch_irq_enable();
	}
}

static void put(struct uk_thread *t)
{
	thread_put(t);
}

/* ---- one IPI per wake-up ---- */
#define SLEEPERS 9
static struct uk_thread *sleepers[SLEEPERS];
static unsigned stop_sleepers;
static uint64_t with_ipi, without;

static void sleeps(unsigned i)
{
	unsigned s = i;

	while (!__atomic_load_n(&stop_sleepers, __ATOMIC_SEQ_CST)) {
		thread_prepare_block();
		thread_block_until(plat_monotonic_ns() + 2000000);
		if (rnd(&s) % 4 == 0)
			spin_ns(rnd(&s) % 100000);
	}
}

static void counting_waker(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < 1500; r++) {
		struct uk_thread *t = sleepers[rnd(&s) % SLEEPERS];
		uint64_t before;

		/* nothing else that this CPU does is counted */
		arch_irq_disable();
		before = ipis_of[cpu_id()];
		thread_wake(t);
		CHECK(ipis_of[cpu_id()] - before <= 1);
		__atomic_fetch_add(ipis_of[cpu_id()] == before ? &without : &with_ipi, 1, __ATOMIC_RELAXED);
		arch_irq_enable();
		if (rnd(&s) % 4 == 0)
			spin_ns(rnd(&s) % 30000);
	}
}

/* ---- priorities ---- */
#define RANKED 8
static struct uk_thread *ranked[RANKED];
static unsigned stop_ranked, ranked_there;

static void ranked_body(unsigned i)
{
	unsigned s = i;

	while (!__atomic_load_n(&stop_ranked, __ATOMIC_SEQ_CST)) {
		switch (rnd(&s) % 4) {
		case 0:
			thread_yield();
			break;
		case 1:
			thread_sleep_until(plat_monotonic_ns() + rnd(&s) % 50000);
			break;
		case 2:
			spin_ns(rnd(&s) % 20000);
			break;
		default:
			if (__atomic_load_n(&ranked_there, __ATOMIC_SEQ_CST))
				thread_wake(ranked[rnd(&s) % RANKED]);
		}
	}
}

static void ranker(unsigned i)
{
	static const int policies[] = { THREAD_OTHER, THREAD_OTHER, THREAD_FIFO, THREAD_RR, THREAD_BATCH, THREAD_IDLE };
	unsigned s = i + 3;

	for (unsigned r = 0; r < 800; r++) {
		struct uk_thread *t = ranked[rnd(&s) % RANKED];
		struct uk_thread *mine = ranked[i]; /* the boost is one ranker's to give */
		struct cpumask m = { .w = { 1 + rnd(&s) % 15 } };
		int policy = policies[rnd(&s) % 6];
		bool rt = policy == THREAD_FIFO || policy == THREAD_RR;
		unsigned how = rnd(&s) % 8;

		if (how < 3) {
			CHECK(!thread_set_policy(t, policy, rt ? 1 + (int)(rnd(&s) % 99) : 0,
						 (int)(rnd(&s) % 40) - 20));
		} else if (how < 5) {
			int prio = rnd(&s) % 2 ? (int)(rnd(&s) % 140) : THREAD_PRIO_NONE;

			thread_set_boost(mine, prio);
			CHECK(thread_prio(mine) <= prio);
		} else if (how == 5) {
			CHECK(!thread_set_affinity(mine, &m));
		} else {
			thread_wake(t);
		}
		if (rnd(&s) % 8 == 0)
			thread_sleep_until(plat_monotonic_ns() + rnd(&s) % 100000);
	}
	thread_set_boost(ranked[i], THREAD_PRIO_NONE);
}

/* ---- a boost makes room ---- */
static unsigned hogs_running, low_ran, stop_hogs;

static void hog(unsigned i)
{
	(void)i;
	__atomic_fetch_add(&hogs_running, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stop_hogs, __ATOMIC_SEQ_CST))
		safepoint();
}

static void low(unsigned i)
{
	(void)i;
	__atomic_store_n(&low_ran, 1, __ATOMIC_SEQ_CST);
}

/* The boot thread is the most urgent one, a FIFO hog on each other CPU, and one more thread. */
static void boost_makes_room(void)
{
	struct cpumask others = { .w = { ((1u << CPUS) - 1) & ~1u } }, first = { .w = { 1 } };
	struct uk_thread *t;

	CHECK(!thread_set_affinity(current_thread(), &first));
	CHECK(!thread_set_policy(current_thread(), THREAD_FIFO, 90, 0));
	stop_hogs = hogs_running = low_ran = 0;
	for (unsigned i = 1; i < CPUS; i++) {
		struct cpumask m = { .w = { 1u << i } };
		struct uk_thread *h = start(hog, i, &m);

		CHECK(!thread_set_policy(h, THREAD_FIFO, 50, 0));
		put(h);
	}
	while (__atomic_load_n(&hogs_running, __ATOMIC_SEQ_CST) != CPUS - 1)
		thread_sleep_until(plat_monotonic_ns() + 100000);
	t = start(low, 0, &others);
	CHECK(!thread_set_policy(t, THREAD_FIFO, 10, 0));
	for (unsigned i = 0; i < 20; i++)
		thread_sleep_until(plat_monotonic_ns() + 200000);
	/* queued behind the hogs; it is less urgent, unless it was there before it was told so */
	if (!__atomic_load_n(&low_ran, __ATOMIC_SEQ_CST)) {
		thread_set_boost(t, 40);
		while (!__atomic_load_n(&low_ran, __ATOMIC_SEQ_CST))
			thread_sleep_until(plat_monotonic_ns() + 100000);
	}
	__atomic_store_n(&stop_hogs, 1, __ATOMIC_SEQ_CST);
	put(t);
	CHECK(!thread_set_policy(current_thread(), THREAD_OTHER, 0, 0));
	first.w[0] = (1u << CPUS) - 1;
	CHECK(!thread_set_affinity(current_thread(), &first));
}

static void watchdog_report(void)
{
	sched_report();
	for (unsigned i = 0; i < CPUS; i++)
		fprintf(stderr, "cpu %u pending %x shot in %ld us current %s\n", i, vcpu[i].pending,
			(long)(vcpu[i].shot - plat_monotonic_ns()) / 1000, percpu_areas[i].current->name);
}

static void *watchdog(void *arg)
{
	sleep((unsigned)(uintptr_t)arg);
	watchdog_report();
	fail("timed out: a wake-up was lost");
	return NULL;
}

static void phase(const char *name)
{
	join_all();
	fprintf(stderr, "%s %s: %llu switches, %llu IPIs\n", sched_preemptive ? "preempt" : "coop", name,
		(unsigned long long)__atomic_load_n(&switches, __ATOMIC_RELAXED),
		(unsigned long long)__atomic_load_n(&ipis, __ATOMIC_RELAXED));
	seed_source++;
}

int main(void)
{
	pthread_t id;
	struct host_thread *b;
	pid_t child;

	/* `coop` in a child first, then `preempt` here */
	fflush(NULL);
	if ((child = fork()) == 0) {
		sched_preemptive = false;
	} else {
		int status;

		if (waitpid(child, &status, 0) != child || status)
			fail("coop run failed");
	}
	pthread_create(&id, NULL, watchdog, (void *)(uintptr_t)60);
	for (unsigned i = 0; i < CPUS; i++) {
		percpu_areas[i].idx = i;
		vcpu[i].shot = UINT64_MAX;
		pthread_mutex_init(&vcpu[i].m, NULL);
		pthread_cond_init(&vcpu[i].c, NULL);
	}
	host_cpu = &percpu_areas[0];
	b = boot_stack = (struct host_thread *)mm_kstack_alloc();
	b->on_stack = 1;
	host_cpu->kstack_base = (uintptr_t)b;
	host_cpu->kstack_top = (uintptr_t)b + MM_KSTACK_SIZE;
	pthread_create(&id, NULL, timer_hardware, NULL);
	sched_init();
	for (unsigned i = 1; i < CPUS; i++)
		pthread_create(&id, NULL, cpu_main, &percpu_areas[i]);
	arch_irq_enable();

	waitq_init(&done_wq);
	waitq_init(&tok_wq);
	uk_mutex_init(&mutex);
	for (unsigned i = 0; i < PAIRS; i++)
		waitq_init(&pair[i].wq);

	/* a thread for each CPU while some are not there yet */
	for (unsigned i = 0; i < CPUS; i++) {
		struct cpumask m = { .w = { 1u << i } };

		put(start(nobody, i, &m));
	}
	phase("late CPUs");
	CHECK(sched_online_count() == CPUS);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		put(start(pingpong, i, NULL));
	phase("ping-pong");
	for (unsigned i = 0; i < LOCKERS; i++)
		put(start(locker, i, NULL));
	phase("mutex");
	CHECK(counter == LOCKERS * 1500);
	consumers_left = 5;
	for (unsigned i = 0; i < 5; i++)
		put(start(consumer, i, NULL));
	for (unsigned i = 0; i < 2; i++)
		put(start(producer, i, NULL));
	phase("tokens");
	{
		/* not on CPU 1, where the other waiter is: it must not depend on our giving way */
		struct cpumask m = { .w = { 1 } };

		CHECK(!thread_set_affinity(current_thread(), &m));
		pass_on();
		m.w[0] = (1u << CPUS) - 1;
		CHECK(!thread_set_affinity(current_thread(), &m));
	}
	phase("pass on");
	CHECK(tokens == 0 && consumed == TOKENS && consumers_left == 0);
	for (unsigned i = 0; i < 12; i++)
		put(start(sleeper, i, NULL));
	for (unsigned i = 0; i < 4; i++)
		put(start(canceller, i, NULL));
	phase("sleep");
	for (unsigned i = 0; i < 4; i++) {
		put(start(creator, i, NULL));
		put(start(finder, i, NULL));
	}
	phase("exit");
	for (unsigned i = 0; i < 6; i++)
		wanderers[i] = start(wanderer, i, NULL);
	__atomic_fetch_add(&running_count, 1, __ATOMIC_SEQ_CST); /* keeps the count up until the wanderers stop */
	{
		struct uk_thread *h[6];

		for (unsigned i = 0; i < 6; i++)
			h[i] = start(herder, i, NULL);
		for (unsigned i = 0; i < 6; i++) {
			while (__atomic_load_n(&h[i]->state, __ATOMIC_SEQ_CST) != THREAD_EXITED)
				thread_sleep_until(plat_monotonic_ns() + 1000000);
			put(h[i]);
		}
	}
	__atomic_store_n(&stop_wandering, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&running_count, 1, __ATOMIC_SEQ_CST);
	phase("affinity");
	for (unsigned i = 0; i < 6; i++)
		put(wanderers[i]);
	for (unsigned i = 0; i < SLEEPERS; i++)
		sleepers[i] = start(sleeps, i, NULL);
	__atomic_fetch_add(&running_count, 1, __ATOMIC_SEQ_CST);
	{
		struct uk_thread *w[4];

		for (unsigned i = 0; i < 4; i++)
			w[i] = start(counting_waker, i, NULL);
		for (unsigned i = 0; i < 4; i++) {
			while (__atomic_load_n(&w[i]->state, __ATOMIC_SEQ_CST) != THREAD_EXITED)
				thread_sleep_until(plat_monotonic_ns() + 1000000);
			put(w[i]);
		}
	}
	__atomic_store_n(&stop_sleepers, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&running_count, 1, __ATOMIC_SEQ_CST);
	phase("IPIs");
	/* the test means something */
	CHECK(with_ipi && without);
	for (unsigned i = 0; i < SLEEPERS; i++)
		put(sleepers[i]);

	/* the most urgent one ends it */
	CHECK(!thread_set_policy(current_thread(), THREAD_FIFO, 99, 0));
	__atomic_fetch_add(&running_count, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < RANKED; i++)
		ranked[i] = start(ranked_body, i, NULL);
	__atomic_store_n(&ranked_there, 1, __ATOMIC_SEQ_CST);
	{
		struct uk_thread *k[4];

		for (unsigned i = 0; i < 4; i++)
			k[i] = start(ranker, i, NULL);
		for (unsigned i = 0; i < 4; i++) {
			while (__atomic_load_n(&k[i]->state, __ATOMIC_SEQ_CST) != THREAD_EXITED)
				thread_sleep_until(plat_monotonic_ns() + 1000000);
			put(k[i]);
		}
	}
	__atomic_store_n(&stop_ranked, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&running_count, 1, __ATOMIC_SEQ_CST);
	phase("priorities");
	for (unsigned i = 0; i < RANKED; i++)
		put(ranked[i]);
	CHECK(!thread_set_policy(current_thread(), THREAD_OTHER, 0, 0));
	if (sched_preemptive) {
		boost_makes_room();
		phase("boost");
	}
	/* the last of them may still be on their way out */
	while (thread_count() != 1)
		thread_sleep_until(plat_monotonic_ns() + 1000000);
	fprintf(stderr, "ok\n");
	fflush(NULL);
	exit(0);
}
