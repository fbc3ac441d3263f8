// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=check/race.c,check/race_atomic.c,check/report.c,arch/x86_64/stack.c,lib/fmt.c timeout=300
// host: cflags=-Itests/host/fake_check -Itests/host/fake -Iarch/soft -mcx16 -O2
// host: ldflags=-Xlinker --defsym=__text_start=__executable_start -Xlinker --defsym=__text_end=etext -Xlinker --defsym=__image_start=__executable_start
/*
 * Promises of check/race.c, on two threads that play CPUs, with the calls the compiler would make written out: each kind of
 * race is reported within seconds, with both sides and their places; what is ordered, marked or beside it is never reported; a
 * late write is caught where the publication is relaxed and not where it is a release.
 *
 * Each case is a process of its own, because a report ends the run.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check/check.h"
#include "../../plat/plat.h" /* not the fake: its functions are defined here */
#include "sync/percpu.h"

#define FOUND	     134
#define SILENT_STEPS 200000u
#define GIVE_UP_S    60

void __tsan_read1(void *);
void __tsan_write1(void *);
void __tsan_read4(void *);
void __tsan_write4(void *);
void __tsan_read8(void *);
void __tsan_write8(void *);
void __tsan_read_range(void *, size_t);
void __tsan_write_range(void *, size_t);
void __tsan_volatile_read4(void *);
void __tsan_volatile_write4(void *);
void __tsan_func_exit(void);
uint32_t __tsan_atomic32_load(const uint32_t *, int);
void __tsan_atomic32_store(uint32_t *, uint32_t, int);
uint32_t __tsan_atomic32_exchange(uint32_t *, uint32_t, int);
uint32_t __tsan_atomic32_fetch_add(uint32_t *, uint32_t, int);
int __tsan_atomic32_compare_exchange_strong(uint32_t *, uint32_t *, uint32_t, int, int);
unsigned __int128 __tsan_atomic128_fetch_add(unsigned __int128 *, unsigned __int128, int);
unsigned __int128 __tsan_atomic128_load(const unsigned __int128 *, int);

/* ---- the machine ---- */

bool plat_crash_begun;

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	*value = *(const volatile uint64_t *)addr;
	return true;
}

uint64_t plat_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static char said[8192];

/* Lines of the report, for the parent. */
void plat_log(char level, const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
	strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

void plat_report(const char *what, void (*lines)(void *), void *arg)
{
	plat_log('C', "%s", what);
	lines(arg);
	if (write(3, said, strlen(said)) < 0)
		_exit(1);
	_exit(FOUND);
}

/* ---- the programs ---- */

static struct {
	uint32_t lock, flag, other;
	uint32_t counter __attribute__((aligned(64)));
	union {
		uint64_t word;
		uint8_t byte[8];
		uint8_t bytes[256];
	} u __attribute__((aligned(64)));
	uint32_t data;
	unsigned __int128 wide;
} s;

static bool for_ever;

#define STEPS for (unsigned i = 0; for_ever || i < SILENT_STEPS; i++)

static void __attribute__((noinline)) add_plain(void)
{
	__tsan_read4(&s.counter);
	__tsan_write4(&s.counter);
	(*(volatile uint32_t *)&s.counter)++;
	__tsan_func_exit();
}

static void lock(void)
{
	while (__tsan_atomic32_exchange(&s.lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(int order)
{
	__tsan_atomic32_store(&s.lock, 0, order);
}

static void counter(unsigned me)
{
	(void)me;
	STEPS
	add_plain();
}

static void locked(unsigned me)
{
	(void)me;
	STEPS
	{
		lock();
		add_plain();
		unlock(__ATOMIC_RELEASE);
	}
}

static void marked(unsigned me)
{
	uint32_t seen = 0;

	STEPS
	{
		if (me)
			__tsan_volatile_write4(&s.counter);
		else
			__tsan_volatile_read4(&s.counter);
		__tsan_atomic32_fetch_add(&s.flag, 1, __ATOMIC_RELAXED);
		__tsan_atomic32_compare_exchange_strong(&s.other, &seen, seen + 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		__tsan_atomic32_load(&s.flag, __ATOMIC_RELAXED);
		__tsan_atomic128_fetch_add(&s.wide, 1, __ATOMIC_SEQ_CST);
	}
}

static void atomic_against_read(unsigned me)
{
	STEPS
	{
		if (me)
			__tsan_atomic32_fetch_add(&s.counter, 1, __ATOMIC_SEQ_CST);
		else
			__tsan_read4(&s.counter);
	}
}

static void volatile_against_write(unsigned me)
{
	STEPS
	{
		if (me)
			__tsan_volatile_read4(&s.counter);
		else
			__tsan_write4(&s.counter);
	}
}

static void readers(unsigned me)
{
	(void)me;
	STEPS
	{
		__tsan_read4(&s.counter);
		__tsan_read_range(&s.u, sizeof(s.u));
		__tsan_atomic32_load(&s.counter, __ATOMIC_SEQ_CST);
	}
}

static void neighbours(unsigned me)
{
	STEPS
	{
		__tsan_write1(&s.u.byte[me]);
		__tsan_write_range(&s.u.bytes[32 + me * 100], 100);
	}
}

static void byte_in_word(unsigned me)
{
	STEPS
	{
		if (me)
			__tsan_write1(&s.u.byte[7]);
		else
			__tsan_read8(&s.u.word);
	}
}

static void range_over_lines(unsigned me)
{
	STEPS
	{
		if (me)
			__tsan_write_range(&s.u, 256);
		else
			__tsan_read1(&s.u.bytes[200]);
	}
}

/* Nobody tells of these writes. */
static void by_libc(unsigned me)
{
	STEPS
	{
		if (me)
			(*(volatile uint32_t *)&s.counter)++;
		else
			__tsan_read4(&s.counter);
	}
}

/* One fills `data`, tells by `flag`, the other takes it and says so by `other`. */
static void __attribute__((noinline)) publish(uint32_t i, int order)
{
	__tsan_write4(&s.data);
	s.data = i;
	if (order < 0) {
		__tsan_volatile_write4(&s.flag);
		*(volatile uint32_t *)&s.flag = i;
	} else {
		__tsan_atomic32_store(&s.flag, i, order);
	}
	__tsan_func_exit();
}

static void message(unsigned me, int order)
{
	STEPS
	{
		if (me) {
			publish(i + 1, order);
			while (__tsan_atomic32_load(&s.other, __ATOMIC_ACQUIRE) != i + 1)
				sched_yield();
		} else {
			while (__tsan_atomic32_load(&s.flag, __ATOMIC_ACQUIRE) != i + 1)
				sched_yield();
			__tsan_read4(&s.data);
			__tsan_atomic32_store(&s.other, i + 1, __ATOMIC_RELEASE);
		}
	}
}

static void message_relaxed(unsigned me)
{
	message(me, __ATOMIC_RELAXED);
}

static void message_volatile(unsigned me)
{
	message(me, -1);
}

static void message_release(unsigned me)
{
	message(me, __ATOMIC_RELEASE);
}

/* A lock that is let go without order: what was written inside may be late. */
static void unlock_relaxed(unsigned me)
{
	(void)me;
	STEPS
	{
		lock();
		__tsan_write4(&s.counter);
		s.counter++;
		unlock(__ATOMIC_RELAXED);
		sched_yield();
	}
}

/* ---- */

static void (*program)(unsigned);

static void *cpu(void *arg)
{
	fake_set_cpu((unsigned)(uintptr_t)arg);
	program((unsigned)(uintptr_t)arg);
	return NULL;
}

static void run(const char *name, void (*fn)(unsigned), bool race, const char *wanted)
{
	char text[sizeof(said) + 1] = "";
	int pipefd[2], status;
	uint64_t start = plat_monotonic_ns();
	pid_t child;
	ssize_t n;
	size_t len = 0;

	if (pipe(pipefd))
		exit(1);
	child = fork();
	if (!child) {
		pthread_t t[2];

		dup2(pipefd[1], 3);
		alarm(GIVE_UP_S);
		program = fn;
		for_ever = race;
		check_start();
		for (uintptr_t i = 0; i < 2; i++)
			if (pthread_create(&t[i], NULL, cpu, (void *)i))
				_exit(1);
		for (unsigned i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		_exit(0);
	}
	close(pipefd[1]);
	while (len < sizeof(text) - 1 && (n = read(pipefd[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(pipefd[0]);
	waitpid(child, &status, 0);
	printf("%-22s %.2f s\n", name, (double)(plat_monotonic_ns() - start) / 1e9);
	if (WIFSIGNALED(status) || WEXITSTATUS(status) != (race ? FOUND : 0) || (wanted && !strstr(text, wanted))) {
		printf("%s: status 0x%x, wanted %s%s%s\n%s", name, (unsigned)status, race ? "a race" : "silence",
		       wanted ? " with: " : "", wanted ? wanted : "", text);
		exit(1);
	}
}

int main(void)
{
	run("counter", counter, true, "4 bytes at ");
	run("locked", locked, false, NULL);
	run("marked", marked, false, NULL);
	run("atomic against read", atomic_against_read, true, " and marked write by CPU 1\n");
	run("volatile against write", volatile_against_write, true, "data race: write of 4 bytes");
	run("readers", readers, false, NULL);
	run("neighbours", neighbours, false, NULL);
	run("byte in word", byte_in_word, true, "write of 1 byte at ");
	run("range over lines", range_over_lines, true, "256 bytes");
	run("by libc", by_libc, true, "who changed it was not seen");
	run("message relaxed", message_relaxed, true, "CPU 1, which nothing makes visible");
	run("message volatile", message_volatile, true, "CPU 1, which nothing makes visible");
	run("message release", message_release, false, NULL);
	run("unlock relaxed", unlock_relaxed, true, "which nothing makes visible");
	return 0;
}
