// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* setjmp and longjmp, from deep calls, from a signal handler with the mask restored, in several threads at once. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf from_handler;

__attribute__((noinline)) static int dive(jmp_buf buffer, int depth)
{
	volatile char frame[100];

	frame[0] = (char)depth;
	if (depth < 0)
		return 0; /* never */
	if (depth > 0)
		frame[0] += (char)dive(buffer, depth - 1);
	else
		longjmp(buffer, 7);
	return frame[0];
}

static void *jump(void *arg)
{
	volatile int rounds = 0;
	jmp_buf buffer;

	if (setjmp(buffer) == 0 || ++rounds < 500)
		dive(buffer, 20);
	CHECK_EQ(rounds, 500);
	return arg;
}

static void handler(int signal)
{
	siglongjmp(from_handler, signal);
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler };
	volatile int times = 0;
	pthread_t threads[4];
	sigset_t mask;
	int i;

	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(jump, NULL);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	if (sigsetjmp(from_handler, 1) == 0 || ++times < 10)
		raise(SIGUSR1);
	CHECK_EQ(times, 10);
	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
	CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
	return 0;
}
