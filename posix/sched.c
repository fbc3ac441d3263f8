// SPDX-License-Identifier: BSD-3-Clause
/*
 * Scheduling as Linux programs see it: yield, affinity, policies and priorities.
 *
 * A pid is a thread's id here, and 0 the caller, as in Linux; process group 1 and user 0 are all threads of the program.
 * Everybody may do everything: the only user is root. Policies are OTHER, BATCH, IDLE, FIFO and RR; there is no DEADLINE (-EINVAL).
 * musl's sched_setscheduler() and its relatives answer ENOSYS without a call, because POSIX means processes by them;
 * pthread_setschedparam() and syscall() come here.
 *
 * No state of its own. A thread is held by a reference while it is worked on; parameters change atomically (sched/thread.c).
 * Setting a nice value leaves the policy alone that somebody sets at the same moment, who may put the old nice value back: the result
 * is one of the two, and consistent. Thread context; no memory is needed.
 */
#include "lib/string.h"
#include "plat/plat.h"
#include "posix/futex.h"
#include "posix/posix.h"
#include "sync/percpu.h"

#define RESET_ON_FORK 0x40000000

/* struct sched_attr of Linux: the first version of it. */
struct abi_sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
#define ATTR_SIZE_FIRST 48u
_Static_assert(sizeof(struct abi_sched_attr) == ATTR_SIZE_FIRST, "struct sched_attr");
#define ATTR_RESET_ON_FORK 1u
#define ATTR_KEEP_POLICY   8u
#define ATTR_KEEP_PARAMS   16u

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

long sys_sched_yield(const long *a)
{
	(void)a;
	thread_yield();
	return 0;
}

long sys_getcpu(const long *a)
{
	uint32_t cpu = cpu_id(), node = 0;

	if ((a[0] && posix_copy_out(ARG_PTR(a, 0), &cpu, sizeof(cpu))) ||
	    (a[1] && posix_copy_out(ARG_PTR(a, 1), &node, sizeof(node))))
		return -EFAULT;
	return 0;
}

/* Set them, and tell those whom the thread waits for by a PI futex. `t` is held by a reference. */
static int set_params(struct uk_thread *t, const struct thread_params *p)
{
	int err = thread_set_params(t, p);

	if (!err)
		posix_futex_pi_prio_changed(t);
	return err;
}

/* ---- affinity ---- */

static struct uk_thread *thread_by_pid(int pid)
{
	return pid ? thread_find(pid) : thread_get(current_thread());
}

long sys_sched_setaffinity(const long *a)
{
	struct cpumask set;
	struct uk_thread *t;
	size_t len = MIN(ARG_SIZE(a, 1), sizeof(set));
	long r;

	cpumask_clear_all(&set);
	if (posix_copy_in(&set, ARG_PTR(a, 2), len))
		return -EFAULT;
	t = thread_by_pid(ARG_INT(a, 0));
	if (!t)
		return -ESRCH;
	r = thread_set_affinity(t, &set);
	thread_put(t);
	return r;
}

long sys_sched_getaffinity(const long *a)
{
	size_t len = ALIGN_UP((plat_cpu_count() + 7ul) / 8, 8ul);
	struct cpumask set;
	struct uk_thread *t;

	if (ARG_SIZE(a, 1) < len || ARG_SIZE(a, 1) % 8)
		return -EINVAL;
	t = thread_by_pid(ARG_INT(a, 0));
	if (!t)
		return -ESRCH;
	thread_get_affinity(t, &set);
	thread_put(t);
	for (unsigned cpu = plat_cpu_count(); cpu < CPUMASK_WORDS * 64; cpu++)
		cpumask_clear(&set, cpu);
	return posix_copy_out(ARG_PTR(a, 2), &set, len) ? -EFAULT : (long)len;
}

/* ---- policies ---- */

static bool policy_is_rt(int policy)
{
	return policy == THREAD_FIFO || policy == THREAD_RR;
}

/* With a reference: 0, -EINVAL, -ESRCH. */
static int thread_get_by_pid(int pid, struct uk_thread **t)
{
	if (pid < 0)
		return -EINVAL;
	*t = thread_by_pid(pid);
	return *t ? 0 : -ESRCH;
}

/* `policy` < 0: as it is. */
static long set_scheduler(int pid, int policy, const void *user)
{
	struct thread_params p;
	struct uk_thread *t;
	int prio;
	long r;

	if (pid < 0 || !user)
		return -EINVAL;
	if (posix_copy_in(&prio, user, sizeof(prio)))
		return -EFAULT;
	r = thread_get_by_pid(pid, &t);
	if (r)
		return r;
	thread_get_params(t, &p);
	if (policy >= 0) {
		p.policy = policy & ~RESET_ON_FORK;
		p.reset_on_fork = policy & RESET_ON_FORK;
	}
	p.rt_prio = prio;
	r = set_params(t, &p);
	thread_put(t);
	return r;
}

long sys_sched_setscheduler(const long *a)
{
	if (ARG_INT(a, 1) < 0)
		return -EINVAL;
	return set_scheduler(ARG_INT(a, 0), ARG_INT(a, 1), ARG_PTR(a, 2));
}

long sys_sched_setparam(const long *a)
{
	return set_scheduler(ARG_INT(a, 0), -1, ARG_PTR(a, 1));
}

static long get_params(int pid, struct thread_params *p)
{
	struct uk_thread *t;
	int r = thread_get_by_pid(pid, &t);

	if (r)
		return r;
	thread_get_params(t, p);
	thread_put(t);
	return 0;
}

long sys_sched_getscheduler(const long *a)
{
	struct thread_params p;
	long r = get_params(ARG_INT(a, 0), &p);

	return r ? r : p.policy | (p.reset_on_fork ? RESET_ON_FORK : 0);
}

long sys_sched_getparam(const long *a)
{
	struct thread_params p;
	long r;

	if (!a[1])
		return -EINVAL;
	r = get_params(ARG_INT(a, 0), &p);
	return r ? r : posix_copy_out(ARG_PTR(a, 1), &p.rt_prio, sizeof(p.rt_prio));
}

long sys_sched_setattr(const long *a)
{
	struct abi_sched_attr attr;
	struct thread_params p;
	struct uk_thread *t;
	uint32_t size;
	long r;

	if (ARG_INT(a, 0) < 0 || !a[1] || a[2])
		return -EINVAL;
	if (posix_copy_in(&size, ARG_PTR(a, 1), sizeof(size)))
		return -EFAULT;
	if (!size)
		size = ATTR_SIZE_FIRST;
	/* What we do not know must be zero. */
	r = size < ATTR_SIZE_FIRST || size > 4096 ? -E2BIG : 0;
	for (uint32_t at = ATTR_SIZE_FIRST; !r && at < size; at++) {
		uint8_t byte;

		if (posix_copy_in(&byte, (const char *)ARG_PTR(a, 1) + at, 1))
			return -EFAULT;
		if (byte)
			r = -E2BIG;
	}
	if (r) {
		size = sizeof(attr);
		return posix_copy_out(ARG_PTR(a, 1), &size, sizeof(size)) ? -EFAULT : r;
	}
	if (posix_copy_in(&attr, ARG_PTR(a, 1), sizeof(attr)))
		return -EFAULT;
	if ((int32_t)attr.policy < 0 ||
	    (attr.flags & ~(uint64_t)(ATTR_RESET_ON_FORK | ATTR_KEEP_POLICY | ATTR_KEEP_PARAMS)))
		return -EINVAL;
	r = thread_get_by_pid(ARG_INT(a, 0), &t);
	if (r)
		return r;
	thread_get_params(t, &p);
	if (!(attr.flags & ATTR_KEEP_POLICY)) {
		p.policy = (int)attr.policy;
		p.reset_on_fork = attr.flags & ATTR_RESET_ON_FORK;
	}
	if (!(attr.flags & ATTR_KEEP_PARAMS)) {
		p.rt_prio = attr.priority > 99 ? 100 : (int)attr.priority;
		if (!policy_is_rt(p.policy))
			p.nice = MAX(MIN(attr.nice, 19), -20);
	}
	r = set_params(t, &p);
	thread_put(t);
	return r;
}

long sys_sched_getattr(const long *a)
{
	struct abi_sched_attr attr;
	struct thread_params p;
	long r;

	if (!a[1] || ARG_INT(a, 0) < 0 || (unsigned)a[2] > 4096 || (unsigned)a[2] < ATTR_SIZE_FIRST || a[3])
		return -EINVAL;
	r = get_params(ARG_INT(a, 0), &p);
	if (r)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.policy = (uint32_t)p.policy;
	attr.flags = p.reset_on_fork ? ATTR_RESET_ON_FORK : 0;
	if (policy_is_rt(p.policy))
		attr.priority = (uint32_t)p.rt_prio;
	else
		attr.nice = p.nice;
	return posix_copy_out(ARG_PTR(a, 1), &attr, sizeof(attr));
}

long sys_sched_get_priority_max(const long *a)
{
	switch (ARG_INT(a, 0)) {
	case THREAD_FIFO:
	case THREAD_RR:
		return 99;
	case THREAD_OTHER:
	case THREAD_BATCH:
	case THREAD_IDLE:
		return 0;
	}
	return -EINVAL;
}

long sys_sched_get_priority_min(const long *a)
{
	long max = sys_sched_get_priority_max(a);

	return max > 0 ? 1 : max;
}

long sys_sched_rr_get_interval(const long *a)
{
	struct uk_thread *t;
	uint64_t ns;
	int r = thread_get_by_pid(ARG_INT(a, 0), &t);

	if (r)
		return r;
	ns = thread_slice_ns(t);
	thread_put(t);
	return posix_timespec_out(ARG_PTR(a, 1), ns);
}

/* ---- nice ---- */

#define NICE_BATCH 32u

struct nice_walk {
	bool set;
	int nice; /* in: to set; out: the least */
	bool any;
	/* to set: the next ones by number, each with a reference; the list's lock is above what setting takes */
	int after;
	unsigned count;
	struct uk_thread *batch[NICE_BATCH];
};

static void nice_one(struct uk_thread *t, struct nice_walk *w)
{
	struct thread_params p;

	if (w->set) {
		UK_CHECK(!thread_set_nice(t, w->nice));
		posix_futex_pi_prio_changed(t);
	} else {
		thread_get_params(t, &p);
		w->nice = w->any ? MIN(w->nice, p.nice) : p.nice;
	}
	w->any = true;
}

/* Into its place in the batch; the last one makes room. Nobody's last reference is dropped: who is on the list has one. */
static void nice_batch(struct uk_thread *t, struct nice_walk *w)
{
	unsigned at = w->count;

	if (at == NICE_BATCH) {
		if (w->batch[at - 1]->tid < t->tid)
			return;
		thread_put(w->batch[--at]);
	} else {
		w->count++;
	}
	for (; at && w->batch[at - 1]->tid > t->tid; at--)
		w->batch[at] = w->batch[at - 1];
	w->batch[at] = thread_get(t);
}

static void nice_each(struct uk_thread *t, void *arg)
{
	const struct posix_thread *pt = t->posix;
	struct nice_walk *w = arg;
	struct thread_params p;

	if (!pt || !pt->counted)
		return;
	if (!w->set) {
		nice_one(t, w);
		return;
	}
	w->any = true;
	thread_get_params(t, &p);
	if (t->tid > w->after && p.nice != w->nice)
		nice_batch(t, w);
}

/*
 * In rounds by number, so that it ends, whatever others set meanwhile: a round that fills the batch may have left out some with
 * larger numbers.
 */
static void nice_all(struct nice_walk *w)
{
	bool full;

	do {
		w->count = 0;
		thread_foreach(nice_each, w);
		full = w->count == NICE_BATCH;
		for (unsigned i = 0; i < w->count; i++) {
			w->after = w->batch[i]->tid;
			nice_one(w->batch[i], w);
			thread_put(w->batch[i]);
		}
	} while (full);
}

static long nice_walk(int which, int who, struct nice_walk *w)
{
	struct uk_thread *t;

	switch (which) {
	case PRIO_PROCESS:
		t = thread_by_pid(who);
		if (!t)
			return -ESRCH;
		nice_one(t, w);
		thread_put(t);
		return 0;
	case PRIO_PGRP:
		if (who && who != 1)
			return -ESRCH;
		break;
	case PRIO_USER:
		if (who)
			return -ESRCH;
		break;
	default:
		return -EINVAL;
	}
	nice_all(w);
	return w->any ? 0 : -ESRCH;
}

/* As in Linux 20 - nice, so that it is not negative; libc turns it back. */
long sys_getpriority(const long *a)
{
	struct nice_walk w = { 0 };
	long r = nice_walk(ARG_INT(a, 0), ARG_INT(a, 1), &w);

	return r ? r : 20 - w.nice;
}

long sys_setpriority(const long *a)
{
	struct nice_walk w = { .set = true, .nice = MAX(MIN(ARG_INT(a, 2), 19), -20) };

	return nice_walk(ARG_INT(a, 0), ARG_INT(a, 1), &w);
}
