// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/*
 * Realtime is a date of these days, runs beside monotonic time without drifting from it, and never steps; the CPU-time
 * clocks of a thread count what it computes and not what it sleeps.
 */
#include "check.h"

#include <sys/time.h>

int main(void)
{
	struct timespec nap = { 0, 5000000 };
	struct timeval tv;
	int64_t real, cpu, low = INT64_MIN, high = INT64_MAX;
	volatile long work;
	int i;

	real = check_clock(CLOCK_REALTIME);
	CHECK(real > 1672531200LL * 1000000000); /* 2023 */
	CHECK(real < 7258118400LL * 1000000000); /* 2200 */
	CHECK(time(NULL) >= real / 1000000000);
	CHECK_EQ(gettimeofday(&tv, NULL), 0);
	CHECK((int64_t)tv.tv_sec * 1000000 + tv.tv_usec >= real / 1000);
	CHECK(check_clock(CLOCK_BOOTTIME) > 0);

	/* Each offset of the two clocks is known to lie in an interval; the intervals must have a point in common. */
	for (i = 0; i < 50; i++) {
		int64_t before = check_clock(CLOCK_MONOTONIC), between = check_clock(CLOCK_REALTIME);
		int64_t after = check_clock(CLOCK_MONOTONIC);

		CHECK(between >= real);
		real = between;
		if (between - after > low)
			low = between - after;
		if (between - before < high)
			high = between - before;
		CHECK(low <= high + 1000); /* 1 us for rounding */
		nanosleep(&nap, NULL);
	}
	cpu = check_clock(CLOCK_THREAD_CPUTIME_ID);
	for (work = 0; work < 3000000; work++)
		;
	CHECK(check_clock(CLOCK_THREAD_CPUTIME_ID) > cpu);
	CHECK(check_clock(CLOCK_PROCESS_CPUTIME_ID) > 0);
	CHECK(clock() != (clock_t)-1);
	return 0;
}
