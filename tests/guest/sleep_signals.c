// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 cpus=1,2,4
/*
 * A sleep ends before its time only for a handler that ran in the sleeping thread: not for a signal that is ignored, nor for one
 * of the process that another thread took. After a handler it says what is left, and that is never less than what it should be.
 */
#include "check.h"

#include <signal.h>
#include <stdatomic.h>

static __thread volatile sig_atomic_t mine;
static atomic_int total, stop;

static void handler(int n)
{
	(void)n;
	mine++;
	atomic_fetch_add(&total, 1);
}

static void *sleeper(void *arg)
{
	uint64_t rng = 11 + (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		int64_t ns = (int64_t)(check_random(&rng) % 3000000), start = check_clock(CLOCK_MONOTONIC), end;
		struct timespec ts = { 0, (long)ns }, left = { 0, 0 }, at = check_after(CLOCK_MONOTONIC, ns);
		bool absolute = check_random(&rng) % 2;
		int before = mine, r;

		r = clock_nanosleep(CLOCK_MONOTONIC, absolute ? TIMER_ABSTIME : 0, absolute ? &at : &ts, &left);
		end = check_clock(CLOCK_MONOTONIC);
		if (r == 0) {
			CHECK(end >= start + ns);
		} else {
			CHECK_EQ(r, EINTR);
			CHECK(mine != before);
			if (!absolute)
				CHECK(end + left.tv_nsec >= start + ns);
		}
	}
	return NULL;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler };
	pthread_t threads[4];
	struct timespec nap = { 0, 100000 };
	sigset_t set;
	intptr_t i;

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(sleeper, (void *)i);
	/* the sleepers take it, not we */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	for (i = 0; i < check_rounds(100); i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		CHECK_EQ(kill(getpid(), SIGCHLD), 0);
		CHECK_OK(pthread_kill(threads[i % 4], SIGURG));
		CHECK_EQ(nanosleep(&nap, NULL), 0);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);
	CHECK(atomic_load(&total) > 0);
	return 0;
}
