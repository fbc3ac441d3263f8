// SPDX-License-Identifier: BSD-3-Clause
/*
 * Standard input, output and error over the platform's console.
 *
 * Output: a sleeping mutex per stream makes one write one piece; the writer waits while the device is full, for the
 * console's event and, in case the device has none for output, for a millisecond. What write() has reported as written is
 * with the platform, whose plat_exit() drains it.
 * Input: a small buffer under a spin lock, refilled from the platform's ring, so that poll() can look without taking.
 * Nobody sleeps with a lock held on this side: a reader that waits can be interrupted by a signal, and so can the next.
 * Ranks: output mutex, then nothing; input lock inside a wait queue's condition, no lock inside it. Thread context, but
 * console_event() comes from the interrupt and only wakes. No allocation.
 */
#include "posix/console.h"

#include "lib/string.h"
#include "sched/waitq.h"
#include "uk/mutex.h"

#define CHUNK	 256
#define INPUT	 1024
#define RETRY_NS 1000000ull

LOCK_CLASS(output_class, "console output", 10, LOCK_SLEEPS, "one write to standard output or error is not torn");

struct waitq console_input = WAITQ_INIT(console_input);

LOCK_CLASS(console_in_class, "console input", 100, 0, "who takes bytes off the receive ring");

static struct {
	struct uk_mutex out[2];
	struct waitq room;
	struct uk_spinlock in_lock;
	char in[INPUT];	 /* [in_lock] bytes in_at .. in_end are waiting */
	unsigned in_at;	 /* [in_lock] */
	unsigned in_end; /* [in_lock] */
	bool eof;	 /* [in_lock] nothing comes after these */
} con = {
	.out = { MUTEX_INIT(con.out[0], &output_class), MUTEX_INIT(con.out[1], &output_class) },
	.in_lock = SPINLOCK_INIT(&console_in_class),
	.room = WAITQ_INIT(con.room),
};

void console_event(void)
{
	waitq_wake_all(&console_input);
	waitq_wake_all(&con.room);
}

static void refill_locked(void) REQUIRES(con.in_lock);
static void refill_locked(void)
{
	uk_spin_assert_held(&con.in_lock);
	if (con.in_at == con.in_end && !con.eof) {
		con.in_at = 0;
		con.in_end = (unsigned)plat_console_read(con.in, sizeof(con.in), &con.eof);
	}
}

bool console_readable(void)
{
	bool r;

	uk_spin_lock(&con.in_lock);
	refill_locked();
	r = con.in_at != con.in_end || con.eof;
	uk_spin_unlock(&con.in_lock);
	return r;
}

static bool at_end(void)
{
	bool r;

	uk_spin_lock(&con.in_lock);
	r = con.in_at == con.in_end && con.eof;
	uk_spin_unlock(&con.in_lock);
	return r;
}

static size_t take(char *buf, size_t len)
{
	uk_spin_lock(&con.in_lock);
	refill_locked();
	len = MIN(len, (size_t)(con.in_end - con.in_at));
	memcpy(buf, con.in + con.in_at, len);
	con.in_at += (unsigned)len;
	uk_spin_unlock(&con.in_lock);
	return len;
}

long console_read(struct iov *to, bool wait)
{
	char chunk[CHUNK];
	size_t total = 0;

	while (to->left) {
		size_t n = take(chunk, MIN(sizeof(chunk), to->left));
		long put;
		int r;

		if (n) {
			put = iov_copy_out(to, chunk, n);
			if (put < 0)
				return total ? (long)total : put;
			total += (size_t)put;
			continue;
		}
		/* At the end of input it is readable and there is nothing; otherwise another reader may have been faster. */
		if (total || at_end())
			break;
		if (!wait)
			return -EAGAIN;
		thread_external_wait_begin();
		r = waitq_wait_intr(&console_input, console_readable(), UINT64_MAX);
		thread_external_wait_end();
		if (r)
			return -ERESTART;
	}
	return (long)total;
}

/* 0, or what has become of the stream. */
static long put_all(enum plat_stream s, const char *buf, size_t len)
{
	while (len) {
		long n = plat_console_write(s, buf, len);

		if (!n)
			waitq_wait_until(&con.room, (n = plat_console_write(s, buf, len)) != 0,
					 plat_monotonic_ns() + RETRY_NS);
		if (n < 0)
			return n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

long console_write(enum plat_stream s, struct iov *from)
{
	struct uk_mutex *m = &con.out[s == PLAT_STDERR];
	char chunk[CHUNK];
	size_t total = 0;
	long n = 0, err = 0;

	uk_mutex_lock(m);
	while (from->left) {
		n = iov_copy_in(from, chunk, sizeof(chunk));
		if (n < 0)
			break;
		err = put_all(s, chunk, (size_t)n);
		if (err)
			break;
		total += (size_t)n;
	}
	uk_mutex_unlock(m);
	if (err == -EPIPE)
		posix_signal_self(SIGPIPE);
	return total ? (long)total : err ? err : n;
}
