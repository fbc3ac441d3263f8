// SPDX-License-Identifier: BSD-3-Clause
/*
 * The readers-writer lock that sleeps: what uk/rwlock.h does not do inline.
 *
 * `word` counts the readers inside and has two bits: a writer is inside, and somebody waits. `lock` guards the queue; RWLOCK_WAITERS is
 * set exactly while somebody is in it (outside sections of `lock`). Invariants: readers and a writer are never inside together. While
 * RWLOCK_WAITERS is set nobody enters by the inline path or a trylock; who waits is let in by somebody else, in a section of `lock`, in
 * which the word changes on his behalf (waiter_grant_locked()). So under `lock` with the bit set the word can change under one's hands
 * in one way only: readers leave.
 *
 * Order, decided in admit_locked(): when a writer leaves, all readers that wait by then go in together; when the last reader leaves, the
 * first writer. Readers that come while a writer waits queue behind it. So a reader waits for one writer at most once it is queued and no reader
 * is inside, and a writer for the writers before it and one phase of readers before each (phase-fair: Brandenburg and Anderson, 2009).
 *
 * No lost wake-up. A waiter links itself, sets RWLOCK_WAITERS and then calls admit_locked(), all in one section: if the lock has become
 * free, or fit for it, since it looked, it lets itself in. Whoever leaves later sees the bit, in the value of the atomic operation
 * by which it leaves, takes `lock` and calls admit_locked(). A waiter that leaves by a time-out calls it too: the readers behind a writer that
 * has gone may be fit to enter now. Sleeping and granting: sched/waiter.h.
 *
 * Contexts: thread context, preemption on; unlock and trylock do not sleep. `lock` is never taken in interrupts; run
 * queues' locks are taken inside it. No memory is needed. Limits: 2^62 readers; readers are not known by name.
 */
#include "uk/rwlock.h"

#include <arch/stack.h>

#include "lib/errno.h"
#include "plat/plat.h"
#include "sched/sched.h"
#include "sched/waiter.h"

LOCK_CLASS(tutti_rwlock_queue_class, "rwlock queue", 62, 0, "the waiters of one rwlock");

enum who { READER, WRITER };

/* Let in whom the order says, if anybody. `left`: a writer has just left, or become a reader. */
static void admit_locked(struct uk_rwlock *l, bool left) REQUIRES(l->lock);
static void admit_locked(struct uk_rwlock *l, bool left)
{
	/* acquire: pairs with the releases of those who left; handed on to those who are let in */
	uintptr_t w = __atomic_load_n(&l->word, __ATOMIC_ACQUIRE);
	struct waiter *writer = NULL;
	bool readers = false;

	uk_spin_assert_held(&l->lock);
	if (w & RWLOCK_WRITER)
		return;
	list_foreach(n, &l->waiters) {
		struct waiter *e = list_entry(n, struct waiter, node);

		if (!e->exclusive)
			readers = true;
		else if (!writer)
			writer = e;
	}
	if (readers && (left || !writer)) {
		list_foreach_safe(n, tmp, &l->waiters) {
			struct waiter *e = list_entry(n, struct waiter, node);

			if (e->exclusive)
				continue;
			__atomic_fetch_add(&l->word, RWLOCK_READER, __ATOMIC_RELAXED);
			waiter_grant_locked(e, &l->lock);
		}
	} else if (writer && w / RWLOCK_READER == 0) {
		__atomic_fetch_or(&l->word, RWLOCK_WRITER, __ATOMIC_RELAXED);
		waiter_grant_locked(writer, &l->lock);
	}
	if (list_empty(&l->waiters))
		__atomic_fetch_and(&l->word, ~RWLOCK_WAITERS, __ATOMIC_RELAXED);
}

static bool write_enter(struct uk_rwlock *l)
{
	uintptr_t free = 0;

	/* acquire: pairs with the releases of those who were inside before */
	return __atomic_compare_exchange_n(&l->word, &free, RWLOCK_WRITER, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool enter(struct uk_rwlock *l, enum who who)
{
	return who == READER ? rwlock_read_enter(l) : write_enter(l);
}

static int wait_for(struct uk_rwlock *l, enum who who, uint64_t deadline)
{
	struct waiter e;
	bool got;

	waiter_init(&e, who == WRITER);
	uk_spin_lock(&l->lock);
	list_add_tail(&l->waiters, &e.node);
	__atomic_fetch_or(&l->word, RWLOCK_WAITERS, __ATOMIC_RELAXED);
	admit_locked(l, false);
	uk_spin_unlock(&l->lock);

	waiter_wait(&e, deadline);

	uk_spin_lock(&l->lock);
	got = e.granted;
	if (!got) {
		list_del(&e.node);
		admit_locked(l, false);
		if (list_empty(&l->waiters))
			__atomic_fetch_and(&l->word, ~RWLOCK_WAITERS, __ATOMIC_RELAXED);
	}
	uk_spin_unlock(&l->lock);
	return got ? 0 : -ETIMEDOUT;
}

static bool write_again(struct uk_rwlock *l)
{
	if (!tutti_rwlock_is_wheld(l) || !uk_rwlock_is_write_recursive(l))
		return false;
	l->depth++;
	return true;
}

static inline unsigned mode_of(enum who who)
{
	return LOCK_SLEEPING | (who == READER ? LOCK_SHARED : 0);
}

static int lock_until(struct uk_rwlock *l, enum who who, uint64_t deadline)
{
	int r;

	lock_hook_may_sleep();
	UK_ASSERT(context_may_sleep());
	if (who == WRITER && write_again(l)) {
		lock_hook_acquired(&l->map, l, LOCK_SLEEPING | LOCK_RECURSIVE);
		return 0;
	}
	lock_hook_acquire(&l->map, l, mode_of(who));
	UK_CHECK(!tutti_rwlock_is_wheld(l));
	if (!enter(l, who)) {
		lock_hook_contended(&l->map, l);
		r = wait_for(l, who, deadline);
		if (r) {
			lock_hook_gave_up(&l->map, l);
			return r;
		}
	}
	if (who == WRITER)
		__atomic_store_n(&l->owner, current_thread(), __ATOMIC_RELAXED);
	lock_hook_acquired(&l->map, l, mode_of(who));
	return 0;
}

/* The writer becomes `stay`: nothing, or a reader. One section with who comes next, so that nobody decides in between. */
static void write_leave(struct uk_rwlock *l, uintptr_t stay)
{
	uintptr_t alone = RWLOCK_WRITER;

	__atomic_store_n(&l->owner, NULL, __ATOMIC_RELAXED);
	/* release: pairs with the acquires of all that enter */
	if (__atomic_compare_exchange_n(&l->word, &alone, stay, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	uk_spin_lock(&l->lock);
	/* release: likewise */
	__atomic_fetch_add(&l->word, stay - RWLOCK_WRITER, __ATOMIC_RELEASE);
	admit_locked(l, true);
	uk_spin_unlock(&l->lock);
}

/* ---- on the kernel stack ---- */

static long rlock_on_kstack(void *l, void *deadline)
{
	return lock_until(l, READER, *(const uint64_t *)deadline);
}

static long wlock_on_kstack(void *l, void *deadline)
{
	return lock_until(l, WRITER, *(const uint64_t *)deadline);
}

static long try_rlock_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	if (!rwlock_read_enter(l))
		return 0;
	lock_hook_acquired(&l->map, l, LOCK_SLEEPING | LOCK_SHARED | LOCK_TRY);
	return 1;
}

static long try_wlock_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	if (write_again(l)) {
		lock_hook_acquired(&l->map, l, LOCK_SLEEPING | LOCK_TRY | LOCK_RECURSIVE);
		return 1;
	}
	if (!write_enter(l))
		return 0;
	__atomic_store_n(&l->owner, current_thread(), __ATOMIC_RELAXED);
	lock_hook_acquired(&l->map, l, LOCK_SLEEPING | LOCK_TRY);
	return 1;
}

static long last_reader_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	uk_spin_lock(&l->lock);
	admit_locked(l, false);
	uk_spin_unlock(&l->lock);
	return 0;
}

static long runlock_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	lock_hook_release(&l->map, l);
	UK_CHECK(__atomic_load_n(&l->word, __ATOMIC_RELAXED) >= RWLOCK_READER);
	/* release: pairs with the acquire of the next writer */
	if (__atomic_sub_fetch(&l->word, RWLOCK_READER, __ATOMIC_RELEASE) == RWLOCK_WAITERS)
		last_reader_on_kstack(l, NULL);
	return 0;
}

static long wunlock_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	lock_hook_release(&l->map, l);
	UK_CHECK(tutti_rwlock_is_wheld(l));
	if (l->depth) {
		l->depth--;
		return 0;
	}
	write_leave(l, 0);
	return 0;
}

static long downgrade_on_kstack(void *rwl, void *unused)
{
	struct uk_rwlock *l = rwl;

	(void)unused;
	UK_CHECK(tutti_rwlock_is_wheld(l) && !l->depth);
	lock_hook_release(&l->map, l);
	write_leave(l, RWLOCK_READER);
	lock_hook_acquired(&l->map, l, LOCK_SLEEPING | LOCK_SHARED | LOCK_TRY);
	return 0;
}

/* ---- public ---- */

void uk_rwlock_init_config(struct uk_rwlock *rwl, unsigned int config_flags)
{
	__atomic_store_n(&rwl->word, 0, __ATOMIC_RELAXED);
	spin_init_class(&rwl->lock, &tutti_rwlock_queue_class);
	rwl->config_flags = config_flags;
	list_init(&rwl->waiters);
	rwl->owner = NULL;
	rwl->depth = 0;
	lock_hook_init(&rwl->map, rwl, CALLER_PC());
}

void tutti_rwlock_assert_wheld(const struct uk_rwlock *rwl)
{
	UK_ASSERT(tutti_rwlock_is_wheld(rwl));
	(void)rwl;
}

void tutti_rwlock_assert_rheld(const struct uk_rwlock *rwl)
{
	UK_ASSERT(__atomic_load_n(&rwl->word, __ATOMIC_RELAXED) >= RWLOCK_READER);
	(void)rwl;
}

static uint64_t at(__nsec deadline)
{
	return deadline < 0 ? 0 : (uint64_t)deadline;
}

/* Unchecked, these: what they call has the lock as a pointer to anything. */
LOCKS_UNCHECKED void tutti_rwlock_rlock_slow_(struct uk_rwlock *rwl)
{
	uint64_t deadline = UINT64_MAX;

	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	sched_on_kstack(rlock_on_kstack, rwl, &deadline);
}

LOCKS_UNCHECKED int tutti_rwlock_try_rlock_slow_(struct uk_rwlock *rwl)
{
	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	return (int)sched_on_kstack(try_rlock_on_kstack, rwl, NULL);
}

LOCKS_UNCHECKED int tutti_rwlock_rlock_until(struct uk_rwlock *rwl, __nsec deadline)
{
	uint64_t ns = at(deadline);

	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	return (int)sched_on_kstack(rlock_on_kstack, rwl, &ns);
}

LOCKS_UNCHECKED void tutti_rwlock_runlock_slow_(struct uk_rwlock *rwl)
{
	sched_on_kstack(runlock_on_kstack, rwl, NULL);
}

void tutti_rwlock_runlock_last_(struct uk_rwlock *rwl)
{
	sched_on_kstack(last_reader_on_kstack, rwl, NULL);
}

LOCKS_UNCHECKED void uk_rwlock_wlock(struct uk_rwlock *rwl)
{
	uint64_t deadline = UINT64_MAX;

	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	if (RWLOCK_INLINE && likely(write_enter(rwl)))
		__atomic_store_n(&rwl->owner, current_thread(), __ATOMIC_RELAXED);
	else
		sched_on_kstack(wlock_on_kstack, rwl, &deadline);
}

LOCKS_UNCHECKED int tutti_rwlock_try_wlock(struct uk_rwlock *rwl)
{
	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	return (int)sched_on_kstack(try_wlock_on_kstack, rwl, NULL);
}

LOCKS_UNCHECKED int tutti_rwlock_wlock_until(struct uk_rwlock *rwl, __nsec deadline)
{
	uint64_t ns = at(deadline);

	lock_hook_first_use(&rwl->map, rwl, CALLER_PC());
	return (int)sched_on_kstack(wlock_on_kstack, rwl, &ns);
}

LOCKS_UNCHECKED void uk_rwlock_wunlock(struct uk_rwlock *rwl)
{
	sched_on_kstack(wunlock_on_kstack, rwl, NULL);
}

LOCKS_UNCHECKED void tutti_rwlock_downgrade(struct uk_rwlock *rwl)
{
	sched_on_kstack(downgrade_on_kstack, rwl, NULL);
}
