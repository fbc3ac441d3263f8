/* SPDX-License-Identifier: BSD-3-Clause */
/* Reader of cpio archives in the "newc" format (cpio(5)). Leaf code: no state, no allocation; any context; bad input gives an error. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct cpio_entry {
	const char *name; /* inside the archive, terminated, without leading "/" or "./"; "" for the root itself */
	size_t name_len;
	const char *data; /* contents, or the target of a symbolic link (not terminated) */
	size_t size;
	uint32_t mode;
	uint32_t mtime;
};

/* Entry at *pos, which moves on. 1: *e is filled; 0: the end; -EINVAL: the archive is damaged at *pos. */
int cpio_next(const char *base, size_t len, size_t *pos, struct cpio_entry *e);
