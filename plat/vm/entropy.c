// SPDX-License-Identifier: BSD-3-Clause
/*
 * Hardware random numbers: RDSEED, or RDRAND where that is missing or runs dry. An instruction that keeps failing is
 * taken for absent. A processor that returns the same word again and again (known firmware bugs return all ones) is not
 * believed either. Stateless; any context, any CPU.
 */
#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "plat/vm/hw.h"

#define TRIES 32

static bool rdseed(uint64_t *v)
{
	bool ok;

	__asm__ volatile("rdseed %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

static bool rdrand(uint64_t *v)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

static bool word(uint64_t *v)
{
	for (int i = 0; i < TRIES; i++) {
		if (hw_features.rdseed && rdseed(v))
			return true;
		if (hw_features.rdrand && rdrand(v))
			return true;
	}
	return false;
}

bool plat_entropy(void *buf, size_t len)
{
	char *dst = buf;
	uint64_t v, last;

	if (!word(&last))
		return false;
	while (len) {
		size_t n = MIN(len, sizeof(v));

		if (!word(&v) || v == last)
			return false;
		last = v;
		memcpy(dst, &v, n);
		dst += n;
		len -= n;
	}
	return true;
}
