// SPDX-License-Identifier: BSD-3-Clause
/*
 * The console: the standard streams of the process.
 *
 * Output goes straight to the host, a piece at a time and only as far as poll() says that it will not wait: a slow reader keeps
 * its writer trying, never a CPU in the host with interrupts off. A stream whose reader is gone swallows what is written.
 *
 * Input is read by a thread of the host that is no CPU (no per-CPU area: it calls nothing of the kernel but host_interrupt()), from
 * the first time that somebody asks for input, so that a program that reads none leaves it to whoever shares the stream. One
 * producer, one consumer (posix/ serializes): `head` is the reader's, `tail` the thread's; each is written with release and
 * read by the other with acquire. When the ring is full the thread sleeps on `head`. In a replayed run there
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

#define RING  65536u
#define PIECE 4096u /* PIPE_BUF: what a pipe that is ready takes without waiting */
#define STACK 16384
#define EAGAIN_RESULT	   -11
#define EINTR_RESULT	   -4
#define POLLOUT		   4
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

size_t plat_console_write(enum plat_stream s, const void *buf, size_t len)
{
	struct host_pollfd p = { s == PLAT_STDOUT ? 1 : 2, POLLOUT, 0 };
	size_t done = 0;

	while (done < len) {
		long n;

		if (hostcall(HOST_poll, (long)&p, 1, 0, 0, 0, 0) == 0)
			break;
		n = hostcall(HOST_write, p.fd, (long)buf + (long)done, (long)MIN(len - done, (size_t)PIECE), 0, 0, 0);
		if (n == EAGAIN_RESULT || n == EINTR_RESULT)
			break;
		if (n <= 0)
			return len; /* nobody reads */
		done += (size_t)n;
	}
	return done;
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
	(void)arg;
	for (;;) {
		uint32_t tail = input.tail, head = __atomic_load_n(&input.head, __ATOMIC_ACQUIRE);
		uint32_t room = MIN(RING - (tail - head), RING - tail % RING);
		long n;

		if (!room) {
			hostcall(HOST_futex, (long)&input.head, FUTEX_WAIT_PRIVATE, head, 0, 0, 0);
			continue;
		}
		n = hostcall(HOST_read, 0, (long)&input.ring[tail % RING], room, 0, 0, 0);
		if (n == EINTR_RESULT)
			continue;
		if (n <= 0)
			__atomic_store_n(&input.eof, 1, __ATOMIC_RELEASE);
		else
			__atomic_store_n(&input.tail, tail + (uint32_t)n, __ATOMIC_RELEASE);
		host_interrupt(0, SOFT_IRQ_CONSOLE);
		if (n <= 0)
			break;
	}
	for (;;)
		hostcall(HOST_exit, 0, 0, 0, 0, 0, 0);
}

static void start_reading(void)
{
	const uint64_t all = ~0ull;
	uint64_t before;
	int tid;

	if (__atomic_exchange_n(&input.started, 1, __ATOMIC_ACQ_REL))
		return;
	/* the new thread inherits a full mask: it is not to take signals of the process */
	hostcall(HOST_rt_sigprocmask, 0, (long)&all, (long)&before, sizeof(all), 0, 0);
	if (hostcall_clone(THREAD_FLAGS, (uintptr_t)input.stack + STACK, &tid, read_input, NULL) < 0)
		__atomic_store_n(&input.eof, 1, __ATOMIC_RELEASE);
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
	__atomic_store_n(&input.head, head + (uint32_t)n, __ATOMIC_RELEASE);
	if (tail - head == RING)
		hostcall(HOST_futex, (long)&input.head, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	return n;
}
