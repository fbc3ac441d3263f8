// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=init/bootkeys.c,lib/fmt.c cflags=-Itests/host/fake_plat,-Wno-format-truncation sanitize=address,undefined
/* Kernel keys: every known one is understood; an unknown key or value gives one line that lists what is known, and never more than fits. */
#include "init/bootkeys.h"

#include <string.h>

#include "expect.h"
#include "lib/errno.h"

static const char *const allocs[] = { "buddy", "mimalloc", NULL };
static struct bootkeys k;
static char err[400];

static int parse(const char *s)
{
	memset(err, 'x', sizeof(err));
	return bootkeys_parse(s, allocs, &k, err, sizeof(err));
}

static void expect_bad(const char *s, const char *said, const char *lists)
{
	char small[10];

	EXPECT_EQ(parse(s), -EINVAL);
	EXPECT(strstr(err, said) && strstr(err, lists) && !strchr(err, '\n'));
	EXPECT_EQ(bootkeys_parse(s, allocs, &k, small, sizeof(small)), -EINVAL);
	EXPECT(strlen(small) < sizeof(small));
}

int main(void)
{
	EXPECT_EQ(parse(""), 0);
	EXPECT(!k.alloc && k.preempt && !k.stdin_framed && !k.verbose);
	EXPECT_EQ(parse("  tutti.alloc=buddy\ttutti.sched=coop tutti.stdin=framed tutti.verbose=1 "), 0);
	EXPECT(!strcmp(k.alloc, "buddy") && !k.preempt && k.stdin_framed && k.verbose);
	EXPECT_EQ(k.watchdog_s, WATCHDOG_DEFAULT_S);
	EXPECT_EQ(parse("tutti.watchdog=0"), 0);
	EXPECT_EQ(k.watchdog_s, 0);
	EXPECT_EQ(parse("tutti.watchdog=30 tutti.watchdog=3600"), 0);
	EXPECT_EQ(k.watchdog_s, WATCHDOG_MAX_S);
	EXPECT_EQ(parse("tutti.sched=coop tutti.sched=preempt"), 0);
	EXPECT(k.preempt);
	expect_bad("tutti.alloc=nonesuch", "'nonesuch'", "buddy|mimalloc");
	expect_bad("tutti.alloc=", "''", "buddy|mimalloc");
	expect_bad("tutti.alloc=budd", "'budd'", "buddy|mimalloc");
	expect_bad("tutti.alloc=buddyy", "'buddyy'", "buddy|mimalloc");
	expect_bad("tutti.alloc", "'tutti.alloc'", "tutti.alloc=buddy|mimalloc");
	expect_bad("tutti.allocx=buddy", "'tutti.allocx=buddy'", "tutti.sched=preempt|coop");
	expect_bad("quiet", "'quiet'", "tutti.verbose=0|1");
	expect_bad("=", "'='", "tutti.stdin=framed|raw");
	expect_bad("tutti.sched=fair", "'fair'", "preempt|coop");
	expect_bad("tutti.stdin=1", "'1'", "framed|raw");
	expect_bad("tutti.verbose=yes", "'yes'", "0|1");
	expect_bad("tutti.watchdog=", "''", "SECONDS, 0 to 3600");
	expect_bad("tutti.watchdog=3601", "'3601'", "SECONDS, 0 to 3600");
	expect_bad("tutti.watchdog=99999999999999999999", "'9999", "SECONDS, 0 to 3600");
	expect_bad("tutti.watchdog=-1", "'-1'", "SECONDS, 0 to 3600");
	expect_bad("tutti.watchdog=1s", "'1s'", "SECONDS, 0 to 3600");
	expect_bad("tutti.watchdogs=1", "'tutti.watchdogs=1'", "tutti.watchdog=SECONDS");
	for (size_t len = 1; len < 2000; len += 37) {
		char *s = malloc(len + 1);

		memset(s, 'k', len);
		s[len] = 0;
		expect_bad(s, "'k", "tutti.alloc=");
		free(s);
	}
	return 0;
}
