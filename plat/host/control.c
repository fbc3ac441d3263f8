// SPDX-License-Identifier: BSD-3-Clause
/*
 * Control channel and the end of the process. The channel is a file descriptor that the runner names; without one the lines that a
 * user has to see go to standard error in the tool's form. Lines come one at a time (plat/common/message.c).
 */
#include <arch/hostcall.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"

#define STDERR 2

static void write_all(int fd, const char *s, size_t len)
{
	const struct {
		int fd;
		short events, revents;
	} ready = { fd, 4 /* POLLOUT */, 0 };

	while (len) {
		long n = hostcall(HOST_write, fd, (long)s, (long)len, 0, 0, 0);

		if (n == -11 /* EAGAIN */)
			hostcall(HOST_poll, (long)&ready, 1, -1, 0, 0, 0);
		else if (n <= 0 && n != -4 /* EINTR */)
			return;
		if (n > 0) {
			s += n;
			len -= (size_t)n;
		}
	}
}

void control_write(const char *line, size_t len)
{
	static const char prefix[] = "tutti: ";

	if (host_keys.control >= 0) {
		write_all(host_keys.control, line, len);
	} else if (len > 2 && (line[0] == 'W' || line[0] == 'C' || line[0] == 'B')) {
		write_all(STDERR, prefix, sizeof(prefix) - 1);
		write_all(STDERR, line + 2, len - 2);
	}
}

void control_end(int status)
{
	host_at_end();
	plat_control_line('E', "%d", status);
	for (;;)
		hostcall(HOST_exit_group, status & 0xff, 0, 0, 0, 0, 0);
}
