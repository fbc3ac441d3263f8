/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=lib/fmt.c cflags=-Itests/host/fake_plat,-Wno-format-truncation sanitize=address,undefined
/* Every conversion that lib/fmt.h promises gives what libc's snprintf gives, text and length, at every buffer size. */
#include "lib/fmt.h"

#include <limits.h>
#include <string.h>

#include "expect.h"

#define SAME(...)                                                           \
	do {                                                                \
		char want[128], got[128];                                   \
		int n = snprintf(want, sizeof(want), __VA_ARGS__);          \
		for (size_t size = 0; size <= 64; size++) {                 \
			memset(got, 'X', sizeof(got));                      \
			EXPECT_EQ(fmt_snprintf(got, size, __VA_ARGS__), n); \
			snprintf(want, size ? size : 1, __VA_ARGS__);       \
			EXPECT(!size || !strcmp(got, want));                \
			EXPECT(got[size] == 'X');                           \
		}                                                           \
	} while (0)

int main(void)
{
	volatile int width = -7;

	SAME("plain %% text");
	SAME("%d %i %u %x %X", -5, INT_MIN, UINT_MAX, 0xbeefu, 0xbeefu);
	SAME("%ld %lu %lx %llu %zu", LONG_MIN, ULONG_MAX, 0x123456789abcdeful, ULLONG_MAX, (size_t)77);
	SAME("[%5d|%-5d|%05d|%5s|%-5s|%.2s|%c]", -42, -42, -42, "ab", "ab", "abcdef", 'z');
	SAME("[%08lx|%016lx|%3u|%-3u|%*d|%*d]", 0xabcul, 1ul, 12345u, 1u, 6, 9, width, 9);
	SAME("%p", (void *)0x55d0);
	SAME("%s%s%s", "", "a", "");
	SAME("%.*s", 3, "abcdef");
	return 0;
}
