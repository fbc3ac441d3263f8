// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=check/undefined.c,check/report.c,arch/x86_64/stack.c,lib/fmt.c timeout=60
// host: cflags=-Itests/host/fake_check -Itests/host/fake -Iarch/soft -fsanitize=undefined -fsanitize=float-cast-overflow
// host:      -fsanitize=float-divide-by-zero -Wno-div-by-zero -Wno-shift-count-overflow -Wno-nonnull -Wno-return-type -w
// host: ldflags=-Xlinker --defsym=__text_start=__executable_start -Xlinker --defsym=__text_end=etext -Xlinker --defsym=__image_start=__executable_start
/*
 * Promises of check/undefined.c: every kind of undefined behaviour that the compiler can test in C ends the run with one line that
 * has what was done, the values and the place, and the stack of the function that did it. The calls are the compiler's own.
 *
 * Each case is a process of its own, because a report ends the run.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../plat/plat.h" /* not the fake: its functions are defined here */
#include "tests/host/fake_check/said.h"

bool plat_crash_begun;

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	*value = *(const volatile uint64_t *)addr;
	return true;
}

/* ---- mistakes ---- */

static volatile int one = 1, zero, minus_one = -1, big = INT_MAX, small = INT_MIN, forty = 40;
static volatile long long_max = LONG_MAX;
static volatile unsigned u;
static volatile double d = 1e10, half = -0.5, tiny = 1e-300, huge = 1e300;
static volatile float f = 3e9f;
static volatile long double ld = 1.5e20L;
static volatile __int128 wide = ((__int128)1 << 126);
static char bytes[16] __attribute__((aligned(8)));
static int array[4];
static void *volatile null;
struct point {
	int x, y;
};
static volatile long sink;

static void add(void)
{
	sink = big + one;
}

static void subtract(void)
{
	sink = small - one;
}

static void multiply(void)
{
	sink = long_max * 2;
}

static void wide_add(void)
{
	sink = (long)((wide + wide) >> 64);
}

static void negate(void)
{
	sink = -small;
}

static void divide(void)
{
	sink = big / zero;
}

static void divide_minus_one(void)
{
	sink = small / minus_one;
}

static void shift_far(void)
{
	sink = one << forty;
}

static void shift_negative_count(void)
{
	sink = one << minus_one;
}

static void shift_out(void)
{
	sink = big << one;
}

static void index_past(void)
{
	sink = array[one + 3];
}

static void index_negative(void)
{
	array[minus_one] = 1;
}

static void load_null(void)
{
	sink = *(int *)null;
}

static void member_null(void)
{
	sink = ((struct point *)null)->y;
}

static void misaligned(void)
{
	*(int *)(bytes + one) = 1;
}

static void pointer_wraps(void)
{
	volatile uintptr_t n = (1ul << 63) + 1;
	char *volatile p = bytes;

	sink = (long)(p + n);
}

static void bad_bool(void)
{
	memset(bytes, 7, sizeof(bytes));
	sink = *(volatile bool *)bytes;
}

static void float_to_int(void)
{
	sink = (int)d;
}

static void float32_to_int(void)
{
	sink = (int)f;
}

static void long_double_to_long(void)
{
	sink = (long)ld;
}

static void float_huge(void)
{
	sink = (int)huge;
}

static void float_negative(void)
{
	sink = (unsigned char)(half * 3);
}

static void float_nan(void)
{
	sink = (int)((double)zero / (tiny * tiny));
}

static void vla(void)
{
	char a[minus_one];

	a[0] = 1;
	sink = a[0];
}

static void unreachable(void)
{
	if (one)
		__builtin_unreachable();
}

static void __attribute__((nonnull(1), noinline)) wants(const void *p)
{
	sink = (long)p;
}

static void null_argument(void)
{
	wants(null);
}

static void __attribute__((returns_nonnull, noinline)) * never_null(void)
{
	return null;
}

static void null_return(void)
{
	sink = (long)never_null();
}

static void count_zeroes(void)
{
	sink = __builtin_ctz(u);
}

static const struct {
	const char *name;
	void (*fn)(void);
	const char *said;
} cases[] = {
	{ "add", add, "signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'" },
	{ "subtract", subtract, "signed integer overflow: -2147483648 - 1 cannot" },
	{ "multiply", multiply,
	  "signed integer overflow: 9223372036854775807 * 2 cannot be represented in type 'long" },
	{ "wide add", wide_add, "signed integer overflow: 0x40000000000000000000000000000000 + 0x4" },
	{ "negate", negate, "negation of -2147483648 cannot be represented in type 'int'" },
	{ "divide", divide, "division by zero: 2147483647 / 0" },
	{ "divide by -1", divide_minus_one, "division of -2147483648 by -1 cannot be represented in type 'int'" },
	{ "shift far", shift_far, "shift exponent 40 is too large for 32-bit type 'int'" },
	{ "shift negative", shift_negative_count, "shift exponent -1 is negative" },
	{ "shift out", shift_out, NULL },
	{ "index past", index_past, "index 4 out of bounds for type 'int" },
	{ "index negative", index_negative, "index -1 out of bounds for type 'int" },
	{ "load null", load_null, "load of null pointer of type" },
	{ "member null", member_null, "member access within null pointer of type 'struct point'" },
	{ "misaligned", misaligned, "for type 'int', which requires 4 byte alignment" },
	{ "bad bool", bad_bool, "load of value 7, which is not a valid value for type" },
	{ "double to int", float_to_int, "1e+10 is outside the range of representable values of type 'int'" },
	{ "float to int", float32_to_int, "3e+09 is outside the range" },
	{ "long double to long", long_double_to_long,
	  "1.5e+20 is outside the range of representable values of type 'long" },
	{ "huge to int", float_huge, "1e+300 is outside" },
	{ "negative to unsigned", float_negative, "-1.5 is outside the range" },
	{ "nan to int", float_nan, "" },
	{ "vla", vla, "variable length array bound is not positive: -1" },
	{ "unreachable", unreachable, "execution reached a point that was said to be unreachable" },
	{ "null argument", null_argument, "null pointer passed as argument 1, which is declared to never be null" },
	{ "null return", null_return, "null pointer returned from a function declared to never return null" },
	{ "ctz of 0", count_zeroes, "passing zero to a count of" },
	{ "pointer wraps", pointer_wraps, "pointer arithmetic: 0x" },
};

static void run(unsigned i)
{
	char text[sizeof(said) + 1] = "";
	int pipefd[2], status;
	size_t len = 0, lines = 0;
	ssize_t n;
	pid_t child;

	if (pipe(pipefd))
		exit(1);
	child = fork();
	if (!child) {
		dup2(pipefd[1], 3);
		alarm(20);
		cases[i].fn();
		_exit(0);
	}
	close(pipefd[1]);
	while (len < sizeof(text) - 1 && (n = read(pipefd[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(pipefd[0]);
	waitpid(child, &status, 0);
	for (size_t j = 0; j < len; j++)
		lines += text[j] == '\n';
	printf("%-22s %.*s\n", cases[i].name, (int)strcspn(text, "\n"), text);
	/* what C allows since an overflowing shift of a positive number is only tested in later standards: silent is right */
	if (!cases[i].said ? WIFSIGNALED(status)
			   : WIFSIGNALED(status) || WEXITSTATUS(status) != 134 || lines < 3 ||
				     !strstr(text, cases[i].said) || !strstr(text, "check_undefined.c:")) {
		printf("%s: status 0x%x, wanted: %s\n%s", cases[i].name, (unsigned)status, cases[i].said, text);
		exit(1);
	}
}

int main(void)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run(i);
	return 0;
}
