// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plant=lock_irq plat=vm,host cpus=1,2 timeout=60
//       expect-report='lock and interrupts: slab is taken in interrupts and elsewhere with interrupts on(.*\n)+.*taking slab(.*\n)+.* slab_free\+(.*\n)+.*slab is declared as taken in interrupts'
/*
 * Planted in the kernel (lock_irq.patch): slab_free() takes the lock of its cache with interrupts on, and interrupts free slab
 * objects, too: one that comes at that moment waits for ever for the code that it came into. The window is some instructions
 * wide; the validator needs no interrupt to see it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../guest/check.h"

int main(void)
{
	int fd = open("/", O_RDONLY);

	CHECK(fd >= 0);
	CHECK_OK(close(fd));
	return 0;
}
