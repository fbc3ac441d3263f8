// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2 stdin=hello
/*
 * poll, ppoll and select on the standard streams: what is ready is said to be, time-outs are waited for and not cut short,
 * a signal ends them with EINTR whatever SA_RESTART says, and ppoll's mask holds while it waits and no longer. Sleeping and waiting
 * calls: nanosleep says what is left; a semaphore is taken although handlers with SA_RESTART ran meanwhile.
 */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/select.h>

#define MS 1000000ll

static atomic_int handled;
static atomic_bool returned;
static pthread_t main_thread;
static sem_t posted;

static void handler(int signal)
{
	(void)signal;
	handled++;
}

static void install(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

/* Signals the main thread until its call has returned, so it does not matter when it falls asleep. */
static void *disturb(void *arg)
{
	(void)arg;
	while (!returned) {
		struct timespec ts = { .tv_nsec = 5 * MS };

		nanosleep(&ts, NULL);
		CHECK_OK(pthread_kill(main_thread, SIGUSR1));
	}
	return NULL;
}

static void *disturb_and_post(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		int before = handled;

		CHECK_OK(pthread_kill(main_thread, SIGUSR1));
		while (handled == before)
			sched_yield();
	}
	CHECK_EQ(sem_post(&posted), 0);
	return NULL;
}

static void done(pthread_t disturber)
{
	returned = true;
	check_join(disturber);
	returned = false;
}

static void test_ready(void)
{
	struct pollfd p[3] = { { .fd = 0, .events = POLLIN },
			       { .fd = 1, .events = POLLOUT },
			       { .fd = 99, .events = POLLIN } };
	char text[16];
	fd_set in, to;

	CHECK(poll(p, 3, -1) >= 2);
	CHECK_EQ(p[1].revents, POLLOUT);
	CHECK_EQ(p[2].revents, POLLNVAL);
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(p[0].revents, POLLIN);
	FD_ZERO(&in);
	FD_ZERO(&to);
	FD_SET(0, &in);
	FD_SET(1, &to);
	CHECK_EQ(select(2, &in, &to, NULL, NULL), 2);
	CHECK(FD_ISSET(0, &in) && FD_ISSET(1, &to));
	FD_SET(99, &in);
	CHECK_ERRNO(select(100, &in, NULL, NULL, NULL), EBADF);
	for (size_t have = 0; have < 5;) {
		ssize_t n = read(0, text + have, sizeof(text) - have);

		CHECK(n > 0);
		have += (size_t)n;
	}
	CHECK(!memcmp(text, "hello", 5));
	/* at its end it is ready: read() returns 0 at once */
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(read(0, text, sizeof(text)), 0);
}

static void test_timeouts(void)
{
	int64_t start = check_clock(CLOCK_MONOTONIC);
	struct timeval tv = { .tv_usec = 30000 };

	CHECK_EQ(poll(NULL, 0, 30), 0);
	CHECK(check_clock(CLOCK_MONOTONIC) - start >= 30 * MS);
	start = check_clock(CLOCK_MONOTONIC);
	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	CHECK(check_clock(CLOCK_MONOTONIC) - start >= 30 * MS);
	CHECK_EQ(poll(NULL, 0, 0), 0);
}

static void test_signals(void)
{
	sigset_t blocked, old, now;
	struct timespec hour = { .tv_sec = 3600 }, left = { 0 };
	pthread_t t;

	install(SA_RESTART);
	t = check_spawn(disturb, NULL);
	CHECK_ERRNO(poll(NULL, 0, -1), EINTR);
	done(t);

	t = check_spawn(disturb, NULL);
	CHECK_ERRNO(nanosleep(&hour, &left), EINTR);
	CHECK(left.tv_sec >= 3590 && left.tv_sec < 3600);
	done(t);

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &old), 0);
	t = check_spawn(disturb, NULL);
	CHECK_ERRNO(ppoll(NULL, 0, NULL, &old), EINTR);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	CHECK(sigismember(&now, SIGUSR1) == 1);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	done(t);

	CHECK_EQ(sem_init(&posted, 0, 0), 0);
	t = check_spawn(disturb_and_post, NULL);
	CHECK_EQ(sem_wait(&posted), 0);
	check_join(t);
}

int main(void)
{
	main_thread = pthread_self();
	test_ready();
	test_timeouts();
	test_signals();
	return 0;
}
