/* SPDX-License-Identifier: BSD-3-Clause */
/* A report's way out, for tests of checkers: its lines go to descriptor 3 and the process ends with 134. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char said[8192];

void plat_log(char level, const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(said + n, sizeof(said) - n - 1, fmt, ap);
	va_end(ap);
	strcat(said, "\n");
}

void plat_report(const char *what, void (*lines)(void *), void *arg)
{
	plat_log('C', "%s", what);
	lines(arg);
	if (write(3, said, strlen(said)) < 0)
		_exit(1);
	_exit(134);
}
