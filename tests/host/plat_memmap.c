/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=plat/vm/memmap.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * The list of usable memory: known machines by hand, then random maps against a model that marks each page. Never a page that is
 * reserved, unusable or half usable; ascending, disjoint, page aligned; complete as long as the list has room.
 */
#include "plat/vm/memmap.h"

#include <string.h>

#include "expect.h"

#define PAGES 256
#define MAX   32

static void check_random(uint64_t *seed)
{
	struct memmap_entry map[6];
	struct plat_mem reserved[3], out[MAX];
	bool usable[PAGES];
	uint64_t top, want_top = 0;
	unsigned n;

	memset(usable, 0, sizeof(usable));
	for (unsigned i = 0; i < 6; i++) {
		map[i] = (struct memmap_entry){ next_random(seed) % (PAGES * 4096), next_random(seed) % (60 * 4096),
						next_random(seed) % 4 ? 1 : 2, 0 };
		if (map[i].addr + map[i].size > PAGES * 4096)
			map[i].size = PAGES * 4096 - map[i].addr;
		if (next_random(seed) % 3 == 0) {
			map[i].addr &= ~4095ull;
			map[i].size &= ~4095ull;
		}
	}
	for (unsigned i = 0; i < 6; i++)
		for (unsigned p = 0; map[i].type == 1 && p < PAGES; p++)
			if (p * 4096 >= map[i].addr && (p + 1) * 4096 <= map[i].addr + map[i].size) {
				usable[p] = true;
				want_top = want_top > (p + 1) * 4096 ? want_top : (p + 1) * 4096;
			}
	for (unsigned i = 0; i < 6; i++)
		for (unsigned p = 0; map[i].type != 1 && p < PAGES; p++)
			if (map[i].size && p * 4096 < map[i].addr + map[i].size && (p + 1) * 4096 > map[i].addr)
				usable[p] = false;
	for (unsigned i = 0; i < 3; i++) {
		reserved[i] = (struct plat_mem){ next_random(seed) % (PAGES * 4096), next_random(seed) % (10 * 4096) };
		for (unsigned p = 0; p < PAGES; p++)
			if (reserved[i].len && p * 4096 < reserved[i].base + reserved[i].len &&
			    (p + 1) * 4096 > reserved[i].base)
				usable[p] = false;
	}
	n = memmap_build(map, 6, reserved, 3, out, MAX, &top);
	EXPECT_EQ(top, want_top);
	for (unsigned i = 0; i < n; i++) {
		EXPECT(out[i].len && !(out[i].base & 4095) && !(out[i].len & 4095));
		EXPECT(!i || out[i - 1].base + out[i - 1].len <= out[i].base);
		for (uint64_t p = out[i].base / 4096; p < (out[i].base + out[i].len) / 4096; p++) {
			EXPECT(usable[p]);
			usable[p] = false;
		}
	}
	for (unsigned p = 0; p < PAGES; p++)
		EXPECT(!usable[p]);
}

int main(void)
{
	static const struct memmap_entry microvm[] = {
		{ 0, 0x9fc00, 1, 0 },		{ 0x9fc00, 0x400, 2, 0 },	    { 0xf0000, 0x10000, 2, 0 },
		{ 0x100000, 0xbff00000, 1, 0 }, { 0x100000000, 0x340000000, 1, 0 }, { 0, 0, 0, 0 },
	};
	static const struct plat_mem reserved[] = { { 0, 4096 }, { 0x100000, 0x50001 }, { 0, 0 }, { 0x3fffff000, 1 } };
	static const struct memmap_entry odd[] = { { UINT64_MAX - 100, 50, 1, 0 },
						   { 5, UINT64_MAX, 1, 0 },
						   { 0x1001, 0x1ffe, 1, 0 } };
	struct plat_mem out[MAX];
	struct memmap_entry many[20];
	uint64_t top, seed = 42;
	unsigned n = memmap_build(microvm, 6, reserved, 4, out, MAX, &top);

	EXPECT_EQ(n, 4);
	EXPECT_EQ(out[0].base, 0x1000);
	EXPECT_EQ(out[0].len, 0x9e000);
	EXPECT_EQ(out[1].base, 0x151000);
	EXPECT_EQ(out[1].base + out[1].len, 0xc0000000);
	EXPECT_EQ(out[2].base + out[2].len, 0x3fffff000);
	EXPECT_EQ(out[3].len, 0x40000000);
	EXPECT_EQ(top, 0x440000000);

	/* entries that wrap around or hold no whole page */
	EXPECT_EQ(memmap_build(odd, 3, NULL, 0, out, MAX, &top), 0);
	/* more ranges than room: the largest stay */
	for (unsigned i = 0; i < 20; i++)
		many[i] = (struct memmap_entry){ 0x100000 * i, 4096 * (1 + (i * 7) % 20), 1, 0 };
	n = memmap_build(many, 20, NULL, 0, out, 4, &top);
	EXPECT_EQ(n, 4);
	for (unsigned i = 0; i < n; i++)
		EXPECT(out[i].len >= 17 * 4096);
	for (int i = 0; i < 20000; i++)
		check_random(&seed);
	return 0;
}
