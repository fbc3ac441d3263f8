// SPDX-License-Identifier: BSD-3-Clause
/*
 * Timers of the program: timer_create() and its family, setitimer(ITIMER_REAL), alarm().
 *
 * A timer lives in a slot of a table of page frames; its id is the slot's number. Slots are never given back to the frame
 * allocator, so a look-up needs no lock and no reference: the slot is there, and its lock and `used` say the rest. A free slot is
 * used again in the order of their release. ITIMER_REAL is a slot of its own outside the table.
 *
 * States of a used slot: disarmed; armed (`expiry`, and the kernel timer runs towards it); signalled (`waiting`: its signal is in a
 * queue, or just taken from there). A signalled interval timer is not armed: when the signal is taken, `expiry` moves on past now by whole
 * intervals, of which all but the first were missed and are its overrun, and the kernel timer is armed again. So a timer has at
 * most one signal under way, and one that falls behind, or whose signal is blocked, costs nothing and never storms. An
 * interval timer whose signal is ignored goes on at its own pace, at most once in IGNORED_NS. SIGEV_NONE timers are never armed at
 * all: what is asked of them is arithmetic. Setting or deleting a timer takes its waiting signal back; ITIMER_REAL's stays, but
 * is of no setting any more.
 *
 * CLOCK_REALTIME never steps here (clock_settime() is EPERM), so every expiry is a time on the monotonic clock.
 *
 * Concurrency. A slot's lock (irq-safe, rank 50) guards the slot. The kernel timer's callback takes it in the timer interrupt, and
 * the signal queue's lock (55), the thread list's (70) and the run queues' and timers' (80) inside. Who sets or deletes a timer
 * holds it too, and must not wait for the callback then: it lets go, relaxes, and tries again while the callback runs
 * (timer_try_cancel()); it arms only after that succeeded in the same section, so the callback of an earlier setting never runs
 * into a later one. Who takes a signal off a queue comes to the slot without the queue's lock: `entry.seq`, changed by
 * posix_signal_unqueue() under both locks, tells it whether the timer was set or deleted in between. A SIGEV_THREAD_ID
 * target is referenced by its slot, so its queue is there; when it has ended the queue is closed, and the timer stops.
 * The table's lock guards the free list; it is never held together with a slot's.
 *
 * Contexts: thread context on the kernel stack; fired() in the timer interrupt. Memory: a frame for 16 timers, -EAGAIN if there is
 * none; at most TIMERS_MAX timers. Limits: no CPU-time clocks (EOPNOTSUPP); ITIMER_VIRTUAL and ITIMER_PROF are EINVAL.
 */
#include <arch/cpu.h>
#include <arch/paging.h>

#include "lib/string.h"
#include "mm/frames.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "sched/timer.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define SLOT_SIZE   256
#define PER_FRAME   (PAGE_SIZE / SLOT_SIZE)
#define PER_DIR	    (PAGE_SIZE / sizeof(void *))
#define DIRS	    32
#define TIMERS_MAX  (DIRS * PER_DIR * PER_FRAME)
#define IGNORED_NS  1000000u
#define OVERRUN_MAX INT32_MAX
#define EXPIRY_MAX  (UINT64_MAX - 1)

struct posix_timer {
	struct uk_spinlock lock;
	bool used;		  /* [lock] */
	bool armed;		  /* [lock] expiry is valid */
	bool periodic;		  /* [lock] */
	bool waiting;		  /* [lock] a signal of this setting is under way, and the kernel timer not armed */
	uint8_t notify;		  /* [lock] SIGEV_* */
	int clock;		  /* [lock] */
	int code;		  /* [lock] si_code of its signal */
	int id;			  /* [I] */
	int overrun;		  /* [lock] of the last signal that was taken */
	uint64_t expiry;	  /* [lock] ns, monotonic clock */
	uint64_t interval;	  /* [lock] ns, if periodic */
	uint64_t value;		  /* [lock] sigev_value */
	struct uk_thread *target; /* [lock] of SIGEV_THREAD_ID, a reference; NULL: the process */
	struct posix_sigentry entry;
	struct timer timer;
	struct list free; /* [table lock] */
} __attribute__((aligned(SLOT_SIZE)));
_Static_assert(sizeof(struct posix_timer) == SLOT_SIZE, "slots of a frame");

LOCK_CLASS(timer_slot_class, "posix timer", 50, LOCK_IRQ, "a timer of the program");
LOCK_CLASS(timer_table_class, "posix timer table", 50, 0, "free timers of the program");

static void fired(struct timer *t);

static struct {
	struct uk_spinlock lock;
	struct list free;		 /* [lock] unused slots, the one that was released first in front */
	unsigned count;			 /* [lock to write, a to read] slots there are */
	struct posix_timer **dirs[DIRS]; /* [a] frames of pointers to frames of slots */
	struct posix_timer itimer;	 /* ITIMER_REAL */
} timers = {
	.lock = SPINLOCK_INIT(&timer_table_class),
	.free = LIST_INIT(timers.free),
	.itimer = {
		.lock = SPINLOCK_INIT(&timer_slot_class),
		.used = true,
		.notify = SIGEV_SIGNAL,
		.code = SI_KERNEL,
		.entry = { .node = LIST_INIT(timers.itimer.entry.node), .signo = SIGALRM },
		.timer = { .fn = fired, .cpu = -1, .home = -1 },
	},
};

/* ---- the table ---- */

static struct posix_timer *slot_of(unsigned id)
{
	struct posix_timer **dir = __atomic_load_n(&timers.dirs[id / PER_FRAME / PER_DIR], __ATOMIC_ACQUIRE);

	return __atomic_load_n(&dir[id / PER_FRAME % PER_DIR], __ATOMIC_ACQUIRE) + id % PER_FRAME;
}

static void *zeroed_frame(void)
{
	paddr_t pa = frame_alloc(0, FRAME_ZERO);

	return pa == FRAME_NONE ? NULL : arch_phys_to_virt(pa);
}

/* One more frame of slots on the free list; false: no memory, or enough of them. */
static bool table_grow_locked(void) REQUIRES(timers.lock);
static bool table_grow_locked(void)
{
	unsigned frame = timers.count / PER_FRAME;
	struct posix_timer *slots, **dir;

	uk_spin_assert_held(&timers.lock);
	if (timers.count >= TIMERS_MAX)
		return false;
	dir = timers.dirs[frame / PER_DIR];
	if (!dir) {
		dir = zeroed_frame();
		if (!dir)
			return false;
		__atomic_store_n(&timers.dirs[frame / PER_DIR], dir, __ATOMIC_RELEASE);
	}
	slots = zeroed_frame();
	if (!slots)
		return false;
	for (unsigned i = 0; i < PER_FRAME; i++) {
		spin_init_class(&slots[i].lock, &timer_slot_class);
		slots[i].id = (int)(timers.count + i);
		list_init(&slots[i].entry.node);
		timer_init(&slots[i].timer, fired);
		list_add_tail(&timers.free, &slots[i].free);
	}
	/* pairs with the acquires in slot_of() and find() */
	__atomic_store_n(&dir[frame % PER_DIR], slots, __ATOMIC_RELEASE);
	__atomic_store_n(&timers.count, timers.count + PER_FRAME, __ATOMIC_RELEASE);
	return true;
}

static struct posix_timer *slot_alloc(void)
{
	struct posix_timer *p = NULL;

	uk_spin_lock(&timers.lock);
	if (!list_empty(&timers.free) || table_grow_locked())
		p = list_entry(list_pop(&timers.free), struct posix_timer, free);
	uk_spin_unlock(&timers.lock);
	return p;
}

static void slot_free(struct posix_timer *p)
{
	uk_spin_lock(&timers.lock);
	list_add_tail(&timers.free, &p->free);
	uk_spin_unlock(&timers.lock);
}

/* The timer of an id, perhaps not in use, or NULL. */
static struct posix_timer *find(int id)
{
	if (id < 0 || (unsigned)id >= __atomic_load_n(&timers.count, __ATOMIC_ACQUIRE))
		return NULL;
	return slot_of((unsigned)id);
}

/* ---- expiry ---- */

/* Moves the expiry of an interval timer past `now`; by how many intervals, 0 if it was there. */
static uint64_t forward_locked(struct posix_timer *p, uint64_t now) REQUIRES(p->lock);
static uint64_t forward_locked(struct posix_timer *p, uint64_t now)
{
	uint64_t n;

	uk_spin_assert_held(&p->lock);
	if (p->expiry > now)
		return 0;
	n = (now - p->expiry) / p->interval + 1;
	p->expiry = n > (EXPIRY_MAX - p->expiry) / p->interval ? EXPIRY_MAX : p->expiry + n * p->interval;
	return n;
}

/* The timer interrupt. */
static void fired(struct timer *t)
{
	struct posix_timer *p = container_of(t, struct posix_timer, timer);

	uk_spin_lock(&p->lock);
	switch (posix_signal_queue(&p->entry, p->target)) {
	case POSIX_SENT:
		p->armed = p->periodic;
		p->waiting = true;
		break;
	case POSIX_IGNORED:
		p->armed = p->periodic;
		if (p->periodic) {
			forward_locked(p, plat_monotonic_ns() + IGNORED_NS);
			timer_arm(&p->timer, p->expiry);
		}
		break;
	case POSIX_GONE:
		p->armed = false;
		break;
	}
	uk_spin_unlock(&p->lock);
}

/* The signal is on its way to the program: what it says, and on with the interval. */
static void signal_taken_locked(struct posix_timer *p) REQUIRES(p->lock);
static void signal_taken_locked(struct posix_timer *p)
{
	uint64_t n = 1;

	uk_spin_assert_held(&p->lock);
	if (p->periodic && p->waiting) {
		n = MAX(forward_locked(p, plat_monotonic_ns()), 1ul);
		timer_arm(&p->timer, p->expiry);
	}
	p->waiting = false;
	p->overrun = (int)MIN(n - 1, (uint64_t)OVERRUN_MAX);
}

bool posix_timer_taken(struct posix_sigentry *e, uint32_t seq, struct abi_siginfo *info)
{
	struct posix_timer *p = container_of(e, struct posix_timer, entry);
	unsigned long flags;
	bool valid;

	uk_spin_lock_irqsave(&p->lock, flags);
	valid = e->seq == seq;
	if (valid) {
		signal_taken_locked(p);
		info->code = p->code;
		if (p->code == SI_TIMER) {
			info->timerid = p->id;
			info->overrun = p->overrun;
			info->value = p->value;
		}
	}
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return valid;
}

static void discard(struct posix_timer *p, int n)
{
	unsigned long flags;

	uk_spin_lock_irqsave(&p->lock, flags);
	if (p->used && p->entry.signo == n && p->notify != SIGEV_NONE && posix_signal_unqueue(&p->entry, p->target))
		signal_taken_locked(p);
	uk_spin_unlock_irqrestore(&p->lock, flags);
}

void posix_timers_discard(int n)
{
	unsigned count = __atomic_load_n(&timers.count, __ATOMIC_ACQUIRE);

	discard(&timers.itimer, n);
	for (unsigned id = 0; id < count; id++)
		discard(slot_of(id), n);
}

/* ---- setting and asking ---- */

/* Locks the timer with its callback not running and its signal taken back; false: it is not in use (and not locked). */
static bool lock_quiet(struct posix_timer *p, unsigned long *irq) TRY_ACQUIRES(true, p->lock) LOCKS_UNCHECKED;
static bool lock_quiet(struct posix_timer *p, unsigned long *irq)
{
	unsigned long flags;

	for (;;) {
		uk_spin_lock_irqsave(&p->lock, flags);
		if (!p->used || timer_try_cancel(&p->timer) >= 0)
			break;
		/* The callback wants the lock, or is done with it and about to return: a moment, with interrupts off there. */
		uk_spin_unlock_irqrestore(&p->lock, flags);
		arch_cpu_relax();
	}
	*irq = flags;
	if (!p->used) {
		uk_spin_unlock_irqrestore(&p->lock, flags);
		return false;
	}
	return true;
}

/* Time left, 0: disarmed. */
static uint64_t left_locked(struct posix_timer *p) REQUIRES(p->lock);
static uint64_t left_locked(struct posix_timer *p)
{
	uint64_t now = plat_monotonic_ns(), at = p->expiry, behind;

	uk_spin_assert_held(&p->lock);
	if (!p->armed)
		return 0;
	if (at > now)
		return at - now;
	if (p->periodic) {
		/* its signal waits, or nobody looks: the next one on the grid */
		behind = (now - at) % p->interval;
		return p->interval - behind;
	}
	/* A one-shot that is due: over, if there is no signal that says so; else it is about to fire. */
	return p->notify == SIGEV_NONE ? 0 : 1;
}

struct setting {
	uint64_t value;	   /* ns, relative or on the timer's clock; 0: disarm */
	uint64_t interval; /* ns, 0: one shot */
};

/* 0 and what was set before, or -EINVAL: no such timer. */
static int set_timer(struct posix_timer *p, bool absolute, const struct setting *new, struct setting *old)
{
	unsigned long flags;

	if (!lock_quiet(p, &flags))
		return -EINVAL;
	old->value = left_locked(p);
	old->interval = p->periodic ? p->interval : 0;
	if (p->notify != SIGEV_NONE && p != &timers.itimer)
		posix_signal_unqueue(&p->entry, p->target);
	p->waiting = false;
	p->armed = new->value != 0;
	p->periodic = p->armed && new->interval;
	p->interval = new->interval;
	p->overrun = 0;
	if (p->armed) {
		p->expiry = absolute ? MIN(posix_deadline_at(p->clock, new->value), EXPIRY_MAX)
				     : posix_deadline_in(new->value);
		if (p->notify != SIGEV_NONE)
			timer_arm(&p->timer, p->expiry);
	}
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static int get_timer(struct posix_timer *p, struct setting *now)
{
	unsigned long flags;
	bool used;

	uk_spin_lock_irqsave(&p->lock, flags);
	used = p->used;
	now->value = left_locked(p);
	now->interval = p->periodic ? p->interval : 0;
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return used ? 0 : -EINVAL;
}

/* ---- the calls ---- */

static int check_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EOPNOTSUPP;
	}
	return clock < 0 ? -EOPNOTSUPP : -EINVAL; /* negative: the CPU time of somebody */
}

/* What `ev` asks for is possible; *target: a reference, or NULL. */
static int check_event(const struct abi_sigevent *ev, struct uk_thread **target)
{
	struct posix_thread *pt;

	*target = NULL;
	switch (ev->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
	case SIGEV_THREAD_ID:
		break;
	default:
		return -EINVAL;
	}
	if (ev->signo < 1 || ev->signo > SIG_COUNT)
		return -EINVAL;
	if (ev->notify != SIGEV_THREAD_ID)
		return 0;
	*target = thread_find(ev->tid);
	pt = *target ? (*target)->posix : NULL;
	if (pt && pt->counted)
		return 0;
	if (*target)
		thread_put(*target);
	*target = NULL;
	return -EINVAL;
}

static int delete_timer(struct posix_timer *p)
{
	struct uk_thread *target;
	unsigned long flags;

	if (!lock_quiet(p, &flags))
		return -EINVAL;
	if (p->notify != SIGEV_NONE)
		posix_signal_unqueue(&p->entry, p->target);
	target = p->target;
	p->target = NULL;
	p->used = false;
	p->waiting = false;
	p->armed = false;
	p->periodic = false;
	uk_spin_unlock_irqrestore(&p->lock, flags);
	if (target)
		thread_put(target);
	slot_free(p);
	return 0;
}

long sys_timer_create(const long *a)
{
	struct abi_sigevent ev = { .signo = SIGALRM, .notify = SIGEV_SIGNAL };
	struct uk_thread *target;
	struct posix_timer *p;
	unsigned long flags;
	int err = check_clock(ARG_INT(a, 0));

	if (err)
		return err;
	if (a[1] && posix_copy_in(&ev, ARG_PTR(a, 1), offsetof(struct abi_sigevent, tid) + sizeof(ev.tid)))
		return -EFAULT;
	err = check_event(&ev, &target);
	if (err)
		return err;
	p = slot_alloc();
	if (!p) {
		if (target)
			thread_put(target);
		return -EAGAIN;
	}
	if (posix_copy_out(ARG_PTR(a, 2), &p->id, sizeof(p->id))) {
		if (target)
			thread_put(target);
		slot_free(p);
		return -EFAULT;
	}
	uk_spin_lock_irqsave(&p->lock, flags);
	p->used = true;
	p->clock = ARG_INT(a, 0);
	p->notify = (uint8_t)ev.notify;
	p->code = SI_TIMER;
	p->overrun = 0;
	p->value = a[1] ? ev.value : (uint64_t)p->id;
	p->target = target;
	p->entry.signo = (uint8_t)(ev.notify == SIGEV_NONE ? 0 : ev.signo);
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

long sys_timer_delete(const long *a)
{
	struct posix_timer *p = find(ARG_INT(a, 0));

	return p ? delete_timer(p) : -EINVAL;
}

static int itimerspec_out(struct abi_itimerspec *user, const struct setting *s)
{
	int err = posix_timespec_out(&user->interval, s->interval);

	return err ? err : posix_timespec_out(&user->value, s->value);
}

long sys_timer_settime(const long *a)
{
	struct posix_timer *p = find(ARG_INT(a, 0));
	const struct abi_itimerspec *user = ARG_PTR(a, 2);
	struct setting new, old;
	int err;

	if (!user)
		return -EINVAL;
	err = posix_timespec_in(&user->interval, &new.interval);
	if (!err)
		err = posix_timespec_in(&user->value, &new.value);
	if (!err)
		err = p ? set_timer(p, ARG_INT(a, 1) & TIMER_ABSTIME, &new, &old) : -EINVAL;
	if (!err && a[3])
		err = itimerspec_out(ARG_PTR(a, 3), &old);
	return err;
}

long sys_timer_gettime(const long *a)
{
	struct posix_timer *p = find(ARG_INT(a, 0));
	struct setting now;

	if (!p || get_timer(p, &now))
		return -EINVAL;
	return itimerspec_out(ARG_PTR(a, 1), &now);
}

long sys_timer_getoverrun(const long *a)
{
	struct posix_timer *p = find(ARG_INT(a, 0));
	unsigned long flags;
	long r;

	if (!p)
		return -EINVAL;
	uk_spin_lock_irqsave(&p->lock, flags);
	r = p->used ? p->overrun : -EINVAL;
	uk_spin_unlock_irqrestore(&p->lock, flags);
	return r;
}

static int timeval_in(const struct abi_timeval *tv, uint64_t *ns)
{
	if (tv->sec < 0 || tv->usec < 0 || tv->usec >= 1000000)
		return -EINVAL;
	*ns = (uint64_t)tv->sec >= INT64_MAX / NSEC_PER_SEC
		      ? INT64_MAX
		      : (uint64_t)tv->sec * NSEC_PER_SEC + (uint64_t)tv->usec * 1000;
	return 0;
}

static int itimerval_out(void *user, const struct setting *s)
{
	/* rounded up: what is not over is not 0 */
	const uint64_t interval = (s->interval + 999) / 1000, value = (s->value + 999) / 1000;
	const struct abi_itimerval it = {
		.interval = { (int64_t)(interval / 1000000), (int64_t)(interval % 1000000) },
		.value = { (int64_t)(value / 1000000), (int64_t)(value % 1000000) },
	};

	return posix_copy_out(user, &it, sizeof(it));
}

long sys_setitimer(const long *a)
{
	struct abi_itimerval it = { .value = { 0, 0 } };
	struct setting new, old;
	int err;

	if (a[1] && posix_copy_in(&it, ARG_PTR(a, 1), sizeof(it)))
		return -EFAULT;
	if (ARG_INT(a, 0) != ITIMER_REAL)
		return -EINVAL;
	err = timeval_in(&it.interval, &new.interval);
	if (!err)
		err = timeval_in(&it.value, &new.value);
	if (!err)
		err = set_timer(&timers.itimer, false, &new, &old);
	return !err && a[2] ? itimerval_out(ARG_PTR(a, 2), &old) : err;
}

long sys_getitimer(const long *a)
{
	struct setting now;

	if (ARG_INT(a, 0) != ITIMER_REAL)
		return -EINVAL;
	get_timer(&timers.itimer, &now);
	return itimerval_out(ARG_PTR(a, 1), &now);
}

/* Seconds that were left, rounded as Linux does: to the nearest, but not to 0. */
long sys_alarm(const long *a)
{
	const struct setting new = { .value = (uint32_t)a[0] * NSEC_PER_SEC };
	struct setting old;

	set_timer(&timers.itimer, false, &new, &old);
	return old.value && old.value < NSEC_PER_SEC ? 1 : (long)((old.value + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}
