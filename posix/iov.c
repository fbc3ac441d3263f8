// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lists of application buffers (readv, writev), walked in pieces. The list itself is a kernel copy that was checked; the
 * buffers are the application's, so each access may fail. No state, no locks, no allocation; thread context.
 */
#include "posix/iov.h"

#include "lib/util.h"

static long move(struct iov *v, char *kernel, size_t len, bool out)
{
	size_t moved = 0;

	len = MIN(len, v->left);
	while (moved < len) {
		const struct abi_iovec *e = &v->vec[v->i];
		size_t n = MIN(e->len - v->done, len - moved);
		char *user = (char *)e->base + v->done;

		if (n && (out ? posix_copy_out(user, kernel + moved, n) : posix_copy_in(kernel + moved, user, n)))
			return moved ? (long)moved : -EFAULT;
		moved += n;
		v->done += n;
		v->left -= n;
		if (v->done == e->len) {
			v->i++;
			v->done = 0;
		}
	}
	return (long)moved;
}

long iov_copy_out(struct iov *to, const void *src, size_t len)
{
	return move(to, (char *)(uintptr_t)src, len, true);
}

long iov_copy_in(struct iov *from, void *dst, size_t len)
{
	return move(from, dst, len, false);
}

long iov_zero_out(struct iov *to, size_t len)
{
	static const char zero[256];
	size_t done = 0;

	while (done < len && to->left) {
		long n = iov_copy_out(to, zero, MIN(len - done, sizeof(zero)));

		if (n < 0)
			return done ? (long)done : n;
		done += (size_t)n;
	}
	return (long)done;
}
