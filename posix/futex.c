// SPDX-License-Identifier: BSD-3-Clause
/*
 * Futexes: WAIT, WAKE, WAIT_BITSET, WAKE_BITSET, REQUEUE, CMP_REQUEUE (futex(2)). There is one address space, so private
 * and shared ones are the same and the key is the virtual address.
 *
 * Objects. A bucket: a spin lock and a list of waiters whose address hashes to it. A waiter: on the kernel stack of the
 * thread that waits, in one bucket's list until it is woken or takes itself out.
 *
 * No wake-up is lost. A waiter reads the word and links itself in one section of the bucket's lock. A waker changes the
 * word first and takes the lock after that. If the waker's section comes first, the lock orders its change before the
 * waiter's read, which then sees the new value and does not sleep; if the waiter's comes first, the waker finds it.
 *
 * Nothing dangles. `woken` is written, and a waiter unlinked, under the lock of the bucket that `bucket` names; REQUEUE
 * changes `bucket` holding both locks. A waiter that leaves by itself (time-out, signal) reads `bucket`, takes that lock
 * and looks whether it is still the one; if so nobody can move or wake it while it unlinks itself. If it finds `woken`
 * instead, the wake-up was its, and the call succeeds whatever the clock says, so a wake-up is never swallowed by a
 * time-out. A woken waiter may leave the moment `woken` is stored: the waker takes a reference to the thread before
 * that, stores `woken` as its last access to the waiter, and wakes after the lock is dropped. A wake-up that reaches the
 * thread late, in another sleep, is spurious there, which every sleeper allows for.
 *
 * Locks: the bucket's spin lock; two of them in the order of their addresses. Interrupts stay on: no interrupt handler comes
 * here. The word is touched before the lock is taken, so the read under it normally does not fault; if the page was dropped
 * in between it faults there, which mm/ resolves without sleeping and without a futex. Thread context; no allocation.
 */
#include <arch/uaccess.h>

#include "lib/list.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define BUCKETS	   256
#define WAKE_BATCH 16

struct bucket {
	struct uk_spinlock lock;
	struct list waiters; /* [lock] oldest first; zeroed means empty and never used */
} __cacheline;

struct waiter {
	struct list node;	  /* [bucket->lock] */
	uintptr_t addr;		  /* [bucket->lock] */
	struct bucket *bucket;	  /* [a] see above */
	struct uk_thread *thread; /* [I] */
	uint32_t bitset;	  /* [I] */
	bool woken;		  /* [a] */
};

static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(uintptr_t addr)
{
	return &buckets[((addr >> 2) * 0x9e3779b97f4a7c15ull) >> 56];
}
_Static_assert(BUCKETS == 256, "the hash gives 8 bits");

static void bucket_lock(struct bucket *b)
{
	uk_spin_lock(&b->lock);
	if (unlikely(!b->waiters.next))
		list_init(&b->waiters);
}

static void bucket_lock_two(struct bucket *a, struct bucket *b)
{
	if (a == b) {
		bucket_lock(a);
	} else {
		bucket_lock(a < b ? a : b);
		bucket_lock(a < b ? b : a);
	}
}

static void bucket_unlock_two(struct bucket *a, struct bucket *b)
{
	uk_spin_unlock(&a->lock);
	if (a != b)
		uk_spin_unlock(&b->lock);
}

/* Threads to be woken once the lock is dropped. */
struct batch {
	struct uk_thread *threads[WAKE_BATCH];
	unsigned n;
};

/* The bucket's lock is held and the batch is not full. */
static void wake_locked(struct waiter *w, struct batch *batch)
{
	batch->threads[batch->n++] = thread_get(w->thread);
	list_del(&w->node);
	/* Last access: pairs with the acquire in futex_wait(). */
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
}

static void batch_wake(struct batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++) {
		thread_wake(batch->threads[i]);
		thread_put(batch->threads[i]);
	}
	batch->n = 0;
}

int posix_futex_wake(uintptr_t addr, int n, uint32_t bitset)
{
	struct bucket *b = bucket_of(addr);
	struct batch batch = { .n = 0 };
	int woken = 0;
	bool full;

	do {
		full = false;
		bucket_lock(b);
		list_foreach_safe(it, tmp, &b->waiters) {
			struct waiter *w = list_entry(it, struct waiter, node);

			if (woken >= n)
				break;
			if (w->addr != addr || !(w->bitset & bitset))
				continue;
			if (batch.n == WAKE_BATCH) {
				full = true;
				break;
			}
			wake_locked(w, &batch);
			woken++;
		}
		uk_spin_unlock(&b->lock);
		batch_wake(&batch);
	} while (full);
	return woken;
}

/* Take oneself out after a time-out or a signal; false: too late, one was woken. */
static bool leave(struct waiter *w)
{
	for (;;) {
		struct bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_RELAXED);
		bool mine, woken;

		uk_spin_lock(&b->lock);
		mine = __atomic_load_n(&w->bucket, __ATOMIC_RELAXED) == b;
		woken = __atomic_load_n(&w->woken, __ATOMIC_RELAXED);
		if (mine && !woken)
			list_del(&w->node);
		uk_spin_unlock(&b->lock);
		if (mine)
			return !woken;
	}
}

static long futex_wait(uintptr_t addr, uint32_t val, uint32_t bitset, uint64_t deadline)
{
	struct waiter w = { .addr = addr, .bucket = bucket_of(addr), .thread = current_thread(), .bitset = bitset };
	struct bucket *b = w.bucket;
	uint32_t now;
	long r;

	if (arch_user_load32((uint32_t *)addr, &now))
		return -EFAULT;
	if (now != val)
		return -EAGAIN;
	bucket_lock(b);
	if (arch_user_load32((uint32_t *)addr, &now)) {
		uk_spin_unlock(&b->lock);
		return -EFAULT;
	}
	if (now != val) {
		uk_spin_unlock(&b->lock);
		return -EAGAIN;
	}
	list_add_tail(&b->waiters, &w.node);
	uk_spin_unlock(&b->lock);

	for (;;) {
		thread_prepare_block();
		r = 0;
		if (__atomic_load_n(&w.woken, __ATOMIC_ACQUIRE)) /* pairs with the release in wake_locked() */
			break;
		r = deadline == UINT64_MAX ? -ERESTART : -ERESTART_NOHAND;
		if (posix_signal_pending())
			break;
		r = -ETIMEDOUT;
		if (deadline != UINT64_MAX && plat_monotonic_ns() >= deadline)
			break;
		thread_block_until(deadline);
	}
	thread_cancel_block();
	return r && leave(&w) ? r : 0;
}

static long futex_requeue(uintptr_t from, uintptr_t to, int wake, int move, bool compare, uint32_t val)
{
	struct bucket *src = bucket_of(from), *dst = bucket_of(to);
	struct batch batch = { .n = 0 };
	int woken = 0, moved = 0;
	uint32_t now;
	bool full;

	if (wake < 0 || move < 0)
		return -EINVAL;
	if (compare && arch_user_load32((uint32_t *)from, &now))
		return -EFAULT;
	do {
		full = false;
		bucket_lock_two(src, dst);
		if (compare) {
			if (arch_user_load32((uint32_t *)from, &now)) {
				bucket_unlock_two(src, dst);
				return -EFAULT;
			}
			/* Once waiters were woken because it was equal, the rest follows. */
			if (now != val && !woken) {
				bucket_unlock_two(src, dst);
				return -EAGAIN;
			}
		}
		list_foreach_safe(it, tmp, &src->waiters) {
			struct waiter *w = list_entry(it, struct waiter, node);

			if (w->addr != from)
				continue;
			if (woken < wake) {
				if (batch.n == WAKE_BATCH) {
					full = true;
					break;
				}
				wake_locked(w, &batch);
				woken++;
				continue;
			}
			if (moved == move)
				break;
			moved++;
			if (from == to)
				continue;
			list_del(&w->node);
			w->addr = to;
			/* Under both locks; leave() verifies it under one. */
			__atomic_store_n(&w->bucket, dst, __ATOMIC_RELAXED);
			list_add_tail(&dst->waiters, &w->node);
		}
		bucket_unlock_two(src, dst);
		batch_wake(&batch);
	} while (full);
	return compare ? woken + moved : woken;
}

long sys_futex(const long *a)
{
	uintptr_t addr = (uintptr_t)a[0];
	int op = ARG_INT(a, 1), cmd = op & FUTEX_CMD_MASK;
	uint32_t val = (uint32_t)a[2], bitset = FUTEX_BITSET_ANY;
	uint64_t ns, deadline = UINT64_MAX;
	int err;

	if (op & ~(FUTEX_CMD_MASK | FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME))
		return -ENOSYS;
	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	if (addr % 4)
		return -EINVAL;
	switch (cmd) {
	case FUTEX_WAIT_BITSET:
		bitset = (uint32_t)a[5];
		if (!bitset)
			return -EINVAL;
		__attribute__((fallthrough));
	case FUTEX_WAIT:
		if (a[3]) {
			err = posix_timespec_in(ARG_PTR(a, 3), &ns);
			if (err)
				return err;
			/* WAIT takes a span, WAIT_BITSET a moment. */
			deadline = cmd == FUTEX_WAIT
					   ? posix_deadline_in(ns)
					   : posix_deadline_at(
						     op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns);
		}
		return futex_wait(addr, val, bitset, deadline);
	case FUTEX_WAKE_BITSET:
		bitset = (uint32_t)a[5];
		if (!bitset)
			return -EINVAL;
		__attribute__((fallthrough));
	case FUTEX_WAKE:
		return posix_futex_wake(addr, (int)val, bitset);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if (a[4] % 4)
			return -EINVAL;
		return futex_requeue(addr, (uintptr_t)a[4], (int)val, ARG_INT(a, 3), cmd == FUTEX_CMP_REQUEUE,
				     (uint32_t)a[5]);
	}
	return -ENOSYS;
}
