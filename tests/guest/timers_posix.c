// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * timer_create() and its family: each clock and each way of telling; what a signal says of its timer; one signal under way
 * per timer, with the intervals that were missed as its overrun; nothing early; what was deleted or set anew tells nothing
 * more; bad arguments give their errors.
 */
#include "check.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#ifndef sigev_notify_thread_id /* glibc */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define MS 1000000LL

static sigset_t wanted; /* blocked everywhere: taken by sigwaitinfo() */
static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };

static struct itimerspec spec(int64_t value, int64_t interval)
{
	return (struct itimerspec){ .it_value = { value / 1000000000, value % 1000000000 },
				    .it_interval = { interval / 1000000000, interval % 1000000000 } };
}

static int64_t ns_of(struct timespec ts)
{
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static timer_t create(clockid_t clock, int notify, int signo, int value)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = signo, .sigev_value.sival_int = value };
	timer_t id;

	CHECK_EQ(timer_create(clock, &ev, &id), 0);
	return id;
}

static void set(timer_t id, int flags, int64_t value, int64_t interval)
{
	struct itimerspec its = spec(value, interval);

	CHECK_EQ(timer_settime(id, flags, &its, NULL), 0);
}

static int64_t left(timer_t id)
{
	struct itimerspec its;

	CHECK_EQ(timer_gettime(id, &its), 0);
	return ns_of(its.it_value);
}

static siginfo_t wait_signal(void)
{
	siginfo_t si;
	int n;

	memset(&si, 0, sizeof(si));
	do
		n = sigwaitinfo(&wanted, &si);
	while (n < 0 && errno == EINTR);
	CHECK(n > 0);
	CHECK_EQ(si.si_signo, n);
	return si;
}

/* No signal of a timer within `ns`. */
static void expect_none(int64_t ns)
{
	struct timespec ts = { 0, (long)ns };

	CHECK_ERRNO(sigtimedwait(&wanted, NULL, &ts), EAGAIN);
}

static void one_shots(void)
{
	unsigned i;

	for (i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		timer_t id = create(clocks[i], SIGEV_SIGNAL, SIGRTMIN + 1, 77);
		int64_t start = check_clock(clocks[i]);
		siginfo_t si;

		CHECK_EQ(left(id), 0);
		set(id, 0, 3 * MS, 0);
		CHECK(left(id) <= 3 * MS);
		si = wait_signal();
		CHECK(check_clock(clocks[i]) >= start + 3 * MS);
		CHECK_EQ(si.si_signo, SIGRTMIN + 1);
		CHECK_EQ(si.si_code, SI_TIMER);
		CHECK_EQ(si.si_value.sival_int, 77);
		CHECK_EQ(si.si_overrun, 0);
		CHECK_EQ(si.si_timerid, (intptr_t)id);
		CHECK_EQ(timer_getoverrun(id), 0);
		CHECK_EQ(left(id), 0);

		start = check_clock(clocks[i]) + 2 * MS;
		set(id, TIMER_ABSTIME, start, 0);
		wait_signal();
		CHECK(check_clock(clocks[i]) >= start);
		set(id, TIMER_ABSTIME, 1, 0); /* long past */
		wait_signal();
		CHECK_EQ(timer_getoverrun(id), 0);

		set(id, 0, 3600 * 1000 * MS, 0);
		CHECK(left(id) > 3000 * 1000 * MS);
		set(id, 0, 0, 0);
		CHECK_EQ(left(id), 0);
		set(id, 0, 1 * MS, 0);
		CHECK_EQ(timer_delete(id), 0);
		expect_none(3 * MS);
	}
}

/* A signal that waits is one signal, and says how many intervals went by; then the timer goes on, on its grid. */
static void intervals(void)
{
	timer_t id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 5);
	struct timespec nap = { 0, 10 * MS };
	int64_t start, armed, before, after, first;
	struct itimerspec its, old;
	siginfo_t si;
	int i;

	start = check_clock(CLOCK_MONOTONIC);
	set(id, 0, 2 * MS, MS);
	armed = check_clock(CLOCK_MONOTONIC);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	before = check_clock(CLOCK_MONOTONIC);
	si = wait_signal();
	after = check_clock(CLOCK_MONOTONIC);
	/* the first expiry was 2 ms after a time between `start` and `armed`, the signal taken between `before` and `after` */
	CHECK(si.si_overrun <= (after - start - 2 * MS) / MS);
	CHECK(si.si_overrun >= (before - armed - 2 * MS) / MS);
	CHECK_EQ(timer_getoverrun(id), si.si_overrun);
	for (i = 0; i < 5; i++)
		CHECK_EQ(wait_signal().si_value.sival_int, 5);
	CHECK_EQ(timer_gettime(id, &its), 0);
	CHECK_EQ(ns_of(its.it_interval), MS);
	CHECK(ns_of(its.it_value) > 0 && ns_of(its.it_value) <= MS);

	/* an absolute start long past: the grid is kept, what lies behind are overruns */
	first = check_clock(CLOCK_MONOTONIC) - 500 * MS;
	if (first > 0) {
		set(id, TIMER_ABSTIME, first, 50 * MS);
		CHECK(wait_signal().si_overrun >= 9);
		wait_signal();
		after = check_clock(CLOCK_MONOTONIC);
		CHECK((after - first) / (50 * MS) >= 10);
	}
	/* an interval far too short for anybody: no storm, the program goes on, and the overrun is bounded */
	set(id, 0, 1, 1);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	si = wait_signal();
	CHECK(si.si_overrun > 1000);
	CHECK_EQ(nanosleep(&nap, NULL), 0);

	/* setting it anew takes a waiting signal back, and tells what was set */
	its = spec(0, 0);
	CHECK_EQ(timer_settime(id, 0, &its, &old), 0);
	CHECK_EQ(ns_of(old.it_interval), 1);
	expect_none(2 * MS);
	CHECK_EQ(timer_delete(id), 0);
}

static void no_notice(void)
{
	timer_t id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	struct timespec nap = { 0, 3 * MS };
	int64_t a, b;

	set(id, 0, 3600 * 1000 * MS, 0);
	a = left(id);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	b = left(id);
	CHECK(b <= a - 3 * MS);
	set(id, 0, 1 * MS, 0);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK_EQ(left(id), 0);
	set(id, 0, 1 * MS, 7 * MS);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK(left(id) > 0 && left(id) <= 7 * MS);
	CHECK_EQ(timer_getoverrun(id), 0);
	CHECK_EQ(timer_delete(id), 0);
	expect_none(MS);
}

/* Many timers with one signal: each tells once, none before its time. */
static void many(void)
{
	enum { N = 300 };
	static timer_t ids[N];
	static int64_t due[N];
	uint64_t rng = 5;
	int seen[N] = { 0 }, i, k;

	for (i = 0; i < N; i++)
		ids[i] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 2, i);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < N; i++) {
			due[i] = check_clock(CLOCK_MONOTONIC) + (int64_t)(check_random(&rng) % (8 * MS));
			set(ids[i], TIMER_ABSTIME, due[i], 0);
		}
		for (i = 0; i < N; i++) {
			siginfo_t si = wait_signal();
			int v = si.si_value.sival_int;

			CHECK(v >= 0 && v < N);
			CHECK_EQ(seen[v]++, k);
			CHECK(check_clock(CLOCK_MONOTONIC) >= due[v]);
			CHECK_EQ(si.si_timerid, (intptr_t)ids[v]);
		}
		expect_none(1);
	}
	/* deleted while some wait, some are armed, some have told */
	for (i = 0; i < N; i++)
		set(ids[i], 0, 1 + (int64_t)(check_random(&rng) % (2 * MS)), 0);
	for (i = 0; i < N; i++)
		CHECK_EQ(timer_delete(ids[i]), 0);
	expect_none(3 * MS);
}

/* ---- handlers ---- */

static volatile sig_atomic_t handled, handled_value;

static void handler(int n, siginfo_t *si, void *context)
{
	CHECK_EQ(n, SIGUSR1);
	CHECK_EQ(si->si_code, SI_TIMER);
	CHECK(context);
	handled_value = si->si_value.sival_int;
	handled++;
}

static void handlers(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	struct timespec nap = { 1000, 0 }, rest;
	timer_t id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 123), plain;

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	set(id, 0, 2 * MS, 2 * MS); /* the first may come before we sleep */
	CHECK_ERRNO(nanosleep(&nap, &rest), EINTR);
	CHECK(rest.tv_sec < 1000 && rest.tv_sec > 900);
	CHECK(handled >= 1);
	CHECK_EQ(handled_value, 123);
	handled = 0;
	/* to a thread that computes: the interrupt itself brings it */
	set(id, 0, 1 * MS, MS / 2);
	while (handled < 6)
		check_pause();
	/* ignored it goes on, and tells again when it is not */
	CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	nap = (struct timespec){ 0, 3 * MS };
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	handled = 0;
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	while (handled < 2)
		check_pause();
	CHECK_EQ(timer_delete(id), 0);
	handled = 0;
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK_EQ(handled, 0);

	/* no sigevent: SIGALRM with the timer's id */
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, NULL, &plain), 0);
	set(plain, 0, MS, 0);
	{
		siginfo_t si = wait_signal();

		CHECK_EQ(si.si_signo, SIGALRM);
		CHECK_EQ(si.si_value.sival_int, (intptr_t)plain);
	}
	CHECK_EQ(timer_delete(plain), 0);
}

/* ---- threads ---- */

static atomic_int notified;
static pthread_t main_thread;

static void notify(union sigval value)
{
	CHECK_EQ(value.sival_int, 99);
	CHECK(!pthread_equal(pthread_self(), main_thread));
	atomic_fetch_add(&notified, 1);
}

static void notify_threads(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD,
			       .sigev_notify_function = notify,
			       .sigev_value.sival_int = 99 };
	struct timespec nap = { 0, MS };
	timer_t ids[4];
	int i;

	main_thread = pthread_self();
	for (i = 0; i < 4; i++) {
		CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &ids[i]), 0);
		set(ids[i], 0, MS, i ? MS : 0);
	}
	while (atomic_load(&notified) < 20)
		nanosleep(&nap, NULL);
	CHECK_EQ(left(ids[0]), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(timer_delete(ids[i]), 0);
}

static atomic_int target_tid, target_done;

static void *target(void *arg)
{
	siginfo_t si;

	atomic_store(&target_tid, (int)syscall(SYS_gettid));
	si = wait_signal();
	CHECK_EQ(si.si_code, SI_TIMER);
	CHECK_EQ(si.si_value.sival_int, 42);
	while (!atomic_load(&target_done))
		sched_yield();
	return arg;
}

/* A timer of one thread is told to that thread alone; when the thread is gone it is quiet, and can still be used and deleted. */
static void thread_targets(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
			       .sigev_signo = SIGRTMIN + 3,
			       .sigev_value.sival_int = 42 };
	int i;

	for (i = 0; i < 4; i++) {
		pthread_t thread;
		timer_t id;

		atomic_store(&target_tid, 0);
		atomic_store(&target_done, 0);
		thread = check_spawn(target, NULL);
		while (!atomic_load(&target_tid))
			sched_yield();
		ev.sigev_notify_thread_id = atomic_load(&target_tid);
		CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &id), 0);
		set(id, 0, MS, i & 1 ? MS / 4 : MS);
		expect_none(MS);
		atomic_store(&target_done, 1);
		check_join(thread);
		expect_none(2 * MS);
		set(id, 0, 1, 1000);
		expect_none(MS);
		CHECK_EQ(timer_delete(id), 0);
		CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	}
}

static atomic_int reusing;

static void *take_good(void *arg)
{
	struct timespec now = { 0, 0 };
	siginfo_t si;

	while (atomic_load(&reusing)) {
		if (sigtimedwait(&wanted, &si, &now) > 0)
			CHECK_EQ(si.si_value.sival_int, 1);
		else
			sched_yield();
	}
	return arg;
}

/* A signal of a deleted timer that another thread is just taking does not speak of a new timer with the same number. */
static void reused(void)
{
	enum { N = 64 };
	timer_t ids[N], id;
	uint64_t rng = 9;
	pthread_t thread;
	int n = 0, i;

	/* until no number is left that was used before: then the one deleted is the next */
	do
		ids[n++] = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	while (n < N && ((intptr_t)ids[n - 1] & 15) != 15);
	id = ids[--n];
	atomic_store(&reusing, 1);
	thread = check_spawn(take_good, NULL);
	for (i = 0; i < 150; i++) {
		uint64_t yields = check_random(&rng) % 4;

		CHECK_EQ(timer_delete(id), 0);
		id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 1);
		set(id, 0, 1, 0);
		while (yields--)
			sched_yield();
		CHECK_EQ(timer_delete(id), 0);
		id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 2);
		set(id, 0, 1000 * 1000 * MS, 0);
	}
	atomic_store(&reusing, 0);
	check_join(thread);
	CHECK_EQ(timer_delete(id), 0);
	while (n > 0)
		CHECK_EQ(timer_delete(ids[--n]), 0);
}

static void errors(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 };
	struct itimerspec its = spec(0, 0), bad = { .it_value = { 0, 1000000000 } },
			  negative = { .it_interval = { -1, 0 } };
	timer_t id = (timer_t)(intptr_t)-1;

	CHECK_ERRNO(timer_create(9999, NULL, &id), EINVAL);
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC_RAW, NULL, &id), EOPNOTSUPP);
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev.sigev_signo = 0;
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev = (struct sigevent){ .sigev_notify = 17, .sigev_signo = SIGUSR1 };
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID,
				.sigev_signo = SIGUSR1,
				.sigev_notify_thread_id = 1 << 20 };
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8), EFAULT);
	CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id), EFAULT);

	id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);
	CHECK_ERRNO(timer_settime(id, 0, &bad, NULL), EINVAL);
	CHECK_ERRNO(timer_settime(id, 0, &negative, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_settime, (int)(intptr_t)id, 0, (void *)8, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_timer_settime, (int)(intptr_t)id, 0, NULL, NULL), EINVAL);
	CHECK_EQ(timer_delete(id), 0);
	errno = 0;
	CHECK(timer_delete(id) != 0); /* musl gives the kernel's number back here */
	CHECK_ERRNO(timer_settime(id, 0, &its, NULL), EINVAL);
	CHECK_ERRNO(timer_gettime(id, &its), EINVAL);
	CHECK_ERRNO(timer_getoverrun(id), EINVAL);
	CHECK_ERRNO(timer_gettime((timer_t)(intptr_t)1000000, &its), EINVAL);
	CHECK_ERRNO(syscall(SYS_timer_gettime, -1, &its), EINVAL);
	CHECK_ERRNO(clock_settime(CLOCK_MONOTONIC, &its.it_value), EINVAL);
}

int main(void)
{
	int i;

	sigemptyset(&wanted);
	for (i = 0; i < 4; i++)
		sigaddset(&wanted, SIGRTMIN + i);
	sigaddset(&wanted, SIGALRM);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &wanted, NULL));
	errors();
	one_shots();
	intervals();
	no_notice();
	many();
	handlers();
	notify_threads();
	thread_targets();
	reused();
	return 0;
}
