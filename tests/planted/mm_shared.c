// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plant=mm_shared plat=host cpus=2 timeout=60
//       expect-report='^invalid instruction.* rwspin_assert_slow(.*\n)+.*mm_madvise'
/*
 * Planted in the kernel (mm_shared.patch): madvise() drops pages with the address space's lock held shared, beside faults that read the
 * same tables. The assertion that opens drop_locked() finds it in the first call, without a race that comes out badly.
 */
#include <sys/mman.h>

#include "../guest/check.h"

int main(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	p[0] = 1;
	CHECK_OK(madvise(p, 8192, MADV_DONTNEED));
	CHECK(p[0] == 0);
	return 0;
}
