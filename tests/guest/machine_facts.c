// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35
/* sysconf, getcpu, uname, process numbers, limits and random bytes: what programs ask at their start is answered. */
#include "check.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>

int main(void)
{
	unsigned char a[4096], b[4096];
	struct utsname name;
	struct rlimit limit;
	cpu_set_t set;
	size_t i, counts[256] = { 0 };

	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sysconf(_SC_NPROCESSORS_ONLN) <= 64);
	CHECK_EQ(sysconf(_SC_NPROCESSORS_CONF), sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(sched_getaffinity(0, sizeof(set), &set) >= 0);
	CHECK_EQ(CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(sched_getcpu() >= 0 && sched_getcpu() < sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
	CHECK(sysconf(_SC_PHYS_PAGES) >= 1024);
	CHECK(sysconf(_SC_AVPHYS_PAGES) > 0 && sysconf(_SC_AVPHYS_PAGES) <= sysconf(_SC_PHYS_PAGES));
	CHECK(getpid() > 0);
	CHECK(gettid() > 0);
	CHECK_EQ(uname(&name), 0);
	CHECK(strcmp(name.machine, "x86_64") == 0);
	CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	CHECK(limit.rlim_cur >= 8 << 20);

	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_EQ(getrandom(a, sizeof(a), 0), (ssize_t)sizeof(a));
	CHECK_EQ(getrandom(b, sizeof(b), GRND_NONBLOCK), (ssize_t)sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK_EQ(getentropy(a, 256), 0);
	for (i = 0; i < sizeof(b); i++)
		counts[b[i]]++;
	for (i = 0; i < 256; i++)
		CHECK(counts[i] < 80); /* 16 expected; 80 by chance: never */
	CHECK_ERRNO(getrandom(a, 1, 0xffff), EINVAL);
	CHECK_ERRNO(syscall(4000), ENOSYS);
	return 0;
}
