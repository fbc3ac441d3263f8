// SPDX-License-Identifier: BSD-3-Clause
/*
 * What guest test programs share. A failed check names itself on standard error and ends the program with status 1, from
 * whatever thread; a program that returns 0 from main has passed. Nothing here allocates, locks or sleeps of its own.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

__attribute__((noreturn, cold, noinline, unused, format(printf, 3, 4))) static void check_failed(const char *file,
												 int line,
												 const char *format,
												 ...)
{
	char text[512];
	va_list args;
	int n, m;

	n = snprintf(text, sizeof(text), "FAIL %s:%d: ", file, line);
	va_start(args, format);
	m = vsnprintf(text + n, sizeof(text) - (size_t)n - 1, format, args);
	va_end(args);
	n = m > 0 && (size_t)(n + m) < sizeof(text) - 1 ? n + m : (int)sizeof(text) - 2;
	text[n++] = '\n';
	if (write(2, text, (size_t)n) < 0)
		_exit(3);
	_exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "%s (errno %d)", #condition, errno))

/* For functions that return 0 or an error number: the pthread ones. */
#define CHECK_OK(call)                                                                         \
	do {                                                                                   \
		int check_error_ = (call);                                                     \
		if (check_error_ != 0)                                                         \
			check_failed(__FILE__, __LINE__, "%s: error %d", #call, check_error_); \
	} while (0)

#define CHECK_EQ(left, right)                                                                                        \
	do {                                                                                                         \
		long long check_left_ = (long long)(left), check_right_ = (long long)(right);                        \
		if (check_left_ != check_right_)                                                                     \
			check_failed(__FILE__, __LINE__, "%s is %lld, not %s = %lld (errno %d)", #left, check_left_, \
				     #right, check_right_, errno);                                                   \
	} while (0)

/* Returns -1 with errno `error`. */
#define CHECK_ERRNO(call, error)                                                                        \
	do {                                                                                            \
		errno = 0;                                                                              \
		if ((long long)(call) != -1 || errno != (error))                                        \
			check_failed(__FILE__, __LINE__, "%s: errno %d, not %s", #call, errno, #error); \
	} while (0)

static inline pthread_t check_spawn(void *(*start)(void *), void *arg)
{
	pthread_t thread;

	CHECK_OK(pthread_create(&thread, NULL, start, arg));
	return thread;
}

static inline void *check_join(pthread_t thread)
{
	void *result;

	CHECK_OK(pthread_join(thread, &result));
	return result;
}

static inline int check_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (int)n;
}

static inline void check_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(sched_getcpu(), cpu);
}

static inline int64_t check_clock(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(clock, &ts), 0);
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline struct timespec check_after(clockid_t clock, int64_t ns)
{
	int64_t at = check_clock(clock) + ns;

	return (struct timespec){ .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
}

/* How many rounds a storm makes: `rounds` in the test suite; in tests/torture CHECK_TORTURE times that, for each of TUTTI_MINUTES. */
static inline long check_rounds(long rounds)
{
#ifdef CHECK_TORTURE
	const char *minutes = getenv("TUTTI_MINUTES");

	return (long)((double)rounds * CHECK_TORTURE * (minutes ? atof(minutes) : 1)) + 1;
#elif defined(CHECK_REPLAY) /* a replayed run is one of many, and each is slow */
	return (rounds + 3) / 4;
#else
	return rounds;
#endif
}

/*
 * For threads that hand over by spinning on different CPUs, or interrupt each other: past two virtual CPUs the computer may
 * have fewer cores than that, and then each hand-over waits for the host's scheduler.
 */
static inline long check_spin_rounds(long rounds)
{
	return check_rounds(check_cpus() > 2 ? (rounds + 9) / 10 : rounds);
}

static inline uint64_t check_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 16;
}

static inline void check_pause(void)
{
	__asm__ volatile("pause");
}
