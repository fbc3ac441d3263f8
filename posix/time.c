// SPDX-License-Identifier: BSD-3-Clause
/*
 * Clocks and sleeps. Time comes from the platform's two clocks, which never step; CPU time from the scheduler. No state,
 * no locks; thread context. A sleep ends early only for a signal that has to be handled: -EINTR with the time that is left.
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

static long do_sleep(uint64_t deadline, struct abi_timespec *left)
{
	uint64_t now;

	if (!sleep_until(deadline))
		return 0;
	now = plat_monotonic_ns();
	if (left && posix_timespec_out(left, deadline > now ? deadline - now : 0))
		return -EFAULT;
	return -EINTR;
}

long sys_nanosleep(const long *a)
{
	uint64_t ns;
	int err = posix_timespec_in(ARG_PTR(a, 0), &ns);

	return err ? err : do_sleep(posix_deadline_in(ns), ARG_PTR(a, 1));
}

long sys_clock_nanosleep(const long *a)
{
	int clock = ARG_INT(a, 0);
	uint64_t ns;
	int err;

	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
		return clock == CLOCK_THREAD_CPUTIME_ID ? -EINVAL : -EOPNOTSUPP;
	err = posix_timespec_in(ARG_PTR(a, 2), &ns);
	if (err)
		return err;
	if (ARG_INT(a, 1) & TIMER_ABSTIME)
		return do_sleep(posix_deadline_at(clock, ns), NULL);
	return do_sleep(posix_deadline_in(ns), ARG_PTR(a, 3));
}
