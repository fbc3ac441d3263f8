// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * setitimer(ITIMER_REAL), getitimer() and alarm(): one timer behind the three. It tells by SIGALRM, never early, again and
 * again with an interval; each call says what was left. What is not there has its error.
 */
#include "check.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t count;

static void handler(int n, siginfo_t *si, void *context)
{
	CHECK_EQ(n, SIGALRM);
	CHECK_EQ(si->si_code, SI_KERNEL);
	CHECK(context);
	count++;
}

static void set(long us, long interval)
{
	struct itimerval it = { .it_value = { 0, us }, .it_interval = { 0, interval } };

	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	struct itimerval it = { .it_value = { 0, 1000000 } }, old;
	struct timespec nap = { 0, 3000000 };
	sigset_t mask;
	int64_t start;
	int i;

	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	for (i = 0; i < 5; i++) {
		start = check_clock(CLOCK_MONOTONIC);
		set(1500, 0);
		while (count == i)
			check_pause();
		CHECK(check_clock(CLOCK_MONOTONIC) >= start + 1500000);
	}
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK_EQ(old.it_value.tv_sec + old.it_value.tv_usec + old.it_interval.tv_usec, 0);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK_EQ(count, 5);

	/* again and again, at least the interval apart from its grid: never more often than the clock says */
	count = 0;
	start = check_clock(CLOCK_MONOTONIC);
	set(1000, 1000);
	while (count < 10)
		check_pause();
	CHECK(check_clock(CLOCK_MONOTONIC) >= start + 10 * 1000000);
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 1000);
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 1000);
	set(0, 0);
	count = 0;
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK_EQ(count, 0);

	/* the same timer: alarm() says what was left, to the next second */
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(50), 100);
	it = (struct itimerval){ .it_value = { 7, 0 } };
	CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
	CHECK(old.it_value.tv_sec >= 49 && old.it_value.tv_sec <= 50);
	CHECK(ualarm(2000, 2000) > 6000000); /* again: the first may come before we wait */
	CHECK_ERRNO(pause(), EINTR);
	CHECK(count >= 1);
	CHECK_EQ(alarm(0), 1);
	CHECK_EQ(alarm(0), 0);

	/* a signal that waits says nothing of a setting that came after it */
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &mask, NULL));
	count = 0;
	set(100, 100);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	it = (struct itimerval){ .it_value = { 100, 0 }, .it_interval = { 100, 0 } };
	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
	CHECK_EQ(sigwaitinfo(&mask, NULL), SIGALRM);
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK(old.it_value.tv_sec >= 90 && old.it_value.tv_sec <= 100);
	set(1000, 0);
	CHECK_EQ(sigwaitinfo(&mask, NULL), SIGALRM);
	CHECK_EQ(alarm(0), 0);
	CHECK_EQ(sigpending(&mask), 0);
	CHECK_EQ(sigismember(&mask, SIGALRM), 0);

	/* blocked: one signal, whatever passes; it stays when the timer is stopped, and is the last */
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &mask, NULL));
	count = 0;
	set(100, 100);
	CHECK_EQ(nanosleep(&nap, NULL), 0);
	CHECK_EQ(sigpending(&mask), 0);
	CHECK_EQ(sigismember(&mask, SIGALRM), 1);
	set(0, 0);
	CHECK_EQ(sigpending(&mask), 0);
	CHECK_EQ(sigismember(&mask, SIGALRM), 1);
	CHECK_EQ(count, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	CHECK_EQ(sigwaitinfo(&mask, NULL), SIGALRM);
	CHECK_EQ(sigpending(&mask), 0);
	CHECK_EQ(sigismember(&mask, SIGALRM), 0);

	it = (struct itimerval){ .it_value = { 0, 1000000 } };
	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it = (struct itimerval){ .it_value = { -1, 0 } };
	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERRNO(getitimer(99, &it), EINVAL);
	return 0;
}
