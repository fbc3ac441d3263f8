// SPDX-License-Identifier: BSD-3-Clause
/*
 * The console: the standard streams of the process.
 *
 * Output goes straight to the host, a piece at a time and only as far as poll() says that it will not wait: a slow reader keeps
 * its writer trying, never a CPU in the host with interrupts off. In a replayed run output waits: how quick the reader is must not matter.
 *
 * Input is read by a thread of the host that is no CPU (no per-CPU area: it calls nothing of the kernel but host_interrupt()), from
 * the first time that somebody asks for input, so that a program that reads none leaves it to whoever shares the stream. One
 * producer, one consumer (posix/ serializes): `head` is the reader's, `tail` the thread's; each publishes
 * what was put into or taken from the ring, in one order of all (sequentially consistent): when the ring is full the thread sleeps
 * on `head`, and whoever takes from a full ring has to see that. In a replayed run there
 * is no such thread: input is read when it is asked for, because when it arrives must not matter.
 */
#include <arch/hostcall.h>
#include <arch/irqflags.h>
#include <arch/soft.h>

#include "config.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"
#include "plat/plat.h"

#define RING		   65536u
#define PIECE		   4096u /* PIPE_BUF: what a pipe that is ready takes without waiting */
#define STACK		   16384
#define EAGAIN_RESULT	   -11
#define EINTR_RESULT	   -4
#define EBADF_RESULT	   -9
#define SIG_PIPE	   13
#define SA_RESTORER	   0x04000000ul
#define POLLIN		   1
#define POLLOUT		   4
#define JOB_CONTROL	   (7ull << 19) /* SIGTSTP, SIGTTIN, SIGTTOU */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define THREAD_FLAGS	   0x00150f00ul /* as in cpu.c */

struct host_pollfd {
	int fd;
	short events, revents;
};

static struct {
	char ring[RING];
	char stack[STACK] __attribute__((aligned(16)));
	uint32_t head;	  /* [a] consumer: bytes taken */
	uint32_t tail;	  /* [a] producer: bytes put */
	uint32_t eof;	  /* [a] after the last byte */
	uint32_t started; /* [a] */
} input;

/* FNV-1a. */
static uint64_t hash_bytes(const void *buf, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const uint8_t *p = buf; len; p++, len--)
		h = (h ^ *p) * 0x100000001b3ull;
	return h;
}

/* By the signal's default action, so that whoever waits for this process sees why. */
__cold void plat_end_by_broken_pipe(void)
{
	const struct {
		void *handler;
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} fall_back = { NULL, SA_RESTORER, hostcall_sigreturn, 0 };

	hostcall(HOST_rt_sigaction, SIG_PIPE, (long)&fall_back, 0, sizeof(fall_back.mask), 0, 0);
	for (;;)
		hostcall(HOST_tgkill, hostcall(HOST_getpid, 0, 0, 0, 0, 0, 0), hostcall(HOST_gettid, 0, 0, 0, 0, 0, 0),
			 SIG_PIPE, 0, 0, 0);
}

long plat_console_write(enum plat_stream s, const void *buf, size_t len)
{
	struct host_pollfd p = { s == PLAT_STDOUT ? 1 : 2, POLLOUT, 0 };
	size_t done = 0;

	if (config_replay)
		host_replay_note((uint64_t)p.fd, hash_bytes(buf, len));
	while (done < len) {
		long n;

		if (hostcall(HOST_poll, (long)&p, 1, config_replay ? -1 : 0, 0, 0, 0) == 0)
			break;
		n = hostcall(HOST_write, p.fd, (long)buf + (long)done, (long)MIN(len - done, (size_t)PIECE), 0, 0, 0);
		if ((n == EAGAIN_RESULT || n == EINTR_RESULT) && config_replay)
			continue;
		if (n == EAGAIN_RESULT || n == EINTR_RESULT)
			break;
		if (n == EBADF_RESULT)
			return (long)len; /* closed at the start: nobody is to see it */
		if (n <= 0)
			return done ? (long)done : n;
		done += (size_t)n;
	}
	return (long)done;
}

void plat_console_drain(void)
{
}

void console_drain_limited(void)
{
}

/* A host thread, no CPU. */
static void read_input(void *arg)
{
	struct host_pollfd ready = { 0, POLLIN, 0 };

	(void)arg;
	for (;;) {
		uint32_t tail = input.tail, head = __atomic_load_n(&input.head, __ATOMIC_SEQ_CST);
		uint32_t room = MIN(RING - (tail - head), RING - tail % RING);
		long n;

		if (!room) {
			hostcall(HOST_futex, (long)&input.head, FUTEX_WAIT_PRIVATE, head, 0, 0, 0);
			continue;
		}
		n = hostcall(HOST_read, 0, (long)&input.ring[tail % RING], room, 0, 0, 0);
		if (n == EINTR_RESULT)
			continue;
		if (n == EAGAIN_RESULT) {
			hostcall(HOST_poll, (long)&ready, 1, -1, 0, 0, 0);
			continue;
		}
		if (n <= 0)
			__atomic_store_n(&input.eof, 1, __ATOMIC_RELEASE); /* pairs with plat_console_read() */
		else
			__atomic_exchange_n(&input.tail, tail + (uint32_t)n, __ATOMIC_SEQ_CST);
		host_interrupt(0, SOFT_IRQ_CONSOLE);
		if (n <= 0)
			break;
	}
	for (;;)
		hostcall(HOST_exit, 0, 0, 0, 0, 0, 0);
}

static void start_reading(void)
{
	const uint64_t all = ~JOB_CONTROL;
	uint64_t before;
	int tid;

	if (__atomic_exchange_n(&input.started, 1, __ATOMIC_ACQ_REL))
		return;
	/* Preemption is off (the caller's lock), so this stays one host thread. The new one inherits the mask: it is not to take signals of the process, but stops with it */
	hostcall(HOST_rt_sigprocmask, 0, (long)&all, (long)&before, sizeof(all), 0, 0);
	if (hostcall_clone(THREAD_FLAGS, (uintptr_t)input.stack + STACK, &tid, read_input, NULL) < 0)
		plat_boot_error("the host has no thread to read the standard input with");
	hostcall(HOST_rt_sigprocmask, 2, (long)&before, 0, sizeof(before), 0, 0);
}

static size_t read_now(void *buf, size_t len, bool *eof)
{
	long n;

	do
		n = input.eof ? 0 : hostcall(HOST_read, 0, (long)buf, (long)len, 0, 0, 0);
	while (n == EINTR_RESULT);
	input.eof |= n <= 0;
	*eof = input.eof;
	return n > 0 ? (size_t)n : 0;
}

size_t plat_console_read(void *buf, size_t len, bool *eof)
{
	uint32_t head = input.head, tail;
	size_t n;

	if (config_replay)
		return read_now(buf, len, eof);
	start_reading();
	/* first the end, then the bytes: after the end there come no more */
	*eof = __atomic_load_n(&input.eof, __ATOMIC_ACQUIRE);
	tail = __atomic_load_n(&input.tail, __ATOMIC_ACQUIRE);
	n = MIN(len, (size_t)(tail - head));
	for (size_t i = 0; i < n; i++)
		((char *)buf)[i] = input.ring[(head + i) % RING];
	if (!n)
		return 0;
	*eof = *eof && head + n == tail;
	/*
	 * The thread may have filled the ring since `tail` was read: it puts, then reads `head`; we take, then read `tail`. One of
	 * the two sees the other.
	 */
	__atomic_exchange_n(&input.head, head + (uint32_t)n, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&input.tail, __ATOMIC_SEQ_CST) - head == RING)
		hostcall(HOST_futex, (long)&input.head, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	return n;
}
