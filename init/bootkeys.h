/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel keys: words of the command line. Leaf code, for init/ and its test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define WATCHDOG_DEFAULT_S 10u
#define WATCHDOG_MAX_S	   3600u

struct bootkeys {
	const char *alloc; /* one of the names given, or NULL: no such key */
	bool preempt;
	bool stdin_framed;
	bool verbose;
	bool base_cpu;
	unsigned watchdog_s; /* 0: off */
};

/*
 * Read the keys. `allocs`: known allocators, NULL-terminated. 0, or -EINVAL and one line in err[size] that says what is
 * wrong and what is known.
 */
int bootkeys_parse(const char *cmdline, const char *const *allocs, struct bootkeys *keys, char *err, size_t size);
