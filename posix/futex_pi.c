// SPDX-License-Identifier: BSD-3-Clause
/*
 * FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI and FUTEX_UNLOCK_PI: locks whose owner runs with the priority of the
 * most urgent thread that waits for it (Sha, Rajkumar, Lehoczky, 1990; futex(2)). Without contention a program never
 * comes here: the word in its memory is 0 or the owner's thread id.
 *
 * Objects. A state for each word that has waiters: the owner, and the waiters by effective priority, then age; it is in a
 * hash chain by address and in its owner's list. A waiter, on the kernel stack of its thread, is in one state until `result`
 * is set. A thread waits in one state at most (posix_thread.pi_waits) and owns any number (pi_held).
 *
 * Invariants, under the lock. A state has a waiter and a reference to its owner, who is not ended and is the thread the word names;
 * where a program (libc, for robust locks) wrote another one meanwhile, the next call follows the word. A thread's boost is the smallest
 * number among the first waiters of the states it owns, THREAD_PRIO_NONE if there are none; a waiter stands by its thread's
 * effective priority. The lock is handed over: unlocking writes the next owner's id, so nobody overtakes the one who was chosen.
 *
 * Concurrency. One spin lock, rank 25, for all states, waiters and lists: a chain of owners that wait for locks of others is
 * walked and changed under it alone, so there is no order among locks of a chain to get wrong, no state vanishes under the
 * walk, and a walk sees one moment. It is taken only where threads contend or end. Under it a bucket (to refuse a word that
 * FUTEX_WAIT sleeps on), thread list, slab and run queue are taken, and the word is read and changed by compare-and-exchange,
 * always against the value the decision was made from; another value means: look again. A waiter sets FUTEX_WAITERS under the
 * lock before it queues itself, and after that the owner's own compare-and-exchange in user space fails, so it comes here and
 * finds the waiter: no hand-over is lost.
 *
 * Chains. The walk from a thread sets its boost; if that changed the priority of a waiting thread, it takes its new place
 * and the walk goes on with the owner it waits for. It ends where nothing changes. A lock call that would close a cycle
 * gets -EDEADLK before it queues itself, so there are none, but for those a program writes into words; CHAIN_MAX bounds these.
 *
 * Nothing dangles. `result` is the last access to a waiter, by whoever unlinked it under the lock; a waiter that leaves by
 * itself (time-out, signal) takes the lock and looks at `result` first: if it became owner meanwhile, it is. A signal never ends the
 * call: it is made again after the handler (-ERESTART_NOINTR). An owner that ends hands over in posix_futex_pi_thread_ends(); pi_gone is
 * set before it looks whether the file is in use at all, and whoever makes a state sets `used` before it looks at pi_gone
 * (store buffering, both sequentially consistent): one of the two sees the other.
 *
 * Thread context, interrupts on. A state comes from a slab, -ENOMEM without memory. FUTEX_WAIT_REQUEUE_PI and CMP_REQUEUE_PI are
 * not there (-ENOSYS, in futex.c). Lists are searched from the end: many waiters of many priorities cost their number.
 */
#include <arch/uaccess.h>

#include "lib/list.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "posix/futex.h"
#include "posix/posix.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define CHAINS	  64
#define CHAIN_MAX 1024

/* Results inside of this file, besides 0 and -Exxx. */
#define PENDING	 1 /* queued */
#define CHANGED	 2 /* the word is not what it was: look again */
#define NO_STATE 3 /* wants memory for a state */

struct pi_state {
	struct list chain;	 /* [pi] */
	struct list held;	 /* [pi] in the owner's pi_held */
	uintptr_t addr;		 /* [I] */
	struct uk_thread *owner; /* [pi] a reference */
	struct list waiters;	 /* [pi] most urgent first, then oldest; not empty */
};

struct pi_waiter {
	struct list node;	  /* [pi] */
	struct pi_state *state;	  /* [pi] */
	struct uk_thread *thread; /* [I] */
	int prio;		  /* [pi] by which it stands in the list */
	int result;		  /* [a] PENDING; written under the lock */
};

static struct slab_cache state_cache = SLAB_CACHE("futex_pi", struct pi_state);

LOCK_CLASS(futex_pi, "futex PI", 25, 0, "owners and waiters of PI futexes, their chains");

static struct {
	struct uk_spinlock lock;
	struct list chains[CHAINS]; /* [lock] zeroed means empty and never used */
	int states;		    /* [lock to write, a to read] */
	int used;		    /* [a] a state was wanted, ever */
} pi = { .lock = SPINLOCK_INIT(&futex_pi) };

static inline struct posix_thread *posix_of(const struct uk_thread *t)
{
	return t->posix;
}

static inline uint32_t *word_of(uintptr_t addr)
{
	return (uint32_t *)addr;
}

static struct list *chain_locked(uintptr_t addr) REQUIRES(pi.lock);
static struct pi_state *find_locked(uintptr_t addr) REQUIRES(pi.lock);
static void insert_locked(struct pi_state *s, struct pi_waiter *w) REQUIRES(pi.lock);
static void adjust_locked(struct uk_thread *t) REQUIRES(pi.lock);
static bool deadlock_locked(const struct uk_thread *owner) REQUIRES(pi.lock);
static void state_begin_locked(struct pi_state *s, uintptr_t addr, struct uk_thread *owner) REQUIRES(pi.lock);
static void state_end_locked(struct pi_state *s) REQUIRES(pi.lock);
static void set_owner_locked(struct pi_state *s, struct uk_thread *owner) REQUIRES(pi.lock);
static struct uk_thread *release_waiter_locked(struct pi_waiter *w, int result) REQUIRES(pi.lock);
static int lock_locked(uintptr_t addr, struct pi_waiter *w, struct pi_state **spare, bool try, struct uk_thread **wake)
	REQUIRES(pi.lock);
static int unlock_locked(uintptr_t addr, struct uk_thread **wake) REQUIRES(pi.lock);
static int hand_over_locked(struct pi_state *s, uint32_t now, uint32_t died, struct uk_thread **wake) REQUIRES(pi.lock);
static void follow_word_locked(struct pi_state *s, struct uk_thread **wake) REQUIRES(pi.lock);

static struct list *chain_locked(uintptr_t addr)
{
	struct list *c = &pi.chains[((addr >> 2) * 0x9e3779b97f4a7c15ull) >> 58];

	uk_spin_assert_held(&pi.lock);
	if (unlikely(!c->next))
		list_init(c);
	return c;
}
_Static_assert(CHAINS == 64, "the hash gives 6 bits");

static struct pi_state *find_locked(uintptr_t addr)
{
	struct list *c = chain_locked(addr);

	uk_spin_assert_held(&pi.lock);
	list_foreach(n, c) {
		struct pi_state *s = list_entry(n, struct pi_state, chain);

		if (s->addr == addr)
			return s;
	}
	return NULL;
}

bool posix_futex_pi_waits(uintptr_t addr)
{
	bool found;

	/* Relaxed: a call that comes at the same time comes before. */
	if (likely(!__atomic_load_n(&pi.states, __ATOMIC_RELAXED)))
		return false;
	uk_spin_lock(&pi.lock);
	found = find_locked(addr) != NULL;
	uk_spin_unlock(&pi.lock);
	return found;
}

/* ---- priorities ---- */

static void insert_locked(struct pi_state *s, struct pi_waiter *w)
{
	struct list *at = s->waiters.prev;

	uk_spin_assert_held(&pi.lock);
	while (at != &s->waiters && list_entry(at, struct pi_waiter, node)->prio > w->prio)
		at = at->prev;
	list_insert_(&w->node, at, at->next);
}

/* What the thread owns, or the priority of a waiter for it, has changed: its boost, and on along the chain. */
static void adjust_locked(struct uk_thread *t)
{
	uk_spin_assert_held(&pi.lock);
	for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
		struct posix_thread *pt = posix_of(t);
		struct pi_waiter *w = pt->pi_waits;
		int boost = THREAD_PRIO_NONE;

		list_foreach(n, &pt->pi_held) {
			struct pi_state *s = list_entry(n, struct pi_state, held);

			boost = MIN(boost, list_first(&s->waiters, struct pi_waiter, node)->prio);
		}
		if (boost != pt->pi_boost) {
			pt->pi_boost = boost;
			thread_set_boost(t, boost);
		}
		if (!w || w->prio == thread_prio(t))
			return;
		w->prio = thread_prio(t);
		list_del(&w->node);
		insert_locked(w->state, w);
		t = w->state->owner;
	}
}

void posix_futex_pi_prio_changed(struct uk_thread *t)
{
	if (!posix_of(t) || !__atomic_load_n(&pi.used, __ATOMIC_SEQ_CST))
		return;
	uk_spin_lock(&pi.lock);
	adjust_locked(t);
	uk_spin_unlock(&pi.lock);
}

/* Does `owner` wait, through whatever chain, for the calling thread? */
static bool deadlock_locked(const struct uk_thread *owner)
{
	uk_spin_assert_held(&pi.lock);
	for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
		const struct pi_waiter *w;

		if (owner == current_thread())
			return true;
		w = posix_of(owner)->pi_waits;
		if (!w)
			return false;
		owner = w->state->owner;
	}
	return true;
}

/* ---- states ---- */

/* Takes the caller's reference to `owner`. A waiter follows at once. */
static void state_begin_locked(struct pi_state *s, uintptr_t addr, struct uk_thread *owner)
{
	uk_spin_assert_held(&pi.lock);
	s->addr = addr;
	s->owner = owner;
	list_init(&s->waiters);
	list_add(chain_locked(addr), &s->chain);
	list_add(&posix_of(owner)->pi_held, &s->held);
	__atomic_store_n(&pi.states, pi.states + 1, __ATOMIC_RELAXED);
}

/* The last waiter has left. */
static void state_end_locked(struct pi_state *s)
{
	struct uk_thread *owner = s->owner;

	uk_spin_assert_held(&pi.lock);
	UK_ASSERT(list_empty(&s->waiters));
	list_del(&s->chain);
	list_del(&s->held);
	__atomic_store_n(&pi.states, pi.states - 1, __ATOMIC_RELAXED);
	slab_free(&state_cache, s);
	adjust_locked(owner);
	thread_put(owner);
}

static void set_owner_locked(struct pi_state *s, struct uk_thread *owner)
{
	struct uk_thread *old = s->owner;

	uk_spin_assert_held(&pi.lock);
	list_del(&s->held);
	s->owner = thread_get(owner);
	list_add(&posix_of(owner)->pi_held, &s->held);
	adjust_locked(old);
	adjust_locked(owner);
	thread_put(old);
}

/* Its wait is over. The thread, with a reference, is to be woken when the lock is dropped. */
static struct uk_thread *release_waiter_locked(struct pi_waiter *w, int result)
{
	struct uk_thread *t = thread_get(w->thread);

	uk_spin_assert_held(&pi.lock);
	list_del(&w->node);
	posix_of(t)->pi_waits = NULL;
	/* Last access: pairs with the acquire in posix_futex_lock_pi(). */
	__atomic_store_n(&w->result, result, __ATOMIC_RELEASE);
	return t;
}

/*
 * Preemption stays off from the section that chose the thread until it is awake: giving the lock away may have taken the caller's
 * boost, and somebody less urgent than the new owner must not run in between.
 */
static void section_begin(void) ACQUIRES(pi.lock);
static void section_end(struct uk_thread *wake) RELEASES(pi.lock);

static void section_begin(void)
{
	preempt_disable();
	uk_spin_lock(&pi.lock);
}

static void section_end(struct uk_thread *wake)
{
	uk_spin_unlock(&pi.lock);
	if (wake) {
		thread_wake(wake);
		thread_put(wake);
	}
	preempt_enable();
}

/* ---- lock ---- */

/* 0: taken; PENDING: queued in a state; CHANGED, NO_STATE or -Exxx: nothing was done. */
static int lock_locked(uintptr_t addr, struct pi_waiter *w, struct pi_state **spare, bool try, struct uk_thread **wake)
{
	struct uk_thread *me = current_thread(), *owner;
	struct pi_state *s = find_locked(addr);
	uint32_t now, was, tid;
	int err;

	uk_spin_assert_held(&pi.lock);
	if (arch_user_load32(word_of(addr), &now))
		return -EFAULT;
	tid = now & FUTEX_TID_MASK;
	if (tid == (uint32_t)me->tid)
		return -EDEADLK;
	if (!s && posix_futex_waits(addr))
		return -EINVAL;
	if (!s && !tid) {
		if (arch_user_cmpxchg32(word_of(addr), now, (uint32_t)me->tid | (now & FUTEX_OWNER_DIED), &was))
			return -EFAULT;
		return was == now ? 0 : CHANGED;
	}
	if (s) {
		if (tid != (uint32_t)s->owner->tid) {
			follow_word_locked(s, wake);
			return CHANGED;
		}
		owner = thread_get(s->owner);
	} else {
		owner = thread_find((int)tid);
		if (!owner || (posix_of(owner) && __atomic_load_n(&posix_of(owner)->pi_gone, __ATOMIC_SEQ_CST))) {
			if (owner)
				thread_put(owner);
			/* Gone: the word may say by now that it let go before. */
			if (arch_user_load32(word_of(addr), &was))
				return -EFAULT;
			return was == now ? -ESRCH : CHANGED;
		}
		err = -EPERM;
		if (!posix_of(owner))
			goto put;
	}
	/* Who does not wait closes no circle. */
	err = -EAGAIN;
	if (try)
		goto put;
	err = -EDEADLK;
	if (deadlock_locked(owner))
		goto put;
	err = NO_STATE;
	if (!s && !*spare)
		goto put;
	if (!(now & FUTEX_WAITERS)) {
		err = -EFAULT;
		if (arch_user_cmpxchg32(word_of(addr), now, now | FUTEX_WAITERS, &was))
			goto put;
		err = CHANGED;
		if (was != now)
			goto put;
	}
	if (!s) {
		s = *spare;
		*spare = NULL;
		state_begin_locked(s, addr, thread_get(owner));
	}
	w->state = s;
	w->prio = thread_prio(me);
	posix_of(me)->pi_waits = w;
	insert_locked(s, w);
	adjust_locked(owner);
	err = PENDING;
put:
	thread_put(owner);
	return err;
}

/* After a time-out or a signal: 0 if the lock came all the same, else `r`. */
static int leave(struct pi_waiter *w, int r)
{
	int result;

	uk_spin_lock(&pi.lock);
	result = __atomic_load_n(&w->result, __ATOMIC_RELAXED);
	if (result != PENDING) {
		uk_spin_unlock(&pi.lock);
		return result;
	}
	list_del(&w->node);
	posix_of(w->thread)->pi_waits = NULL;
	/* FUTEX_WAITERS stays: the owner comes and finds nobody. */
	if (list_empty(&w->state->waiters))
		state_end_locked(w->state);
	else
		adjust_locked(w->state->owner);
	uk_spin_unlock(&pi.lock);
	return r;
}

long posix_futex_lock_pi(uintptr_t addr, uint64_t deadline, bool try)
{
	struct pi_waiter w = { .thread = current_thread(), .result = PENDING };
	struct pi_state *spare = NULL;
	struct uk_thread *wake;
	uint32_t was;
	int r;

	/* pairs with the load in posix_futex_pi_thread_ends(); acquire: or whoever stored it before us does */
	if (!__atomic_load_n(&pi.used, __ATOMIC_ACQUIRE))
		__atomic_store_n(&pi.used, 1, __ATOMIC_SEQ_CST);
	do {
		/* Present and writable, so that it normally does not fault under the lock. */
		r = -EFAULT;
		if (arch_user_cmpxchg32(word_of(addr), 0, 0, &was))
			break;
		wake = NULL;
		section_begin();
		r = lock_locked(addr, &w, &spare, try, &wake);
		section_end(wake);
		if (r == NO_STATE) {
			spare = slab_alloc(&state_cache);
			if (!spare)
				r = -ENOMEM;
		}
	} while (r == CHANGED || r == NO_STATE);
	if (spare)
		slab_free(&state_cache, spare);
	if (r != PENDING)
		return r;

	for (;;) {
		thread_prepare_block();
		r = __atomic_load_n(&w.result,
				    __ATOMIC_ACQUIRE); /* pairs with the release in release_waiter_locked() */
		if (r != PENDING)
			break;
		r = -ERESTART_NOINTR;
		if (posix_signal_pending())
			break;
		r = -ETIMEDOUT;
		if (deadline != UINT64_MAX && plat_monotonic_ns() >= deadline)
			break;
		thread_block_until(deadline);
	}
	thread_cancel_block();
	return r == -ERESTART_NOINTR || r == -ETIMEDOUT ? leave(&w, r) : r;
}

/* ---- unlock ---- */

/* The word, `now`, goes to the first waiter. 0, CHANGED or -EFAULT. */
static int hand_over_locked(struct pi_state *s, uint32_t now, uint32_t died, struct uk_thread **wake)
{
	struct pi_waiter *w = list_first(&s->waiters, struct pi_waiter, node);
	bool more = w->node.next != &s->waiters;
	uint32_t was;

	uk_spin_assert_held(&pi.lock);
	if (arch_user_cmpxchg32(word_of(s->addr), now, (uint32_t)w->thread->tid | (more ? FUTEX_WAITERS : 0) | died,
				&was))
		return -EFAULT;
	if (was != now)
		return CHANGED;
	/* `w` is not to be looked at after this; its thread may run before it is boosted, but not past our lock. */
	*wake = release_waiter_locked(w, 0);
	if (more)
		set_owner_locked(s, *wake);
	else
		state_end_locked(s);
	return 0;
}

/*
 * One step towards a state whose owner is whom the word names: a living thread gets the state; if there is none, the first waiter
 * gets the word, or an error if it cannot be written. Nothing, if the word changes meanwhile. The word is the truth: libc lets go
 * of robust locks in user space before the thread ends, with waiters in here, and somebody may have taken one since.
 */
static void follow_word_locked(struct pi_state *s, struct uk_thread **wake)
{
	struct uk_thread *t = NULL;
	uint32_t now, was, tid;
	int r = -EFAULT;

	uk_spin_assert_held(&pi.lock);
	if (!arch_user_load32(word_of(s->addr), &now)) {
		tid = now & FUTEX_TID_MASK;
		if (tid)
			t = thread_find((int)tid);
		if (t && posix_of(t) && !__atomic_load_n(&posix_of(t)->pi_gone, __ATOMIC_SEQ_CST)) {
			r = arch_user_cmpxchg32(word_of(s->addr), now, now | FUTEX_WAITERS, &was);
			if (!r && was == now && t != s->owner)
				set_owner_locked(s, t);
		} else {
			r = hand_over_locked(s, now, tid ? FUTEX_OWNER_DIED : now & FUTEX_OWNER_DIED, wake);
		}
		if (t)
			thread_put(t);
	}
	if (r == -EFAULT) {
		*wake = release_waiter_locked(list_first(&s->waiters, struct pi_waiter, node), -EFAULT);
		if (list_empty(&s->waiters))
			state_end_locked(s);
		else
			adjust_locked(s->owner);
	}
}

static int unlock_locked(uintptr_t addr, struct uk_thread **wake)
{
	struct uk_thread *me = current_thread();
	struct pi_state *s = find_locked(addr);
	uint32_t now, was;

	uk_spin_assert_held(&pi.lock);
	if (arch_user_load32(word_of(addr), &now))
		return -EFAULT;
	if ((now & FUTEX_TID_MASK) != (uint32_t)me->tid)
		return -EPERM;
	if (s && s->owner != me)
		set_owner_locked(s, me);
	if (s)
		return hand_over_locked(s, now, 0, wake);
	if (arch_user_cmpxchg32(word_of(addr), now, 0, &was))
		return -EFAULT;
	return was == now ? 0 : CHANGED;
}

long posix_futex_unlock_pi(uintptr_t addr)
{
	struct uk_thread *wake = NULL;
	uint32_t now;
	int r;

	do {
		if (arch_user_load32(word_of(addr), &now))
			return -EFAULT;
		section_begin();
		r = unlock_locked(addr, &wake);
		section_end(wake);
	} while (r == CHANGED);
	return r;
}

/* ---- the owner's end ---- */

void posix_futex_pi_thread_ends(void)
{
	struct posix_thread *pt = posix_of(current_thread());
	bool more;

	/* pairs with the store in posix_futex_lock_pi() */
	__atomic_store_n(&pt->pi_gone, true, __ATOMIC_SEQ_CST);
	if (likely(!__atomic_load_n(&pi.used, __ATOMIC_SEQ_CST)))
		return;
	do {
		struct uk_thread *wake = NULL;

		section_begin();
		more = !list_empty(&pt->pi_held);
		if (more)
			follow_word_locked(list_first(&pt->pi_held, struct pi_state, held), &wake);
		section_end(wake);
	} while (more);
}
