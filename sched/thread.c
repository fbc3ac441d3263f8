/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of a thread: creation, exit, tids, references, affinity, lists. (Who runs where and when: sched.c.)
 *
 * A thread is NEW until thread_start(), then one of the running and blocking states, then EXITED for ever. One
 * reference belongs to the thread itself; it is dropped by thread_reap() on the CPU that switched away from it for
 * the last time. A look-up by tid takes one under the list lock, and thread_exit() takes the thread off the table
 * under the same lock before it becomes EXITED; so whoever found a thread may use it until thread_put(), if only to
 * see that it has exited. Waking an exited thread does nothing. The kernel stack goes back to its pool in
 * thread_reap(), when no CPU is on it; the structure with the last reference.
 *
 * Affinity. thread_set_affinity() changes the mask (by word, sequentially consistent), then reads last_cpu. An
 * enqueuer queues, stores last_cpu, then reads the mask and takes the thread back if the CPU is excluded
 * (enqueue_on()). Store buffering with full barriers: either it saw the new mask or we see which queue it chose. We
 * lock the queue of an excluded last_cpu: a section before ours has left the thread in that queue, where we take
 * it, or running, where we interrupt the CPU and wait until it let go; a section after ours sees the new mask, so a
 * preempted thread moves on (schedule()). Hence no check at the pick: the thread is never left in a queue of a CPU
 * outside its mask. (Model: tests/host/sched_model.c, affine and requeue.)
 *
 * Locks: the list lock (irq-safe, a leaf) guards table, list, count and tid numbers; it is not on the switch path.
 * Memory: a slab for the structure, the pool of kernel stacks. Out of memory: thread_create() returns NULL and has
 * undone everything.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "sched/internal.h"
#include "sched/sched.h"

#define TID_MAX	      0x3fffff
#define TID_BUCKETS   256
#define EVICT_POLL_NS 50000
#define REPORT_MAX    64

LOCK_CLASS(affinity_class, "thread affinity", 60, 0, "the set of CPUs that a thread may run on");

static struct slab_cpu thread_cpus[CONFIG_MAX_CPUS] = SLAB_CPUS;
static struct slab_cache thread_cache = SLAB_CACHE_CPUS("thread", struct uk_thread, thread_cpus);

LOCK_CLASS(threads_class, "thread list", 70, LOCK_IRQ, "all threads, table of thread numbers");

static struct {
	struct uk_spinlock lock;
	bool ready;
	struct list all;			 /* [lock] live threads, oldest first, without the idle ones */
	struct list by_tid[TID_BUCKETS];	 /* [lock] */
	unsigned count;				 /* [lock to write, a to read] length of `all` */
	int next_tid;				 /* [lock] */
	struct uk_thread *idle[CONFIG_MAX_CPUS]; /* [I] for the report */
} threads = { .lock = SPINLOCK_INIT(&threads_class) };

static struct list *bucket_of(int tid)
{
	return &threads.by_tid[(unsigned)tid % TID_BUCKETS];
}

static struct uk_thread *lookup_locked(int tid) REQUIRES(threads.lock);
static struct uk_thread *lookup_locked(int tid)
{
	struct list *b = bucket_of(tid);

	uk_spin_assert_held(&threads.lock);
	list_foreach(n, b) {
		struct uk_thread *t = list_entry(n, struct uk_thread, tid_node);

		if (t->tid == tid)
			return t;
	}
	return NULL;
}

/* Number the thread (0: any free one) and put it on table and list. False: the wanted tid is taken. */
static bool publish(struct uk_thread *t, int tid)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&threads.lock, flags);
	if (!threads.ready) {
		list_init(&threads.all);
		for (unsigned i = 0; i < TID_BUCKETS; i++)
			list_init(&threads.by_tid[i]);
		threads.next_tid = 2;
		threads.ready = true;
	}
	if (tid && lookup_locked(tid)) {
		uk_spin_unlock_irqrestore(&threads.lock, flags);
		return false;
	}
	while (!tid) {
		if (!lookup_locked(threads.next_tid))
			tid = threads.next_tid;
		threads.next_tid = threads.next_tid == TID_MAX ? 2 : threads.next_tid + 1;
	}
	t->tid = tid;
	list_add_tail(bucket_of(tid), &t->tid_node);
	list_add_tail(&threads.all, &t->all_node);
	__atomic_store_n(&threads.count, threads.count + 1, __ATOMIC_RELAXED);
	uk_spin_unlock_irqrestore(&threads.lock, flags);
	return true;
}

static void unpublish(struct uk_thread *t)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&threads.lock, flags);
	list_del(&t->tid_node);
	list_del(&t->all_node);
	__atomic_store_n(&threads.count, threads.count - 1, __ATOMIC_RELAXED);
	uk_spin_unlock_irqrestore(&threads.lock, flags);
}

/* ---- creation ---- */

void thread_setup(struct uk_thread *t, const char *name, uintptr_t kstack_base, uintptr_t kstack_top)
{
	memset(t, 0, sizeof(*t));
	t->kstack_base = kstack_base;
	t->kstack_top = kstack_top;
	t->state = THREAD_NEW;
	list_init(&t->all_node);
	list_init(&t->tid_node);
	spin_init_class(&t->affinity_lock, &affinity_class);
	t->refs = 1;
	t->params = PARAMS_DEFAULT;
	str_copy(t->name, name ? name : "", sizeof(t->name));
}

/* Structure and stack; NULL if there is no memory. */
static struct uk_thread *alloc_thread(const char *name)
{
	struct uk_thread *t = slab_alloc(&thread_cache);
	uintptr_t stack;

	if (!t)
		return NULL;
	stack = mm_kstack_alloc();
	if (!stack) {
		slab_free(&thread_cache, t);
		return NULL;
	}
	thread_setup(t, name, stack, stack + MM_KSTACK_SIZE);
	t->kstack_owned = 1;
	return t;
}

static void free_thread(struct uk_thread *t)
{
	if (t->kstack_owned)
		slab_free(&thread_cache, t);
}

struct uk_thread *thread_alloc_idle(unsigned cpu)
{
	struct uk_thread *t = alloc_thread("idle");

	if (!t)
		return NULL;
	t->is_idle = 1;
	t->state = THREAD_RUNNING;
	t->last_cpu = (int)cpu;
	t->on_cpu = 1;
	cpumask_set(&t->affinity, cpu);
	threads.idle[cpu] = t;
	return t;
}

void thread_adopt(struct uk_thread *t)
{
	publish(t, 0);
}

/* `set` without CPUs that are not configured; false: nothing left. */
static bool usable_cpus(const struct cpumask *set, struct cpumask *out)
{
	struct cpumask all;
	uint64_t any = 0;

	cpumask_set_first(&all, plat_cpu_count());
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		any |= out->w[i] = set->w[i] & all.w[i];
	return any != 0;
}

/* Without the boost, which is the creator's alone. */
static uint32_t inherited_params(const struct uk_thread *from)
{
	uint32_t w = __atomic_load_n(&from->params, __ATOMIC_RELAXED);

	if (!(w & PARAMS_RESET))
		return PARAMS_WORD(THREAD_PRIO_NONE, PARAMS_RT(w), PARAMS_NICE(w), PARAMS_POLICY(w));
	if (PARAMS_RT(w))
		return PARAMS_DEFAULT;
	return PARAMS_WORD(THREAD_PRIO_NONE, 0, MAX(PARAMS_NICE(w), 0), PARAMS_POLICY(w));
}

struct uk_thread *thread_create(const struct thread_attr *attr)
{
	struct uk_thread *t = alloc_thread(attr->name);

	if (!t)
		return NULL;
	t->fn = attr->fn;
	t->arg = attr->arg;
	t->app_sp = attr->app_sp;
	t->posix = attr->posix;
	t->release = attr->release;
	t->last_cpu = (int)cpu_id();
	if (attr->affinity)
		UK_CHECK(usable_cpus(attr->affinity, &t->affinity));
	else
		thread_get_affinity(current_thread(), &t->affinity);
	t->params = inherited_params(current_thread());
	arch_context_init(&t->ctx, t->kstack_top, sched_thread_entry, t);
	t->ctx.fs_base = attr->tp;
	/* Last: from here on others can find it. */
	UK_CHECK(publish(t, attr->tid));
	return t;
}

/* ---- the end, references ---- */

void thread_exit(void)
{
	struct uk_thread *t = current_thread();

	UK_ASSERT(!t->is_idle);
	lock_hook_thread_exit();
	UK_ASSERT(context_may_sleep());
	if (unlikely(t->uk_iterator))
		thread_put(t->uk_iterator);
	unpublish(t);
	arch_irq_disable();
	__atomic_store_n(&t->state, THREAD_EXITED, __ATOMIC_RELEASE);
	sched_requeue_self();
	plat_crash(NULL, "exited thread %d runs again", t->tid);
}

void thread_reap(struct uk_thread *t)
{
	if (t->kstack_owned)
		mm_kstack_free(t->kstack_base);
	thread_put(t);
}

struct uk_thread *thread_get(struct uk_thread *t)
{
	__atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void thread_put(struct uk_thread *t)
{
	/* Release our uses, acquire those of the others before it goes. */
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (t->release)
		t->release(t->posix);
	free_thread(t);
}

struct uk_thread *thread_find(int tid)
{
	struct uk_thread *t = NULL;
	unsigned long flags;

	if (tid <= 0)
		return NULL;
	uk_spin_lock_irqsave(&threads.lock, flags);
	if (threads.ready)
		t = lookup_locked(tid);
	if (t)
		thread_get(t);
	uk_spin_unlock_irqrestore(&threads.lock, flags);
	return t;
}

struct uk_thread *thread_next(int tid)
{
	struct uk_thread *next = NULL;
	unsigned long flags;

	uk_spin_lock_irqsave(&threads.lock, flags);
	list_foreach(n, &threads.all) {
		struct uk_thread *t = list_entry(n, struct uk_thread, all_node);

		if (t->tid > tid && (!next || t->tid < next->tid))
			next = t;
	}
	if (next)
		thread_get(next);
	uk_spin_unlock_irqrestore(&threads.lock, flags);
	return next;
}

const struct uk_thread *thread_idle_of(unsigned cpu)
{
	return cpu < plat_cpu_count() ? threads.idle[cpu] : NULL;
}

unsigned thread_count(void)
{
	return __atomic_load_n(&threads.count, __ATOMIC_RELAXED);
}

void thread_foreach(void (*fn)(struct uk_thread *t, void *arg), void *arg)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&threads.lock, flags);
	if (threads.ready)
		list_foreach_safe(n, tmp, &threads.all)
			fn(list_entry(n, struct uk_thread, all_node), arg);
	uk_spin_unlock_irqrestore(&threads.lock, flags);
}

uint64_t thread_run_ns(void)
{
	unsigned long flags = arch_irq_save();
	struct uk_thread *t = current_thread();
	uint64_t ns = t->run_ns + plat_monotonic_ns() - t->run_start;

	arch_irq_restore(flags);
	return ns;
}

/* ---- priority ---- */

int thread_prio(const struct uk_thread *t)
{
	return (int)params_prio(__atomic_load_n(&t->params, __ATOMIC_RELAXED));
}

void thread_set_boost(struct uk_thread *t, int prio)
{
	uint32_t w = __atomic_load_n(&t->params, __ATOMIC_RELAXED), new;

	UK_ASSERT(prio >= 0 && prio <= THREAD_PRIO_NONE);
	do {
		new = (w & ~PARAMS_BOOST(~0u)) | (uint32_t)prio;
		if (new == w)
			return;
	} while (!__atomic_compare_exchange_n(&t->params, &w, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (params_prio(new) != params_prio(w))
		sched_params_changed(t);
}

/* `reset` < 0: as it is. */
static int set_params(struct uk_thread *t, int policy, int rt_prio, int nice, int reset)
{
	const bool rt = policy == THREAD_FIFO || policy == THREAD_RR;
	uint32_t w, new;

	if (!rt && policy != THREAD_OTHER && policy != THREAD_BATCH && policy != THREAD_IDLE)
		return -EINVAL;
	if (rt ? rt_prio < 1 || rt_prio > 99 : rt_prio != 0)
		return -EINVAL;
	if (nice < -20 || nice > 19)
		return -EINVAL;
	w = __atomic_load_n(&t->params, __ATOMIC_RELAXED);
	do {
		new = PARAMS_WORD(PARAMS_BOOST(w), rt_prio, nice, policy);
		if (reset < 0 ? (w & PARAMS_RESET) != 0 : reset)
			new |= PARAMS_RESET;
		if (new == w)
			return 0;
	} while (!__atomic_compare_exchange_n(&t->params, &w, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	sched_params_changed(t);
	return 0;
}

int thread_set_params(struct uk_thread *t, const struct thread_params *p)
{
	return set_params(t, p->policy, p->rt_prio, p->nice, p->reset_on_fork);
}

int thread_set_policy(struct uk_thread *t, int policy, int rt_prio, int nice)
{
	return set_params(t, policy, rt_prio, nice, -1);
}

int thread_set_nice(struct uk_thread *t, int nice)
{
	uint32_t w, new;

	if (nice < -20 || nice > 19)
		return -EINVAL;
	w = __atomic_load_n(&t->params, __ATOMIC_RELAXED);
	do {
		new = PARAMS_WORD(PARAMS_BOOST(w), PARAMS_RT(w), nice, PARAMS_POLICY(w)) | (w & PARAMS_RESET);
		if (new == w)
			return 0;
	} while (!__atomic_compare_exchange_n(&t->params, &w, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	sched_params_changed(t);
	return 0;
}

void thread_get_params(const struct uk_thread *t, struct thread_params *p)
{
	uint32_t w = __atomic_load_n(&t->params, __ATOMIC_RELAXED);

	*p = (struct thread_params){
		.policy = (int)PARAMS_POLICY(w),
		.rt_prio = (int)PARAMS_RT(w),
		.nice = PARAMS_NICE(w),
		.reset_on_fork = w & PARAMS_RESET,
	};
}

/* ---- affinity ---- */

int thread_set_affinity(struct uk_thread *t, const struct cpumask *set)
{
	struct cpumask usable;
	unsigned long flags;

	if (!usable_cpus(set, &usable))
		return -EINVAL;
	uk_spin_lock_irqsave(&t->affinity_lock, flags);
	/* New CPUs before old ones go, so that readers who see half of it find at least one. */
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		__atomic_store_n(&t->affinity.w[i], t->affinity.w[i] | usable.w[i], __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		__atomic_store_n(&t->affinity.w[i], usable.w[i], __ATOMIC_SEQ_CST);
	uk_spin_unlock_irqrestore(&t->affinity_lock, flags);

	if (t == current_thread()) {
		while (!sched_allowed(t, cpu_id()))
			sched_requeue_self();
		return 0;
	}
	for (;;) {
		unsigned cpu = (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST);

		if (!sched_allowed(t, cpu))
			sched_evict(t, cpu);
		/* on_cpu first: a thread that has moved since shows its new CPU in last_cpu. */
		if (!__atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST))
			return 0;
		cpu = (unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST);
		if (sched_allowed(t, cpu))
			return 0;
		thread_prepare_block();
		thread_block_until(plat_monotonic_ns() + EVICT_POLL_NS);
	}
}

void thread_get_affinity(struct uk_thread *t, struct cpumask *set)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&t->affinity_lock, flags);
	*set = t->affinity;
	uk_spin_unlock_irqrestore(&t->affinity_lock, flags);
}

/* ---- crash report ---- */

static void report_thread(const struct uk_thread *t)
{
	static const char *const names[] = { "runnable", "blocking", "blocked", "exited", "new" };
	int s = __atomic_load_n(&t->state, __ATOMIC_RELAXED);

	plat_log('C', "thread %d %s: %s%s cpu %d", t->tid, t->name,
		 s >= 0 && s < (int)ARRAY_SIZE(names) ? names[s] : "?",
		 __atomic_load_n(&t->on_cpu, __ATOMIC_RELAXED) ? ", running" : "",
		 __atomic_load_n(&t->last_cpu, __ATOMIC_RELAXED));
	/* the others are in the backtraces of the CPUs */
	if (!__atomic_load_n(&t->on_cpu, __ATOMIC_RELAXED))
		plat_backtrace(&t->ctx);
}

void sched_report(void)
{
	unsigned left = REPORT_MAX;

	if (!threads.ready)
		return;
	plat_log('C', "threads: %u", thread_count());
	/*
	 * No lock: the machine has stopped, perhaps while one was held. The bound is for a list in the middle of a
	 * change.
	 */
	for (struct list *n = threads.all.next; n && n != &threads.all && left; n = n->next, left--)
		report_thread(list_entry(n, struct uk_thread, all_node));
}
