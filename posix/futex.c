// SPDX-License-Identifier: BSD-3-Clause
/*
 * Futexes: WAIT, WAKE, WAIT_BITSET, WAKE_BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP (futex(2)), and the call itself; the PI
 * operations are in futex_pi.c. There is one address space, so private and shared ones are the same and the key is the
 * virtual address.
 *
 * Objects. A bucket: a spin lock and a list of waiters whose address hashes to it. A waiter: on the kernel stack of the
 * thread that waits, in one bucket's list until it is woken or takes itself out. There are four buckets for each CPU there may be: if
 * all CPUs are in here at once, on different words, each meets another one at its bucket in one of four calls, for the
 * length of a list operation; the length of a list is the number of sleepers over the number of buckets.
 *
 * No wake-up is lost. A waiter reads the word and links itself in one section of the bucket's lock. A waker changes the
 * word first and takes the lock after that. If the waker's section comes first, the lock orders its change before the
 * waiter's read, which then sees the new value and does not sleep; if the waiter's comes first, the waker finds it. WAKE_OP
 * changes its second word holding both buckets' locks. (Model: tests/models/futex.pml.)
 *
 * Nothing dangles. `woken` is written, and a waiter unlinked, under the lock of the bucket that `bucket` names; REQUEUE
 * changes `bucket` holding both locks. A waiter that leaves by itself (time-out, signal) reads `bucket`, takes that lock
 * and looks whether it is still the one; if so nobody can move or wake it while it unlinks itself. If it finds `woken`
 * instead, the wake-up was its, and the call succeeds whatever the clock says, so a wake-up is never swallowed by a
 * time-out. A woken waiter may leave the moment `woken` is stored: the waker takes a reference to the thread before
 * that, stores `woken` as its last access to the waiter, and wakes after the lock is dropped. A wake-up that reaches the
 * thread late, in another sleep, is spurious there, which every sleeper allows for.
 *
 * Locks: the bucket's spin lock, rank 30; two of them in the order of their addresses; the PI lock (25) is asked before, if at
 * all. Interrupts stay on: no interrupt handler comes here. The word is touched before the lock is taken, so the access under it normally
 * does not fault; if the page was dropped in between it faults there, which mm/ resolves without sleeping and without a futex.
 * More than WAKE_BATCH threads are woken in several sections; who queues himself between two of them stands behind the others.
 * Thread context; no allocation. Not there (-ENOSYS): FUTEX_FD, WAIT_REQUEUE_PI and CMP_REQUEUE_PI, which musl does not use.
 */
#include <arch/uaccess.h>

#include "lib/list.h"
#include "plat/plat.h"
#include "posix/futex.h"
#include "posix/posix.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

/* Four for each CPU, as a power of two; at least 64. */
#define BUCKET_BITS                     \
	(CONFIG_MAX_CPUS <= 16	   ? 6  \
	 : CONFIG_MAX_CPUS <= 64   ? 8  \
	 : CONFIG_MAX_CPUS <= 256  ? 10 \
	 : CONFIG_MAX_CPUS <= 1024 ? 12 \
				   : 14)
#define BUCKETS	   (1u << BUCKET_BITS)
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

LOCK_CLASS(futex_bucket, "futex bucket", 30, LOCK_BY_ADDRESS, "waiters of the keys that hash there");

static struct bucket buckets[BUCKETS] = {
	[0 ... BUCKETS - 1] = { .lock = SPINLOCK_INIT(&futex_bucket) },
};

/* Threads to be woken once the lock is dropped. */
struct batch {
	struct uk_thread *threads[WAKE_BATCH];
	unsigned n;
};

static void bucket_lock(struct bucket *b) ACQUIRES(b->lock);
static void bucket_lock_two(struct bucket *a, struct bucket *b) ACQUIRES(a->lock, b->lock);
static void bucket_unlock_two(struct bucket *a, struct bucket *b) RELEASES(a->lock, b->lock);
static void wake_locked(struct bucket *b, struct waiter *w, struct batch *batch) REQUIRES(b->lock);
static bool wake_some_locked(struct bucket *b, uintptr_t addr, int n, uint32_t bitset, struct batch *batch, int *woken)
	REQUIRES(b->lock);
static int queue_if_equal(struct bucket *b, struct waiter *w, uint32_t val) EXCLUDES(b->lock);

static struct bucket *bucket_of(uintptr_t addr)
{
	return &buckets[((addr >> 2) * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS)];
}

static void bucket_lock(struct bucket *b)
{
	uk_spin_lock(&b->lock);
	if (unlikely(!b->waiters.next))
		list_init(&b->waiters);
}

/* Unchecked: one lock or two. */
LOCKS_UNCHECKED static void bucket_lock_two(struct bucket *a, struct bucket *b)
{
	if (a == b) {
		bucket_lock(a);
	} else {
		bucket_lock(a < b ? a : b);
		bucket_lock(a < b ? b : a);
	}
}

LOCKS_UNCHECKED static void bucket_unlock_two(struct bucket *a, struct bucket *b)
{
	uk_spin_unlock(&a->lock);
	if (a != b)
		uk_spin_unlock(&b->lock);
}

/* ---- waking ---- */

/* The batch is not full. */
static void wake_locked(struct bucket *b, struct waiter *w, struct batch *batch)
{
	uk_spin_assert_held(&b->lock);
	batch->threads[batch->n++] = thread_get(w->thread);
	list_del(&w->node);
	/* Last access: pairs with the acquire in futex_wait(). */
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
}

/* Wake waiters on addr until *woken is n. False: the batch is full and there may be more. */
static bool wake_some_locked(struct bucket *b, uintptr_t addr, int n, uint32_t bitset, struct batch *batch, int *woken)
{
	uk_spin_assert_held(&b->lock);
	list_foreach_safe(it, tmp, &b->waiters) {
		struct waiter *w = list_entry(it, struct waiter, node);

		if (*woken >= n)
			break;
		if (w->addr != addr || !(w->bitset & bitset))
			continue;
		if (batch->n == WAKE_BATCH)
			return false;
		wake_locked(b, w, batch);
		++*woken;
	}
	return true;
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
	struct batch batch;
	int woken = 0;
	bool done;

	batch.n = 0;
	do {
		bucket_lock(b);
		done = wake_some_locked(b, addr, n, bitset, &batch, &woken);
		uk_spin_unlock(&b->lock);
		batch_wake(&batch);
	} while (!done);
	return woken;
}

bool posix_futex_waits(uintptr_t addr)
{
	struct bucket *b = bucket_of(addr);
	bool found = false;

	bucket_lock(b);
	list_foreach(it, &b->waiters)
		found |= list_entry(it, struct waiter, node)->addr == addr;
	uk_spin_unlock(&b->lock);
	return found;
}

/* ---- waiting ---- */

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

/* The read of the word and the queuing are one step for wakers. */
static int queue_if_equal(struct bucket *b, struct waiter *w, uint32_t val)
{
	uint32_t now;
	int err = 0;

	bucket_lock(b);
	if (arch_user_load32((uint32_t *)w->addr, &now))
		err = -EFAULT;
	else if (now != val)
		err = -EAGAIN;
	else
		list_add_tail(&b->waiters, &w->node);
	uk_spin_unlock(&b->lock);
	return err;
}

LOCK_CLASS(futex_wait_class, "futex wait", 0, LOCK_WAIT, "no lock: for the statistics, what threads wait for");

static long futex_wait(uintptr_t addr, uint32_t val, uint32_t bitset, uint64_t deadline)
{
	struct waiter w = { .addr = addr, .bucket = bucket_of(addr), .thread = current_thread(), .bitset = bitset };
	uint64_t since;
	uint32_t now;
	long r;

	if (arch_user_load32((uint32_t *)addr, &now))
		return -EFAULT;
	if (now != val)
		return -EAGAIN;
	r = queue_if_equal(w.bucket, &w, val);
	if (r)
		return r;

	since = lock_wait_begin();
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
	lock_wait_end(&futex_wait_class, since);
	return r && leave(&w) ? r : 0;
}

/* A span that began in a call which is made again, as no handler ran, goes on: deliver() forgets the deadline when one runs. */
static long futex_wait_span(uintptr_t addr, uint32_t val, uint64_t deadline)
{
	struct posix_thread *pt = current_thread()->posix;
	long r;

	if (pt->sleep_deadline)
		deadline = pt->sleep_deadline;
	pt->sleep_deadline = 0;
	r = futex_wait(addr, val, FUTEX_BITSET_ANY, deadline);
	if (r == -ERESTART_NOHAND)
		pt->sleep_deadline = deadline;
	return r;
}

/* ---- requeue ---- */

static long futex_requeue(uintptr_t from, uintptr_t to, int wake, int move, bool compare, uint32_t val)
{
	struct bucket *src = bucket_of(from), *dst = bucket_of(to);
	struct batch batch;
	int woken = 0, moved = 0;
	bool done, again = false;
	uint32_t now;

	if (wake < 0 || move < 0)
		return -EINVAL;
	if (posix_futex_pi_waits(from) || posix_futex_pi_waits(to))
		return -EINVAL;
	if (compare && arch_user_load32((uint32_t *)from, &now))
		return -EFAULT;
	batch.n = 0;
	do {
		bucket_lock_two(src, dst);
		/* Once waiters were woken because it was equal, the rest follows. */
		if (compare && !again) {
			int err = arch_user_load32((uint32_t *)from, &now);

			if (err || now != val) {
				bucket_unlock_two(src, dst);
				return err ? -EFAULT : -EAGAIN;
			}
		}
		done = wake_some_locked(src, from, wake, FUTEX_BITSET_ANY, &batch, &woken);
		list_foreach_safe(it, tmp, &src->waiters) {
			struct waiter *w = list_entry(it, struct waiter, node);

			if (!done || moved == move)
				break;
			if (w->addr != from)
				continue;
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
		again = true;
	} while (!done);
	return compare ? woken + moved : woken;
}

/* ---- wake with an operation ---- */

struct wake_op {
	uint32_t op;
	uint32_t arg;
	uint32_t cmp;
	int32_t cmp_arg;
};

/* False: no such operation or comparison. */
static bool wake_op_decode(uint32_t code, struct wake_op *w)
{
	w->op = code >> 28;
	w->cmp = code >> 24 & 15;
	/* 12 bits each, with sign */
	w->arg = (uint32_t)((int32_t)(code << 8) >> 20);
	w->cmp_arg = (int32_t)(code << 20) >> 20;
	if (w->op & FUTEX_OP_ARG_SHIFT) {
		w->op &= ~(uint32_t)FUTEX_OP_ARG_SHIFT;
		w->arg = 1u << (w->arg & 31);
	}
	return w->op <= FUTEX_OP_XOR && w->cmp <= FUTEX_OP_CMP_GE;
}

static uint32_t wake_op_apply(const struct wake_op *w, uint32_t old)
{
	switch (w->op) {
	case FUTEX_OP_SET:
		return w->arg;
	case FUTEX_OP_ADD:
		return old + w->arg;
	case FUTEX_OP_OR:
		return old | w->arg;
	case FUTEX_OP_ANDN:
		return old & ~w->arg;
	default:
		return old ^ w->arg;
	}
}

static bool wake_op_compare(const struct wake_op *w, uint32_t value)
{
	int32_t old = (int32_t)value;

	switch (w->cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == w->cmp_arg;
	case FUTEX_OP_CMP_NE:
		return old != w->cmp_arg;
	case FUTEX_OP_CMP_LT:
		return old < w->cmp_arg;
	case FUTEX_OP_CMP_LE:
		return old <= w->cmp_arg;
	case FUTEX_OP_CMP_GT:
		return old > w->cmp_arg;
	default:
		return old >= w->cmp_arg;
	}
}

/* *addr becomes op(*addr) in one step; *old is what it was. */
static int wake_op_do(const struct wake_op *w, uintptr_t addr, uint32_t *old)
{
	uint32_t was;

	if (arch_user_load32((uint32_t *)addr, old))
		return -EFAULT;
	for (;;) {
		if (arch_user_cmpxchg32((uint32_t *)addr, *old, wake_op_apply(w, *old), &was))
			return -EFAULT;
		if (was == *old)
			return 0;
		*old = was;
	}
}

static long futex_wake_op(uintptr_t addr1, uintptr_t addr2, int n1, int n2, uint32_t code)
{
	struct bucket *b1 = bucket_of(addr1), *b2 = bucket_of(addr2);
	int woken1 = 0, woken2 = 0;
	bool done1, done2 = true;
	struct batch batch;
	struct wake_op op;
	uint32_t old;

	if (!wake_op_decode(code, &op))
		return -ENOSYS;
	if (posix_futex_pi_waits(addr1) || posix_futex_pi_waits(addr2))
		return -EINVAL;
	/* Present and writable. */
	if (arch_user_cmpxchg32((uint32_t *)addr2, 0, 0, &old))
		return -EFAULT;
	batch.n = 0;
	bucket_lock_two(b1, b2);
	if (wake_op_do(&op, addr2, &old)) {
		bucket_unlock_two(b1, b2);
		return -EFAULT;
	}
	if (!wake_op_compare(&op, old))
		n2 = 0;
	done1 = wake_some_locked(b1, addr1, n1, FUTEX_BITSET_ANY, &batch, &woken1);
	if (n2 > 0)
		done2 = wake_some_locked(b2, addr2, n2, FUTEX_BITSET_ANY, &batch, &woken2);
	bucket_unlock_two(b1, b2);
	batch_wake(&batch);
	/* What did not fit into the batch. */
	if (!done1)
		woken1 += posix_futex_wake(addr1, n1 - woken1, FUTEX_BITSET_ANY);
	if (!done2)
		woken2 += posix_futex_wake(addr2, n2 - woken2, FUTEX_BITSET_ANY);
	return woken1 + woken2;
}

/* ---- the call ---- */

/* A time argument as a deadline on the monotonic clock; NULL: none. A span, or a moment on `clock`. */
static int deadline_in(const void *user, bool span, int clock, uint64_t *deadline)
{
	uint64_t ns;
	int err;

	*deadline = UINT64_MAX;
	if (!user)
		return 0;
	err = posix_timespec_in(user, &ns);
	if (!err)
		*deadline = span ? posix_deadline_in(ns) : posix_deadline_at(clock, ns);
	return err;
}

long sys_futex(const long *a)
{
	uintptr_t addr = (uintptr_t)a[0], addr2 = (uintptr_t)a[4];
	int op = ARG_INT(a, 1), cmd = op & FUTEX_CMD_MASK;
	int clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	uint32_t val = (uint32_t)a[2], bitset = FUTEX_BITSET_ANY;
	uint64_t deadline;
	long r;

	if (op & ~(FUTEX_CMD_MASK | FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME))
		return -ENOSYS;
	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
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
		r = deadline_in(ARG_PTR(a, 3), cmd == FUTEX_WAIT, clock, &deadline);
		if (r)
			return r;
		return cmd == FUTEX_WAIT && a[3] ? futex_wait_span(addr, val, deadline)
						 : futex_wait(addr, val, bitset, deadline);
	case FUTEX_WAKE_BITSET:
		bitset = (uint32_t)a[5];
		if (!bitset)
			return -EINVAL;
		__attribute__((fallthrough));
	case FUTEX_WAKE:
		return posix_futex_pi_waits(addr) ? -EINVAL : posix_futex_wake(addr, (int)val, bitset);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if (addr2 % 4)
			return -EINVAL;
		return futex_requeue(addr, addr2, (int)val, ARG_INT(a, 3), cmd == FUTEX_CMP_REQUEUE, (uint32_t)a[5]);
	case FUTEX_WAKE_OP:
		if (addr2 % 4)
			return -EINVAL;
		return futex_wake_op(addr, addr2, (int)val, ARG_INT(a, 3), (uint32_t)a[5]);
	case FUTEX_LOCK_PI:
		clock = CLOCK_REALTIME;
		__attribute__((fallthrough));
	case FUTEX_LOCK_PI2:
		r = deadline_in(ARG_PTR(a, 3), false, clock, &deadline);
		return r ? r : posix_futex_lock_pi(addr, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return posix_futex_lock_pi(addr, UINT64_MAX, true);
	case FUTEX_UNLOCK_PI:
		return posix_futex_unlock_pi(addr);
	}
	return -ENOSYS;
}
