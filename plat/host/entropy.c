// SPDX-License-Identifier: BSD-3-Clause
/*
 * Random numbers from the host's generator, which never runs dry once the host is up; an interrupted call is made again. (In
 * replayed runs they come from the seed: replay.c.)
 *
 * Stateless, no locks, no memory; any thread context.
 */
#include <arch/hostcall.h>

#include "plat/host/host.h"

bool plat_entropy(void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		long n = hostcall(HOST_getrandom, (long)at, (long)len, 0, 0, 0, 0);

		if (n == -4 /* EINTR */)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}
