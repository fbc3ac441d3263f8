// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 cpus=1,2,4,8 timeout=120
/*
 * Timers and sleeps of many threads at once, on all CPUs, while many others are armed for later. Promises kept:
 *   - nothing is early: no sleep, no signal of a timer;
 *   - timers of one CPU fire in the order of their deadlines, those of equal time in any;
 *   - an interval timer's signals and overruns together are exactly the intervals that have passed;
 *   - a timer that another thread stops or deletes, at the moment of its expiry too, tells nothing after that, and one that is
 *     not stopped tells once;
 *   - what is asked of an armed timer lies between what was set and 0.
 */
#include "torture.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#ifndef sigev_notify_thread_id /* glibc */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { MAX_WORKERS = 12, BATCH = 12, FAR = 200 };

#define US 1000LL

struct worker {
	pthread_t thread, canceller;
	int tid;
	unsigned index;
	uint64_t rnd;
	/* a timer on its way to the canceller and back */
	sem_t go, stopped;
	timer_t timer;
	int64_t spin_until;
	bool remove;
	bool quit;
};

static struct worker workers[MAX_WORKERS];
static sigset_t wanted;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

static timer_t create(const struct worker *w, int notify, int value)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = value };
	timer_t id;

	ev.sigev_notify_thread_id = w->tid;
	CHECK_EQ(timer_create(torture.seed & 1 ? CLOCK_MONOTONIC : CLOCK_BOOTTIME, &ev, &id), 0);
	return id;
}

static void set_at(timer_t id, int64_t due, int64_t interval)
{
	struct itimerspec its = { .it_value = timespec_of(due), .it_interval = timespec_of(interval) };

	CHECK_EQ(timer_settime(id, TIMER_ABSTIME, &its, NULL), 0);
}

/* The calling thread's next signal; false: none within `ns`. */
static bool take(siginfo_t *si, int64_t ns)
{
	struct timespec ts = timespec_of(ns);

	if (sigtimedwait(&wanted, si, &ts) < 0) {
		CHECK_EQ(errno, EAGAIN);
		return false;
	}
	CHECK_EQ(si->si_code, SI_TIMER);
	return true;
}

static void sleep_some(struct worker *w)
{
	int64_t ns = torture_below(&w->rnd, 400000), start = now();
	clockid_t clock = torture_below(&w->rnd, 2) ? CLOCK_MONOTONIC : CLOCK_REALTIME;
	struct timespec ts = timespec_of(ns);

	if (torture_below(&w->rnd, 2)) {
		CHECK_OK(clock_nanosleep(clock, 0, &ts, NULL));
	} else {
		ts = check_after(clock, ns);
		CHECK_OK(clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL));
	}
	if (now() < start + ns)
		torture_fail("a sleep of %lld ns took %lld", (long long)ns, (long long)(now() - start));
}

/* Several timers armed on one CPU: their signals queue in the order in which they fired. */
static void in_order(struct worker *w)
{
	timer_t ids[BATCH];
	int64_t due[BATCH], armed[BATCH], base;
	bool seen[BATCH] = { false };
	int last = -1, i;
	siginfo_t si;

	check_pin((int)torture_below(&w->rnd, (unsigned)check_cpus()));
	for (i = 0; i < BATCH; i++)
		ids[i] = create(w, SIGEV_THREAD_ID, i);
	base = now() + 50 * US;
	for (i = 0; i < BATCH; i++) {
		due[i] = base + torture_below(&w->rnd, torture_below(&w->rnd, 4) ? 200000 : 1000);
		set_at(ids[i], due[i], 0);
		armed[i] = now();
	}
	for (i = 0; i < BATCH; i++) {
		int v;

		while (!take(&si, 1000000000))
			;
		v = si.si_value.sival_int;
		TORTURE_CHECK(v >= 0 && v < BATCH && !seen[v]);
		seen[v] = true;
		TORTURE_CHECK(now() >= due[v]);
		/* `v` was armed before the last one could fire, and due before it */
		if (last >= 0 && due[v] < due[last] && armed[v] <= due[last])
			torture_fail("a timer due %lld ns later fired first", (long long)(due[last] - due[v]));
		last = v;
	}
	TORTURE_CHECK(!take(&si, 0));
	for (i = 0; i < BATCH; i++)
		CHECK_EQ(timer_delete(ids[i]), 0);
}

static void intervals(struct worker *w)
{
	int64_t interval = 20 * US + torture_below(&w->rnd, 200000), due = now() + torture_below(&w->rnd, 300000);
	timer_t id = create(w, SIGEV_THREAD_ID, 1000);
	int64_t expired = 0, before, after;
	siginfo_t si;
	int i;

	set_at(id, due, interval);
	for (i = 0; i < 5; i++) {
		if (torture_below(&w->rnd, 2))
			sleep_some(w);
		before = now();
		while (!take(&si, 1000000000))
			;
		after = now();
		CHECK_EQ(si.si_value.sival_int, 1000);
		expired += 1 + si.si_overrun;
		if (due + (expired - 1) * interval > after)
			torture_fail("%lld expiries told too early", (long long)expired);
		if (due + expired * interval <= before)
			torture_fail("%lld expiries told, more have been", (long long)expired);
	}
	CHECK_EQ(timer_delete(id), 0);
	TORTURE_CHECK(!take(&si, 0));
}

/* The canceller stops the timer about when it expires. */
static void cancelled(struct worker *w)
{
	int64_t due = now() + 20 * US + torture_below(&w->rnd, 100000);
	siginfo_t si;

	w->timer = create(w, SIGEV_THREAD_ID, 2000);
	w->spin_until = due - 20 * US + torture_below(&w->rnd, 40000);
	w->remove = torture_below(&w->rnd, 2);
	set_at(w->timer, due, torture_below(&w->rnd, 2) ? 5 * US : 0);
	CHECK_EQ(sem_post(&w->go), 0);
	CHECK_EQ(sem_wait(&w->stopped), 0);
	TORTURE_CHECK(!take(&si, torture_below(&w->rnd, 2) ? 0 : 50 * US));
	if (!w->remove)
		CHECK_EQ(timer_delete(w->timer), 0);
}

static void *canceller(void *arg)
{
	struct worker *w = arg;
	struct itimerspec off = { .it_value = { 0, 0 } };

	for (;;) {
		CHECK_EQ(sem_wait(&w->go), 0);
		if (w->quit)
			return NULL;
		while (now() < w->spin_until)
			sched_yield();
		if (w->remove)
			CHECK_EQ(timer_delete(w->timer), 0);
		else
			CHECK_EQ(timer_settime(w->timer, 0, &off, NULL), 0);
		CHECK_EQ(sem_post(&w->stopped), 0);
	}
}

/* One timer set anew again and again, from microseconds to days: it tells at most of the last setting. */
static void set_anew(struct worker *w)
{
	timer_t id = create(w, SIGEV_THREAD_ID, 3000);
	int64_t due = 0;
	siginfo_t si;
	int i;

	for (i = 0; i < 40; i++) {
		struct itimerspec its;
		int64_t left;

		due = now() + (int64_t)(torture_random(&w->rnd) >> (1 + torture_below(&w->rnd, 40)));
		set_at(id, due, 0);
		CHECK_EQ(timer_gettime(id, &its), 0);
		left = its.it_value.tv_sec * 1000000000LL + its.it_value.tv_nsec;
		TORTURE_CHECK(left >= 0 && left <= due);
		TORTURE_CHECK(left == 0 || left == 1 || now() + left >= due);
	}
	if (take(&si, 0))
		TORTURE_CHECK(now() >= due);
	CHECK_EQ(timer_delete(id), 0);
	TORTURE_CHECK(!take(&si, 0));
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned mine = 0;

	w->tid = (int)syscall(SYS_gettid);
	w->canceller = check_spawn(canceller, w);
	while (torture_more(&mine)) {
		switch (torture_below(&w->rnd, 8)) {
		case 0:
			in_order(w);
			break;
		case 1:
			intervals(w);
			break;
		case 2:
		case 3:
			cancelled(w);
			break;
		case 4:
			set_anew(w);
			break;
		default:
			sleep_some(w);
		}
	}
	w->quit = true;
	CHECK_EQ(sem_post(&w->go), 0);
	check_join(w->canceller);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned n, i;
	timer_t far[FAR];
	uint64_t rnd;

	torture_begin(argc, argv, 1200);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGRTMIN + 1);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &wanted, NULL));
	rnd = torture_stream(1000);
	workers[0].tid = (int)syscall(SYS_gettid);
	for (i = 0; i < FAR; i++) {
		far[i] = create(&workers[0], SIGEV_THREAD_ID, 0);
		set_at(far[i],
		       now() + 1000000000000LL + (int64_t)(torture_random(&rnd) >> (1 + torture_below(&rnd, 12))), 0);
	}
	n = (unsigned)check_cpus() * 2 + 2;
	n = n < MAX_WORKERS ? n : MAX_WORKERS;
	for (i = 0; i < n; i++) {
		workers[i].index = i;
		workers[i].rnd = torture_stream(i);
		CHECK_EQ(sem_init(&workers[i].go, 0, 0), 0);
		CHECK_EQ(sem_init(&workers[i].stopped, 0, 0), 0);
		workers[i].thread = check_spawn(work, &workers[i]);
	}
	for (i = 0; i < n; i++)
		check_join(workers[i].thread);
	for (i = 0; i < FAR; i++)
		CHECK_EQ(timer_delete(far[i]), 0);
	return torture_end();
}
