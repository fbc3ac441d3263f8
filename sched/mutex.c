// SPDX-License-Identifier: BSD-3-Clause
/*
 * The mutex that sleeps: what uk/mutex.h does not do inline.
 *
 * `word` holds the owner's address, MUTEX_WAITERS and MUTEX_RECURSIVE. `lock` guards the queue, and MUTEX_WAITERS is set exactly while
 * somebody is in it (outside sections of `lock`). Owner 0 is free. Only the owner makes it free or gives it to somebody; a free one is
 * taken by compare-and-swap: by newcomers, inline or here, and by the first of the queue. Waiters further back never take it: order
 * of arrival.
 *
 * No lost wake-up. A waiter links itself and sets MUTEX_WAITERS in one section of `lock`, then looks at the owner, and before it
 * lets go of `lock` to sleep it is marked `asleep` and BLOCKING. An unlock that succeeds by the inline compare-and-swap found no
 * MUTEX_WAITERS, so it comes before the bit in the order of `word`, and the waiter's look finds a free mutex or a later owner. Any
 * other unlock takes `lock`, so nobody unlocks between a waiter's look and its sleep; it frees or hands over, and wakes the first if that is asleep. So: whenever the mutex is
 * free and somebody waits, the first in the queue is awake on its way to take it; the first leaves by a time-out only if it finds an
 * owner, whose unlock is the next one's chance. Entries are on the waiters' stacks: taken off under `lock` by the waiter itself, or by the unlock that hands over,
 * whose section the new owner waits for; so entry and thread are there while `lock` is held.
 *
 * Fairness. Handing a free mutex to a thread that has yet to run costs a switch for each section, so newcomers may take it first, and an
 * owner that comes back at once is one. Each unlock that passes over the first waiter counts, and the one that makes PASS_LIMIT hands over. So
 * at most PASS_LIMIT sections of others come before a waiter's own once it is first, and as its turn is as long as anybody's,
 * whether the next one sleeps or spins, all get equal shares. For that the first waiter, when it spins, takes a free mutex only after
 * GRACE_LOOKS: else turns would be long before a sleeper and short before a spinner (tests/torture/lock_torture.c: one of six threads had half a
 * share on two CPUs).
 *
 * Spinning (Boguslavsky and others, "Optimal strategies for spinning and blocking", 1994; Solaris' adaptive mutex): only while the owner runs
 * on another CPU, this CPU has nothing else to do and for SPIN_LOOKS looks; before queueing only if nobody waits, in the
 * queue only the first. Whether the owner runs is read from its structure without holding a reference: it may have exited
 * since. The structures are from a slab, which never gives memory back, so the read is of some thread's word or of free memory; a
 * wrong answer lets a waiter spin its bound or sleep at once, and both are right. (Not instrumented: the checkers would object.)
 *
 * Contexts: lock in thread context with preemption on; unlock and trylock in thread context. `lock` is held for a few steps,
 * never in interrupts; run queues' locks are taken inside it. No memory is needed. Public functions run on the kernel stack.
 */
#include "sched/mutex.h"

#include <arch/stack.h>

#include "lib/errno.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "sync/spin.h"

#define SPIN_LOOKS  (config_replay ? 3u : 2000u)
#define GRACE_LOOKS (config_replay ? 1u : 64u)
#define PASS_LIMIT  16u

LOCK_CLASS(tutti_mutex_queue_class, "mutex queue", 62, 0, "the waiters of one mutex");

static struct uk_mutex_metrics metrics; /* [a] each number for itself */

#define count(field, n)                                                            \
	do {                                                                       \
		if (config_mutex_metrics)                                          \
			__atomic_fetch_add(&metrics.field, (n), __ATOMIC_RELAXED); \
	} while (0)

static inline struct uk_thread *owner_of(uintptr_t word)
{
	return (struct uk_thread *)(word & ~MUTEX_BITS);
}

/* The thread may be gone: see the prologue. */
__attribute__((no_sanitize("kernel-address", "thread"))) static bool runs(const struct uk_thread *t)
{
	return __atomic_load_n(&t->on_cpu, __ATOMIC_RELAXED) != 0;
}

/* Take it if it is free, whoever waits. */
static bool take(struct uk_mutex *m)
{
	uintptr_t w = __atomic_load_n(&m->word, __ATOMIC_RELAXED);

	while (!owner_of(w))
		/* acquire: pairs with the release of the unlock */
		if (__atomic_compare_exchange_n(&m->word, &w, w | (uintptr_t)current_thread(), false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* The owner locks a recursive one again. */
static bool take_again(struct uk_mutex *m)
{
	uintptr_t w = __atomic_load_n(&m->word, __ATOMIC_RELAXED);

	if (owner_of(w) != current_thread() || !(w & MUTEX_RECURSIVE))
		return false;
	m->depth++;
	return true;
}

static bool spin_for(struct uk_mutex *m)
{
	unsigned looks = 0;

	do {
		uintptr_t w = __atomic_load_n(&m->word, __ATOMIC_RELAXED);

		if (!owner_of(w)) {
			if (take(m))
				return true;
		} else if ((w & MUTEX_WAITERS) || !runs(owner_of(w)) || percpu_read(need_resched)) {
			return false;
		}
		spin_wait(&looks);
	} while (looks < SPIN_LOOKS);
	return false;
}

/* ---- the queue ---- */

static inline struct mutex_waiter *first_of(struct uk_mutex *m)
{
	return list_first(&m->waiters, struct mutex_waiter, node);
}

static void enqueue_locked(struct uk_mutex *m, struct mutex_waiter *e) REQUIRES(m->lock);
static void enqueue_locked(struct uk_mutex *m, struct mutex_waiter *e)
{
	uk_spin_assert_held(&m->lock);
	list_add_tail(&m->waiters, &e->node);
	/* Later looks at the owner are later than any unlock that does not see it (same word). */
	__atomic_fetch_or(&m->word, MUTEX_WAITERS, __ATOMIC_RELAXED);
}

static void dequeue_locked(struct uk_mutex *m, struct mutex_waiter *e) REQUIRES(m->lock);
static void dequeue_locked(struct uk_mutex *m, struct mutex_waiter *e)
{
	uk_spin_assert_held(&m->lock);
	list_del(&e->node);
	if (list_empty(&m->waiters))
		__atomic_fetch_and(&m->word, ~MUTEX_WAITERS, __ATOMIC_RELAXED);
}

static void wake_locked(struct uk_mutex *m, struct mutex_waiter *e) REQUIRES(m->lock);
static void wake_locked(struct uk_mutex *m, struct mutex_waiter *e)
{
	uk_spin_assert_held(&m->lock);
	if (e->asleep) {
		e->asleep = 0;
		thread_wake(e->thread);
	}
}

/* First in the queue: spin with `lock` given up while the owner runs. False: it is time to sleep. */
static bool spin_queued(struct uk_mutex *m, unsigned *looks) REQUIRES(m->lock);
static bool spin_queued(struct uk_mutex *m, unsigned *looks)
{
	const struct uk_thread *owner = owner_of(__atomic_load_n(&m->word, __ATOMIC_RELAXED));
	unsigned free = 0;

	if (*looks >= SPIN_LOOKS || percpu_read(need_resched) || !runs(owner))
		return false;
	uk_spin_unlock(&m->lock);
	while (*looks < SPIN_LOOKS && free < GRACE_LOOKS && owner != current_thread() && !percpu_read(need_resched)) {
		spin_wait(looks);
		owner = owner_of(__atomic_load_n(&m->word, __ATOMIC_RELAXED));
		if (!owner)
			free++;
		else if (!runs(owner))
			break;
		else
			free = 0;
	}
	uk_spin_lock(&m->lock);
	return true;
}

/* `e` is in the queue, or was and has been handed the mutex. With `lock` held, given up meanwhile. */
static int wait_locked(struct uk_mutex *m, struct mutex_waiter *e, uint64_t deadline) REQUIRES(m->lock);
static int wait_locked(struct uk_mutex *m, struct mutex_waiter *e, uint64_t deadline)
{
	unsigned looks = 0;

	uk_spin_assert_held(&m->lock);
	for (;;) {
		/* acquire: pairs with the release of the unlock that hands over */
		struct uk_thread *owner = owner_of(__atomic_load_n(&m->word, __ATOMIC_ACQUIRE));
		bool first = first_of(m) == e;

		if (owner == current_thread())
			return 0;
		if (first && !owner) {
			if (take(m)) {
				dequeue_locked(m, e);
				return 0;
			}
			continue;
		}
		if (deadline != UINT64_MAX && plat_monotonic_ns() >= deadline) {
			/* Somebody has it, or the first of the queue is on its way: nobody is to be woken. */
			dequeue_locked(m, e);
			return -ETIMEDOUT;
		}
		if (first && spin_queued(m, &looks))
			continue;
		e->asleep = 1;
		thread_prepare_block();
		uk_spin_unlock(&m->lock);
		thread_block_until(deadline);
		uk_spin_lock(&m->lock);
		e->asleep = 0;
		looks = 0;
	}
}

LOCKS_UNCHECKED int mutex_lock_until(struct uk_mutex *m, uint64_t deadline)
{
	struct mutex_waiter e = { .thread = current_thread() };
	int r;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	if (take_again(m)) {
		lock_hook_acquired(&m->map, m, LOCK_SLEEPING | LOCK_RECURSIVE);
		return 0;
	}
	lock_hook_acquire(&m->map, m, LOCK_SLEEPING);
	if (!take(m)) {
		UK_CHECK(!tutti_mutex_is_held(m));
		lock_hook_contended(&m->map, m);
		if (!spin_for(m)) {
			list_init(&e.node);
			uk_spin_lock(&m->lock);
			enqueue_locked(m, &e);
			r = wait_locked(m, &e, deadline);
			uk_spin_unlock(&m->lock);
			if (r) {
				lock_hook_gave_up(&m->map, m);
				return r;
			}
		}
	}
	lock_hook_acquired(&m->map, m, LOCK_SLEEPING);
	return 0;
}

LOCKS_UNCHECKED void mutex_unlock(struct uk_mutex *m)
{
	uintptr_t w = (uintptr_t)current_thread();

	lock_hook_release(&m->map, m);
	UK_CHECK(tutti_mutex_is_held(m));
	if (m->depth) {
		m->depth--;
		return;
	}
	/* release: pairs with the acquire in take() and mutex_take_free() */
	if (__atomic_compare_exchange_n(&m->word, &w, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	uk_spin_lock(&m->lock);
	if (list_empty(&m->waiters)) {
		__atomic_fetch_and(&m->word, MUTEX_BITS, __ATOMIC_RELEASE);
	} else {
		struct mutex_waiter *e = first_of(m);

		if (++e->passed >= PASS_LIMIT) {
			list_del(&e->node);
			w = __atomic_load_n(&m->word, __ATOMIC_RELAXED) & MUTEX_RECURSIVE;
			w |= list_empty(&m->waiters) ? 0 : MUTEX_WAITERS;
			/* release: pairs with the acquire in wait_locked(). Nobody else changes the word of a locked mutex. */
			__atomic_store_n(&m->word, w | (uintptr_t)e->thread, __ATOMIC_RELEASE);
		} else {
			/* release: pairs with the acquire in take() */
			__atomic_fetch_and(&m->word, MUTEX_BITS, __ATOMIC_RELEASE);
		}
		wake_locked(m, e);
	}
	uk_spin_unlock(&m->lock);
}

/* ---- for conditions ---- */

void mutex_requeue(struct uk_mutex *m, struct mutex_waiter *e)
{
	uk_spin_lock(&m->lock);
	/* It sleeps, or is about to look at on_mutex and then takes `lock`. */
	e->asleep = 1;
	enqueue_locked(m, e);
	/* release: pairs with the acquire in condition.c; before the wake-up, which is a full barrier */
	__atomic_store_n(&e->on_mutex, 1, __ATOMIC_SEQ_CST);
	/* Nobody will unlock it: the first in the queue is on its way, or has just come. */
	if (!owner_of(__atomic_load_n(&m->word, __ATOMIC_RELAXED)))
		wake_locked(m, first_of(m));
	uk_spin_unlock(&m->lock);
}

LOCKS_UNCHECKED void mutex_lock_requeued(struct uk_mutex *m, struct mutex_waiter *e)
{
	lock_hook_acquire(&m->map, m, LOCK_SLEEPING);
	uk_spin_lock(&m->lock);
	e->asleep = 0;
	wait_locked(m, e, UINT64_MAX);
	uk_spin_unlock(&m->lock);
	lock_hook_acquired(&m->map, m, LOCK_SLEEPING);
}

/* ---- public ---- */

/* Unchecked, these and the slow halves: what they get is a pointer to anything, and the mutex is taken by whom they call. */
LOCKS_UNCHECKED static long lock_on_kstack(void *m, void *deadline)
{
	return mutex_lock_until(m, *(const uint64_t *)deadline);
}

LOCKS_UNCHECKED static long unlock_on_kstack(void *m, void *unused)
{
	(void)unused;
	mutex_unlock(m);
	return 0;
}

LOCKS_UNCHECKED static long trylock_on_kstack(void *mutex, void *unused)
{
	struct uk_mutex *m = mutex;
	bool again = take_again(m);

	(void)unused;
	if (again || take(m)) {
		lock_hook_acquired(&m->map, m, LOCK_SLEEPING | LOCK_TRY | (again ? LOCK_RECURSIVE : 0));
		return 1;
	}
	return 0;
}

void uk_mutex_init_config(struct uk_mutex *m, unsigned int flags)
{
	__atomic_store_n(&m->word, flags & UK_MUTEX_CONFIG_RECURSE ? MUTEX_RECURSIVE : 0, __ATOMIC_RELAXED);
	spin_init_class(&m->lock, &tutti_mutex_queue_class);
	m->depth = 0;
	list_init(&m->waiters);
	lock_hook_init(&m->map, m, CALLER_PC());
	count(active_unlocked, 1);
}

void tutti_mutex_assert_held(const struct uk_mutex *m)
{
	UK_ASSERT(tutti_mutex_is_held(m));
	(void)m;
}

static void count_taken(struct uk_mutex *m)
{
	if (m->depth)
		return;
	count(active_locked, 1);
	count(active_unlocked, (size_t)-1);
}

LOCKS_UNCHECKED void tutti_mutex_lock_slow_(struct uk_mutex *m)
{
	uint64_t deadline = UINT64_MAX;

	lock_hook_first_use(&m->map, m, CALLER_PC());
	sched_on_kstack(lock_on_kstack, m, &deadline);
	count(total_locks, 1);
	count_taken(m);
}

LOCKS_UNCHECKED int tutti_mutex_trylock_slow_(struct uk_mutex *m)
{
	int r;

	lock_hook_first_use(&m->map, m, CALLER_PC());
	r = (int)sched_on_kstack(trylock_on_kstack, m, NULL);
	if (r) {
		count(total_ok_trylocks, 1);
		count_taken(m);
	} else {
		count(total_failed_trylocks, 1);
	}
	return r;
}

LOCKS_UNCHECKED int tutti_mutex_lock_until(struct uk_mutex *m, __nsec deadline)
{
	uint64_t at = deadline < 0 ? 0 : (uint64_t)deadline;
	int r;

	lock_hook_first_use(&m->map, m, CALLER_PC());
	r = (int)sched_on_kstack(lock_on_kstack, m, &at);
	if (!r) {
		count(total_locks, 1);
		count_taken(m);
	}
	return r;
}

LOCKS_UNCHECKED void tutti_mutex_unlock_slow_(struct uk_mutex *m)
{
	if (!m->depth) {
		count(active_locked, (size_t)-1);
		count(active_unlocked, 1);
	}
	count(total_unlocks, 1);
	sched_on_kstack(unlock_on_kstack, m, NULL);
}

void uk_mutex_get_metrics(struct uk_mutex_metrics *dst)
{
	dst->active_locked = __atomic_load_n(&metrics.active_locked, __ATOMIC_RELAXED);
	dst->active_unlocked = __atomic_load_n(&metrics.active_unlocked, __ATOMIC_RELAXED);
	dst->total_locks = __atomic_load_n(&metrics.total_locks, __ATOMIC_RELAXED);
	dst->total_ok_trylocks = __atomic_load_n(&metrics.total_ok_trylocks, __ATOMIC_RELAXED);
	dst->total_failed_trylocks = __atomic_load_n(&metrics.total_failed_trylocks, __ATOMIC_RELAXED);
	dst->total_unlocks = __atomic_load_n(&metrics.total_unlocks, __ATOMIC_RELAXED);
}
