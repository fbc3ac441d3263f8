// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * Signals: raise and pthread_kill run the handler on the right thread before they return (raise) or make a blocking call
 * return EINTR; masks hold signals back; flags are honoured; a pending signal is seen.
 */
#include "check.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

static volatile sig_atomic_t count, last;
static pthread_t handled_by;
static atomic_int stage, handled;
static sem_t never;

static void handler(int signal)
{
	count++;
	last = signal;
	handled_by = pthread_self();
	errno = 1234;
}

static void handler_info(int signal, siginfo_t *info, void *context)
{
	sigset_t now;

	CHECK_EQ(info->si_signo, signal);
	CHECK(context);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	CHECK(sigismember(&now, SIGUSR2) == 1); /* itself */
	CHECK(sigismember(&now, SIGHUP) == 1);	/* sa_mask */
	count++;
}

static void note(int signal)
{
	(void)signal;
	atomic_fetch_add(&handled, 1);
}

static void *interrupted(void *arg)
{
	struct timespec ts = { 1000, 0 };

	atomic_store(&stage, 1);
	CHECK_ERRNO(arg ? sem_wait(&never) : nanosleep(&ts, NULL), EINTR);
	atomic_store(&stage, 2);
	return NULL;
}

static void *computes(void *arg)
{
	atomic_store(&stage, 1);
	while (atomic_load(&handled) == 0) /* no call: the signal comes with an interrupt */
		;
	return arg;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler }, old;
	sigset_t set, pending, before;
	pthread_t thread;
	intptr_t i;

	CHECK_EQ(sem_init(&never, 0, 0), 0);
	CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
	CHECK(old.sa_handler == SIG_DFL);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(last, SIGUSR1);
	CHECK(pthread_equal(handled_by, pthread_self()));
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(count, 2);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, &before));
	CHECK_EQ(sigismember(&before, SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0); /* pending is pending: once */
	CHECK_EQ(count, 2);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
	CHECK_OK(pthread_sigmask(SIG_SETMASK, &before, NULL));
	CHECK_EQ(count, 3);

	action.sa_flags = SA_RESETHAND | SA_NODEFER;
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(count, 4);
	CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
	CHECK(old.sa_handler == SIG_DFL);

	action.sa_flags = SA_SIGINFO;
	action.sa_sigaction = handler_info;
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGHUP);
	CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(count, 5);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, NULL, &before));
	CHECK_EQ(sigismember(&before, SIGUSR2), 0);
	CHECK_EQ(sigismember(&before, SIGHUP), 0);

	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(count, 5);

	action = (struct sigaction){ .sa_handler = note };
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	for (i = 0; i < 10; i++) {
		atomic_store(&stage, 0);
		thread = check_spawn(interrupted, (void *)(i & 1));
		while (atomic_load(&stage) != 2) { /* again and again: it may not block yet */
			if (atomic_load(&stage) == 1)
				CHECK_OK(pthread_kill(thread, SIGUSR1));
			sched_yield();
		}
		check_join(thread);
	}
	for (i = 0; i < 5; i++) {
		atomic_store(&stage, 0);
		atomic_store(&handled, 0);
		thread = check_spawn(computes, NULL);
		while (atomic_load(&stage) != 1)
			sched_yield();
		CHECK_OK(pthread_kill(thread, SIGUSR1));
		check_join(thread);
		CHECK_EQ(atomic_load(&handled), 1);
	}
	CHECK_EQ(pthread_kill(pthread_self(), 1000), EINVAL);
	CHECK_ERRNO(sigaction(SIGKILL, &action, NULL), EINVAL);
	return 0;
}
