// SPDX-License-Identifier: BSD-3-Clause
/*
 * Start of the C library in the main thread: what musl's __libc_start_main() does, in two halves, with the one thing in
 * between that makes it a library of a kernel: musl is told for ever that there is more than one thread. While its count
 * of threads is 0 it skips its locks and its stdio locks, and it sets the count back when the last created thread exits;
 * but kernel threads that use libc are in no list of its own. So the count begins at 1 and never reaches 0 again; what
 * pthread_create() sets up for its first thread (file locks, the main thread's data slots) is set up here.
 *
 * Standard output stays line buffered although it is no terminal: the machine may end (time-out, crash) at any moment, and
 * lines that were printed before should have been seen.
 *
 * Runs once, on the main thread's application stack; everything else that uses libc starts later. Which TLS block static
 * start-up builds follows from PT_TLS through AT_PHDR; the load address from PT_DYNAMIC (src/env/__init_tls.c). TLS that
 * does not fit into musl's static block is mapped, so nothing here needs a heap.
 */
#include "stdio_impl.h"

#include "pthread_impl.h"
#include "libc.h"

#include "libc/start.h"

int main(int argc, char **argv, char **envp);

/* Each is there only if the program uses what it belongs to; a table of addresses, so that an absent one is a plain 0. */
extern FILE *volatile stdin_used __asm__("__stdin_used") weak;
extern FILE *volatile stdout_used __asm__("__stdout_used") weak;
extern FILE *volatile stderr_used __asm__("__stderr_used") weak;
extern void *tsd_main[] __asm__("__pthread_tsd_main") weak;

static FILE *volatile *const volatile streams[] = { &stdin_used, &stdout_used, &stderr_used };
static void **const volatile main_slots = tsd_main;

static void expect_threads(void)
{
	__libc.threads_minus_1 = 1;
	__libc.need_locks = 1;
	__libc.threaded = 1;
	__pthread_self()->tsd = main_slots;
	for (int i = 0; i < 3; i++) {
		FILE *f = streams[i] ? *streams[i] : 0;

		if (!f)
			continue;
		f->lock = 0;
		if (i == 1)
			f->flags |= F_SVB;
	}
}

/* Not before __init_libc() has set the thread pointer: __pthread_self() is no barrier, the compiler may read it early. */
static void __attribute__((noinline, noreturn))
start_second(const struct libc_start *s, int argc, char **argv, char **envp)
{
	struct pthread *self = __pthread_self();

	self->stack = s->stack_top;
	self->stack_size = s->stack_size;
	expect_threads();
	__libc_start_init();
	exit(main(argc, argv, envp));
}

void libc_start(void *arg)
{
	void (*volatile second)(const struct libc_start *, int, char **, char **) = start_second;
	struct libc_start s = *(struct libc_start *)arg;
	int argc = (int)s.block[0];
	char **argv = (char **)(s.block + 1), **envp = argv + argc + 1;

	__init_libc(envp, argv[0]);
	second(&s, argc, argv, envp);
}
