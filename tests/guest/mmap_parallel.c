// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 timeout=90
/*
 * The address space under threads: each maps, fills, protects, empties and unmaps areas of its own and checks their bytes,
 * while all fault on one shared area, whose pages must come up once and keep every thread's write.
 */
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { THREADS = 6, SHARED_PAGES = 512 };

static unsigned char *shared;
static const size_t page = 4096;

static void check_filled(const unsigned char *p, size_t pages, unsigned char byte)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		CHECK_EQ(p[i * page], byte);
		CHECK_EQ(p[i * page + page - 1], byte);
	}
}

static void *work(void *arg)
{
	unsigned int id = (unsigned int)(uintptr_t)arg;
	long n, rounds = check_spin_rounds(100);
	uint64_t rng = 99 + id;

	for (n = 0; n < rounds; n++) {
		size_t pages = 3 + check_random(&rng) % 40, cut = 1 + check_random(&rng) % (pages - 2);
		unsigned char *p = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		check_filled(p, pages, 0);
		memset(p, (int)(id + 1), pages * page);
		CHECK_EQ(mprotect(p, cut * page, PROT_READ), 0);
		check_filled(p, pages, (unsigned char)(id + 1));
		CHECK_EQ(madvise(p + cut * page, (pages - cut) * page, MADV_DONTNEED), 0);
		check_filled(p + cut * page, pages - cut, 0);
		check_filled(p, cut, (unsigned char)(id + 1));
		CHECK_EQ(munmap(p + cut * page, page), 0);
		check_filled(p, cut, (unsigned char)(id + 1));
		CHECK_EQ(munmap(p, pages * page), 0);
		shared[(n * 7 % SHARED_PAGES) * (long)page + id] = (unsigned char)(id + 1);
	}
	for (n = 0; n < SHARED_PAGES; n++)
		shared[n * (long)page + id] = (unsigned char)(id + 1);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	uintptr_t i, n;

	shared = mmap(NULL, SHARED_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(work, (void *)i);
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	for (n = 0; n < SHARED_PAGES; n++) {
		for (i = 0; i < THREADS; i++)
			CHECK_EQ(shared[n * page + i], i + 1);
		CHECK_EQ(shared[n * page + THREADS], 0);
	}
	return 0;
}
