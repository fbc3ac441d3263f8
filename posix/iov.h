/* SPDX-License-Identifier: BSD-3-Clause */
/* Position in a list of application buffers. Belongs to one thread. */
#pragma once

#include <stddef.h>

#include "posix/posix.h"

struct iov {
	const struct abi_iovec *vec;
	unsigned count;
	unsigned i;  /* element in work */
	size_t done; /* bytes of it that are done */
	size_t left; /* bytes in all that are left */
};

/* Move up to len bytes; how many, or -EFAULT if not one could be moved. */
long iov_copy_out(struct iov *to, const void *src, size_t len);
long iov_copy_in(struct iov *from, void *dst, size_t len);
/* Store zeroes / skip. */
long iov_zero_out(struct iov *to, size_t len);
