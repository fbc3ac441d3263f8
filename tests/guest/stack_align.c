// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* Everywhere that C code is entered the stack has the ABI's alignment: SSE spills to it must not fault. */
#include "check.h"

#include <signal.h>

static volatile sig_atomic_t handled;

/* An aligned SSE store to the stack, and the address that the compiler believes to be aligned. */
__attribute__((noinline)) static void use_stack(void)
{
	_Alignas(16) volatile unsigned char block[16];

	__asm__ volatile("pxor %%xmm0, %%xmm0; movaps %%xmm0, %0" : "=m"(block) : : "xmm0");
	CHECK_EQ((uintptr_t)block % 16, 0);
	CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
}

__attribute__((constructor)) static void in_constructor(void)
{
	use_stack();
}

static void in_handler(int signal)
{
	use_stack();
	handled = signal;
}

static void in_key_destructor(void *value)
{
	(void)value;
	use_stack();
}

static void in_once(void)
{
	use_stack();
}

static void in_cleanup(void *arg)
{
	(void)arg;
	use_stack();
}

static pthread_key_t key;

static void *in_thread(void *arg)
{
	use_stack();
	CHECK_OK(pthread_setspecific(key, &key));
	pthread_cleanup_push(in_cleanup, NULL);
	CHECK_EQ(raise(SIGUSR1), 0);
	pthread_cleanup_pop(1);
	return arg;
}

int main(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sigaction action = { .sa_handler = in_handler };

	use_stack();
	atexit(use_stack);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled, SIGUSR1);
	CHECK_OK(pthread_once(&once, in_once));
	CHECK_OK(pthread_key_create(&key, in_key_destructor));
	check_join(check_spawn(in_thread, NULL));
	return 0;
}
