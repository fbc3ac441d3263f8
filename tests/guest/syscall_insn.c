// SPDX-License-Identifier: BSD-3-Clause
// test: plat=host cpus=1,2
/*
 * System calls by the `syscall` instruction: number, arguments and results as on Linux, all other registers kept (vector
 * registers too, over a call that sleeps), restarted or ended with EINTR by a handler, from several threads at once.
 */
#include "check.h"

#include <signal.h>
#include <sys/syscall.h>

static long raw(long n, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

static volatile int handled;

static void handler(int sig)
{
	handled = sig;
}

/* xmm6 and rbx live over a call that sleeps while other threads use both. */
static int registers_survive(void)
{
	struct timespec ms = { 0, 1000000 };
	uint64_t in = 0x1234567890abcdefull, out, rbx;
	long r;

	__asm__ volatile("movq %4, %%xmm6; mov %4, %%rbx; syscall; movq %%xmm6, %1; mov %%rbx, %2"
			 : "=a"(r), "=r"(out), "=r"(rbx)
			 : "a"(SYS_nanosleep), "r"(in), "D"(&ms), "S"(0)
			 : "rcx", "r11", "rbx", "xmm6", "memory");
	return r == 0 && out == in && rbx == in;
}

static void *worker(void *arg)
{
	volatile double x = 1;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		CHECK(registers_survive());
		for (int k = 0; k < 1000; k++)
			x = x * 1.0001 + 0.5;
	}
	return NULL;
}

static pthread_t main_thread;

/* Again and again, because the first may come before the call sleeps. */
static void *interrupter(void *arg)
{
	while (!handled) {
		usleep(1000);
		pthread_kill(main_thread, SIGUSR1);
	}
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler };
	struct timespec minute = { 60, 0 };
	pthread_t t[4];
	char buf[8];

	CHECK(raw(SYS_write, 1, (long)"raw\n", 4) == 4);
	CHECK(raw(SYS_getpid, 0, 0, 0) == getpid());
	CHECK(raw(SYS_write, 1, 0x10, 4) == -EFAULT);
	CHECK(raw(SYS_read, 77, (long)buf, 1) == -EBADF);
	CHECK(raw(100000, 0, 0, 0) == -ENOSYS);

	sigaction(SIGUSR1, &sa, NULL);
	CHECK(raw(SYS_kill, getpid(), SIGUSR1, 0) == 0 && handled == SIGUSR1);
	handled = 0;
	main_thread = pthread_self();
	t[0] = check_spawn(interrupter, NULL);
	CHECK(raw(SYS_nanosleep, (long)&minute, 0, 0) == -EINTR && handled == SIGUSR1);
	check_join(t[0]);

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, worker, NULL));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return 0;
}
