// SPDX-License-Identifier: BSD-3-Clause
/*
 * The initial archive of a process: arguments and environment as the entries that posix/cpio.h names, then the files that the
 * runner hands over as an archive of their own. Written to the start of physical memory, where a boot loader would have put
 * it (cpio "newc" format). Boot only, one CPU.
 */
#include <arch/hostcall.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/host/host.h"

#define HEADER	110
#define TRAILER "TRAILER!!!"

struct writer {
	char *at;
	size_t used, room;
	bool full;
};

static void put(struct writer *w, const void *data, size_t len)
{
	if (w->full || len > w->room - w->used) {
		w->full = true;
		return;
	}
	memcpy(w->at + w->used, data, len);
	w->used += len;
}

static void pad(struct writer *w)
{
	static const char zeroes[4];

	put(w, zeroes, -w->used & 3);
}

static void put_header(struct writer *w, const char *name, size_t size)
{
	char h[HEADER + 1];
	const size_t name_size = str_len(name) + 1;

	fmt_snprintf(h, sizeof(h), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0u, 0100444u, 0u, 0u,
		     1u, 0u, (unsigned)size, 0u, 0u, 0u, 0u, (unsigned)name_size, 0u);
	put(w, h, HEADER);
	put(w, name, name_size);
	pad(w);
}

static void put_strings(struct writer *w, const char *name, char **list)
{
	size_t size = 0;

	for (char **s = list; *s; s++)
		if (!str_has_prefix(*s, HOST_KEYS_VARIABLE))
			size += str_len(*s) + 1;
	put_header(w, name, size);
	for (char **s = list; *s; s++)
		if (!str_has_prefix(*s, HOST_KEYS_VARIABLE))
			put(w, *s, str_len(*s) + 1);
	pad(w);
}

static void put_file(struct writer *w, int fd)
{
	/* a debugger starts the process again with the same descriptor; a pipe cannot go back, and need not */
	hostcall(HOST_lseek, fd, 0, 0, 0, 0, 0);
	while (!w->full) {
		long n = hostcall(HOST_read, fd, (long)(w->at + w->used), (long)(w->room - w->used), 0, 0, 0);

		if (n <= 0) {
			w->full = n < 0;
			return;
		}
		w->used += (size_t)n;
		w->full = w->used == w->room;
	}
}

size_t host_archive_build(char *at, size_t room, char **argv, char **env, int files)
{
	struct writer w = { .at = at, .room = room };

	put_strings(&w, ".tutti/args", argv);
	put_strings(&w, ".tutti/env", env);
	if (files >= 0)
		put_file(&w, files);
	else
		put_header(&w, TRAILER, 0);
	return w.full ? 0 : w.used;
}
