/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=arch/x86_64/tls.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * For every TLS size 0..4096 and alignment 1, 2, 4 .. 4096, with control blocks of several sizes: the image lies where the linker
 * addresses it (tp - round_up(size, align)), aligned; nothing overlaps; nothing is outside of the block; data, zeroes and
 * the self pointer are in place.
 */
#include <arch/tls.h>
#include <string.h>

#include "expect.h"

static unsigned char init[4096];
static unsigned char area[32768] __attribute__((aligned(8192)));

static void check(size_t size, size_t align, size_t tcb, size_t tcb_align)
{
	struct arch_tls_layout l;
	size_t rounded = (size + align - 1) / align * align, filesz = size / 2;
	uintptr_t tp;

	arch_tls_layout(size, align, tcb, tcb_align, &l);
	EXPECT(l.align >= align && l.align >= tcb_align && !(l.align & (l.align - 1)));
	EXPECT_EQ(l.image_offset, l.tp_offset - rounded);
	EXPECT(l.tp_offset + tcb <= l.size);
	EXPECT(l.image_offset <= l.tp_offset && l.image_offset + size <= l.tp_offset);
	EXPECT_EQ(l.tp_offset % tcb_align, 0);
	EXPECT_EQ(l.image_offset % align, 0);
	EXPECT(l.size < 2 * 4096 + 4096 + tcb);
	/* at the only address classes there are: a multiple of the alignment and no larger power of two */
	unsigned char *block = area + (l.align < 8192 ? l.align : 0);

	memset(area, 0xee, l.size + 2 * l.align > sizeof(area) ? sizeof(area) : l.size + 2 * l.align);
	tp = arch_tls_init(block, &l, init, filesz, size);
	EXPECT_EQ(tp, (uintptr_t)block + l.tp_offset);
	EXPECT(!memcmp((void *)(tp - rounded), init, filesz));
	for (size_t i = filesz; i < size; i++)
		EXPECT(((unsigned char *)(tp - rounded))[i] == 0);
	EXPECT_EQ(*(uintptr_t *)tp, tp);
	EXPECT(block[-1] == 0xee && block[l.size] == 0xee);
}

int main(void)
{
	struct arch_tls_layout l;

	for (size_t i = 0; i < sizeof(init); i++)
		init[i] = (unsigned char)(i * 7 + 1);
	for (size_t align = 1; align <= 4096; align *= 2)
		for (size_t size = 1; size <= 4096; size++) {
			check(size, align, 8 + size % 300, 16);
			if (size % 97 == 0)
				check(size, align, 200, 64);
		}
	check(0, 1, 200, 16);
	arch_tls_layout(0, 0, 200, 16, &l);
	EXPECT_EQ(l.size, 200);
	EXPECT_EQ(l.tp_offset, 0);
	return 0;
}
