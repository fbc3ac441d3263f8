/* SPDX-License-Identifier: BSD-3-Clause */
/* Fake for host tests: the real declarations; log and crash go to stderr, a crash aborts. Weak: a test may define its own. */
#pragma once

#include_next "plat/plat.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) void plat_log(char level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%c ", level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

__attribute__((weak)) void plat_crash(struct trap_frame *f, const char *fmt, ...)
{
	va_list ap;

	(void)f;
	va_start(ap, fmt);
	fputs("crash: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}
