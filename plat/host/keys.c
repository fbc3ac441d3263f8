// SPDX-License-Identifier: BSD-3-Clause
/*
 * The keys that the runner passes in the environment variable TUTTI_KEYS, separated by spaces. Those of the platform are taken
 * here, the others become the kernel's command line, which init/ parses and complains about. Without the variable the image
 * runs with the tool's defaults, so that debuggers and profilers can start it as any program. Boot only; what is wrong is
 * remembered and told when there is a channel to tell it on.
 */
#include "lib/string.h"
#include "lib/util.h"
#include "plat/host/host.h"

#define DEFAULT_CPUS   2u
#define DEFAULT_MEMORY (256ul << 20)

struct host_keys host_keys = { .cpus = DEFAULT_CPUS, .memory = DEFAULT_MEMORY, .control = -1, .files = -1 };

/* What follows `key` if `word` begins with it, else NULL. */
static const char *value_of(const char *word, const char *key)
{
	return str_has_prefix(word, key) ? word + str_len(key) : NULL;
}

/* A decimal number up to a space or the end, at most `max`. */
static bool number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return *s == ' ' || !*s;
}

static size_t word_length(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != ' ')
		n++;
	return n;
}

static void keep_for_kernel(const char *word, size_t len)
{
	size_t used = str_len(host_keys.cmdline);

	if (used + len + 2 > sizeof(host_keys.cmdline)) {
		host_keys.problem = "TUTTI_KEYS is too long";
		return;
	}
	if (used)
		host_keys.cmdline[used++] = ' ';
	memcpy(host_keys.cmdline + used, word, len);
	host_keys.cmdline[used + len] = 0;
}

static void take_replay(const char *value, size_t len)
{
	static char text[128];

	if (len >= sizeof(text)) {
		host_keys.problem = "tutti.replay is too long";
		return;
	}
	memcpy(text, value, len);
	text[len] = 0;
	host_keys.replay = text;
	if (!config_replay)
		host_keys.problem = "this image cannot replay: ./tutti run --replay builds one that can";
}

static void take(const char *word, size_t len)
{
	const char *v;
	uint64_t n = 0;

	if ((v = value_of(word, "tutti.cpus="))) {
		if (!number(v, CONFIG_MAX_CPUS, &n) || !n)
			host_keys.problem =
				"tutti.cpus: a number of CPUs is wanted, at most as many as this kernel is built for";
		host_keys.cpus = (unsigned)n;
	} else if ((v = value_of(word, "tutti.memory="))) {
		if (!number(v, 1ul << 40, &n) || !n)
			host_keys.problem = "tutti.memory: a number of bytes is wanted, at most 1 TiB";
		host_keys.memory = ALIGN_DOWN(n, PAGE_SIZE);
	} else if ((v = value_of(word, "tutti.pin="))) {
		host_keys.pin = *v == '1';
	} else if ((v = value_of(word, "tutti.control="))) {
		if (number(v, 1 << 20, &n))
			host_keys.control = (int)n;
	} else if ((v = value_of(word, "tutti.files="))) {
		if (number(v, 1 << 20, &n))
			host_keys.files = (int)n;
	} else if ((v = value_of(word, "tutti.replay="))) {
		take_replay(v, len - (size_t)(v - word));
	} else {
		keep_for_kernel(word, len);
	}
}

void host_keys_read(char **env)
{
	const char *s = NULL;

	for (; *env && !s; env++)
		s = value_of(*env, HOST_KEYS_VARIABLE);
	while (s && *s) {
		size_t len = word_length(s);

		if (len)
			take(s, len);
		s += len;
		while (*s == ' ')
			s++;
	}
}
