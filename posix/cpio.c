// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reader of the initial archive. Format, from cpio(5) "New ASCII Format": a header of 110 characters (a magic number and
 * 13 fields of 8 hexadecimal digits), the name with its terminator, zeroes up to a multiple of 4, the contents, zeroes up
 * to a multiple of 4; the last entry is called TRAILER!!!. What comes after it is not looked at.
 *
 * Nothing is trusted: each length is checked against what is left before it is used, so a damaged archive gives -EINVAL
 * and never an access outside of it. tests/host/posix_cpio.c cuts and changes one in every place. Pure; any context.
 */
#include "posix/cpio.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"

#define HEADER 110

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Field i of the header; false if it is no number. */
static bool field(const char *h, unsigned i, uint32_t *v)
{
	*v = 0;
	for (unsigned k = 0; k < 8; k++) {
		int d = hex_digit(h[6 + 8 * i + k]);

		if (d < 0)
			return false;
		*v = *v << 4 | (uint32_t)d;
	}
	return true;
}

int cpio_next(const char *base, size_t len, size_t *pos, struct cpio_entry *e)
{
	size_t left = len - *pos, data_at, end;
	const char *h = base + *pos;
	uint32_t size, name_size;

	if (*pos > len || left < HEADER || (memcmp(h, "070701", 6) && memcmp(h, "070702", 6)))
		return -EINVAL;
	if (!field(h, 1, &e->mode) || !field(h, 5, &e->mtime) || !field(h, 6, &size) || !field(h, 11, &name_size))
		return -EINVAL;
	if (!name_size || name_size > left - HEADER || h[HEADER + name_size - 1])
		return -EINVAL;
	e->name = h + HEADER;
	e->name_len = name_size - 1;
	if (str_eq(e->name, "TRAILER!!!"))
		return 0;
	data_at = ALIGN_UP(HEADER + (size_t)name_size, 4ul);
	if (data_at > left || size > left - data_at)
		return -EINVAL;
	end = ALIGN_UP(data_at + size, 4ul);
	e->data = h + data_at;
	e->size = size;
	if (str_nlen(e->name, e->name_len) != e->name_len)
		return -EINVAL;
	for (;;) {
		if (e->name[0] == '/') {
			e->name++;
			e->name_len--;
		} else if (e->name[0] == '.' && (e->name[1] == '/' || !e->name[1])) {
			size_t n = e->name[1] ? 2 : 1;

			e->name += n;
			e->name_len -= n;
		} else {
			break;
		}
	}
	*pos += MIN(end, left);
	return 1;
}
