// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35
/* Sleeps of many lengths, by many threads at once, relative and absolute: each ends, and none ends early. */
#include "check.h"

static void *sleep_often(void *arg)
{
	uint64_t rng = 3 + (uint64_t)(uintptr_t)arg;
	int i;

	for (i = 0; i < 30; i++) {
		long ns = (long)(check_random(&rng) % 4000000);
		struct timespec ts = { 0, ns }, left, until;
		int64_t before = check_clock(CLOCK_MONOTONIC);

		CHECK_EQ(nanosleep(&ts, &left), 0);
		CHECK(check_clock(CLOCK_MONOTONIC) - before >= ns);
		until = check_after(CLOCK_MONOTONIC, ns);
		CHECK_OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
		CHECK(check_clock(CLOCK_MONOTONIC) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
		until = check_after(CLOCK_REALTIME, ns);
		CHECK_OK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
		CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)until.tv_sec * 1000000000 + until.tv_nsec);
	}
	return NULL;
}

int main(void)
{
	struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 }, past = { 0, 0 };
	pthread_t threads[10];
	intptr_t i;

	for (i = 0; i < 10; i++)
		threads[i] = check_spawn(sleep_often, (void *)i);
	for (i = 0; i < 10; i++)
		check_join(threads[i]);
	CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&negative, NULL), EINVAL);
	CHECK_OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL));
	CHECK_EQ(usleep(1500), 0);
	return 0;
}
