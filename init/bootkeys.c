// SPDX-License-Identifier: BSD-3-Clause
/*
 * Kernel keys, `name=value` words separated by blanks:
 *
 *	tutti.alloc=NAME		allocator
 *	tutti.sched=preempt|coop	scheduling
 *	tutti.stdin=framed|raw		how bytes arrive on the console's input
 *	tutti.verbose=0|1		log lines are shown
 *	tutti.cpu=full|base		base: without XSAVE and FSGSBASE, as on a CPU that has neither
 *	tutti.watchdog=SECONDS		a CPU that is stuck for so long, and a deadlock, is reported; 0: never
 *
 * A word that is none of these, or has another value, is an error: a mistyped key must not be ignored silently. The last
 * of several equal keys counts. Pure: no state, no allocation, any context.
 */
#include "init/bootkeys.h"

#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/util.h"

#define LINE 256

/* Is the word [w, w + len) equal to s? */
static bool is(const char *w, size_t len, const char *s)
{
	return str_len(s) == len && !memcmp(w, s, len);
}

/* Index of the value in a NULL-terminated list, or -1. */
static int one_of(const char *v, size_t len, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (is(v, len, list[i]))
			return i;
	return -1;
}

/* A decimal number of at most WATCHDOG_MAX_S, or -1. */
static int seconds(const char *v, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++) {
		if (v[i] < '0' || v[i] > '9')
			return -1;
		n = n * 10 + (unsigned)(v[i] - '0');
		if (n > WATCHDOG_MAX_S)
			return -1;
	}
	return len ? (int)n : -1;
}

/* "a|b|c" */
static void join(char *buf, size_t size, const char *const *list)
{
	size_t at = 0;

	buf[0] = 0;
	for (int i = 0; list[i] && at < size; i++)
		at += fmt_snprintf(buf + at, size - at, "%s%s", i ? "|" : "", list[i]);
}

int bootkeys_parse(const char *cmdline, const char *const *allocs, struct bootkeys *keys, char *err, size_t size)
{
	static const char *const scheds[] = { "preempt", "coop", NULL }, *const stdins[] = { "framed", "raw", NULL };
	static const char *const switches[] = { "0", "1", NULL }, *const cpus[] = { "full", "base", NULL };
	static const char *const number[] = { "SECONDS, 0 to 3600", NULL };
	const struct {
		const char *name;
		const char *const *values;
	} known[] = { { "tutti.alloc", allocs },     { "tutti.sched", scheds }, { "tutti.stdin", stdins },
		      { "tutti.verbose", switches }, { "tutti.cpu", cpus },	{ "tutti.watchdog", number } };
	const char *p = cmdline;
	char list[LINE];

	*keys = (struct bootkeys){ .preempt = true, .watchdog_s = WATCHDOG_DEFAULT_S };
	for (;;) {
		const char *word, *eq = NULL, *end;
		unsigned k;
		int v;

		while (*p == ' ' || *p == '\t' || *p == '\n')
			p++;
		if (!*p)
			return 0;
		for (word = p; *p && *p != ' ' && *p != '\t' && *p != '\n'; p++)
			if (*p == '=' && !eq)
				eq = p;
		end = p;
		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (eq && is(word, (size_t)(eq - word), known[k].name))
				break;
		if (k == sizeof(known) / sizeof(known[0])) {
			join(list, sizeof(list), allocs);
			fmt_snprintf(err, size,
				     "unknown kernel key '%.*s'; known: tutti.alloc=%s tutti.sched=preempt|coop "
				     "tutti.stdin=framed|raw tutti.verbose=0|1 tutti.cpu=full|base "
				     "tutti.watchdog=SECONDS",
				     (int)MIN(end - word, 80), word, list);
			return -EINVAL;
		}
		if (known[k].values == number)
			v = seconds(eq + 1, (size_t)(end - eq - 1));
		else
			v = one_of(eq + 1, (size_t)(end - eq - 1), known[k].values);
		if (v < 0) {
			join(list, sizeof(list), known[k].values);
			fmt_snprintf(err, size, "%s has no value '%.*s'; known: %s", known[k].name,
				     (int)MIN(end - eq - 1, 80), eq + 1, list);
			return -EINVAL;
		}
		switch (k) {
		case 0:
			keys->alloc = allocs[v];
			break;
		case 1:
			keys->preempt = v == 0;
			break;
		case 2:
			keys->stdin_framed = v == 0;
			break;
		case 3:
			keys->verbose = v == 1;
			break;
		case 4:
			keys->base_cpu = v == 1;
			break;
		case 5:
			keys->watchdog_s = (unsigned)v;
			break;
		}
	}
}
