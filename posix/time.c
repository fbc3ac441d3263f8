// SPDX-License-Identifier: BSD-3-Clause
/*
 * Clocks and sleeps. Time comes from the platform's two clocks, which never step; CPU time from the scheduler. No state,
 * no locks; thread context. A sleep ends early only for a handler: -EINTR with the time that is left. When the signal turns out
 * to be another thread's, or ignored by now, the call is made again without the program's noticing, to the same deadline.
 */
#include "plat/plat.h"
#include "posix/posix.h"
#include "sync/percpu.h"

/* Clock ids of other threads (pthread_getcpuclockid): ~tid << 3 | 6. */
static int cpu_clock_tid(int clock)
{
	return clock < 0 && (clock & 7) == 6 ? ~(clock >> 3) : 0;
}

static int read_clock(int clock, uint64_t *ns)
{
	struct uk_thread *t;
	int tid;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = plat_realtime_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = plat_monotonic_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = posix_process_cpu_ns();
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = posix_thread_cpu_ns(current_thread());
		return 0;
	}
	tid = cpu_clock_tid(clock);
	t = tid > 0 ? thread_find(tid) : NULL;
	if (!t)
		return -EINVAL;
	*ns = posix_thread_cpu_ns(t);
	thread_put(t);
	return 0;
}

long sys_clock_gettime(const long *a)
{
	uint64_t ns;
	int err = read_clock(ARG_INT(a, 0), &ns);

	return err ? err : posix_timespec_out(ARG_PTR(a, 1), ns);
}

long sys_clock_getres(const long *a)
{
	uint64_t ns;
	int err = read_clock(ARG_INT(a, 0), &ns);

	return err ? err : a[1] ? posix_timespec_out(ARG_PTR(a, 1), 1) : 0;
}

long sys_gettimeofday(const long *a)
{
	uint64_t ns = plat_realtime_ns();
	struct abi_timeval tv = { (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / 1000) };

	if (a[0] && posix_copy_out(ARG_PTR(a, 0), &tv, sizeof(tv)))
		return -EFAULT;
	return 0;
}

long sys_time(const long *a)
{
	int64_t now = (int64_t)(plat_realtime_ns() / NSEC_PER_SEC);

	if (a[0] && posix_copy_out(ARG_PTR(a, 0), &now, sizeof(now)))
		return -EFAULT;
	return now;
}

long sys_times(const long *a)
{
	int64_t tms[4] = { (int64_t)(posix_process_cpu_ns() / 10000000) };

	if (a[0] && posix_copy_out(ARG_PTR(a, 0), tms, sizeof(tms)))
		return -EFAULT;
	return (long)(plat_monotonic_ns() / 10000000);
}

/* Until the deadline; 0, or -EINTR for a signal. */
static int sleep_until(uint64_t deadline)
{
	for (;;) {
		thread_prepare_block();
		if (plat_monotonic_ns() >= deadline) {
			thread_cancel_block();
			return 0;
		}
		if (posix_signal_pending()) {
			thread_cancel_block();
			return -EINTR;
		}
		thread_block_until(deadline);
	}
}

/*
 * -ERESTART_NOHAND: deliver() makes it -EINTR when a handler runs, and forgets the deadline; else the call is made again and
 * finds it.
 */
static long sleep_for(uint64_t ns, struct abi_timespec *left)
{
	struct posix_thread *pt = current_thread()->posix;
	uint64_t deadline = pt->sleep_deadline, now;

	pt->sleep_deadline = 0;
	if (!deadline)
		deadline = posix_deadline_in(ns);
	if (!sleep_until(deadline))
		return 0;
	now = plat_monotonic_ns();
	if (left && posix_timespec_out(left, deadline > now ? deadline - now : 0))
		return -EFAULT;
	pt->sleep_deadline = deadline;
	return -ERESTART_NOHAND;
}

long sys_nanosleep(const long *a)
{
	uint64_t ns;
	int err = posix_timespec_in(ARG_PTR(a, 0), &ns);

	return err ? err : sleep_for(ns, ARG_PTR(a, 1));
}

long sys_clock_nanosleep(const long *a)
{
	const int clock = ARG_INT(a, 0);
	uint64_t ns;
	int err;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		break;
	case CLOCK_THREAD_CPUTIME_ID:
		return -EINVAL;
	default:
		/* a clock that cannot be slept on, or none */
		return read_clock(clock, &ns) ? -EINVAL : -EOPNOTSUPP;
	}
	err = posix_timespec_in(ARG_PTR(a, 2), &ns);
	if (err)
		return err;
	if (ARG_INT(a, 1) & TIMER_ABSTIME)
		return sleep_until(posix_deadline_at(clock, ns)) ? -ERESTART_NOHAND : 0;
	return sleep_for(ns, ARG_PTR(a, 3));
}

/* The clocks belong to the machine: real time may be asked for, by a program that may not; the others cannot be set at all. */
long sys_clock_settime(const long *a)
{
	const int clock = ARG_INT(a, 0);
	uint64_t ns;
	int err;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	err = posix_timespec_in(ARG_PTR(a, 1), &ns);
	return err ? err : -EPERM;
}
