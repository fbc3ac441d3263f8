// SPDX-License-Identifier: BSD-3-Clause
/*
 * Functions of the C library that work on memory the program names, for CHECK=memory: the C library is not instrumented, so the
 * calls are caught by the linker (-Wl,--wrap, the list in check/flags.mk), their ranges looked at, and then they are made. The C
 * library's own calls and the kernel's of memcpy() and the like come here too.
 *
 * What a function will read or write is looked at before it does, except where only the function knows how much it is (snprintf,
 * fgets, read): those are looked at after. A string is looked at up to its end, byte by byte, by the search for the end
 * itself, so that a missing end is found where it leaves the object.
 *
 * No state, no locks; contexts are those of the functions. sprintf() and snprintf() have their entries in strings_entry.S:
 * this code has no floating point registers to pass on.
 */
#include <stdarg.h>

#include "check/shadow_map.h"
#include "lib/util.h"

#define REAL(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

#define READS(p, n)  memory_range((p), (n), false, CALLER_PC(), CALLER_FP())
#define WRITES(p, n) memory_range((p), (n), true, CALLER_PC(), CALLER_FP())

/* Length of a string, at most max; what it reads is looked at. */
static inline size_t length(const char *s, size_t max, uintptr_t pc, uintptr_t fp)
{
	size_t n = 0;

	for (; n < max; n++) {
		/* a new granule, or one used in part */
		if (unlikely(shadow_has((uintptr_t)s + n) && *shadow_of((uintptr_t)s + n)))
			memory_range(s + n, 1, false, pc, fp);
		if (!s[n])
			break;
	}
	return n;
}

#define LENGTH(s)	   length((s), SIZE_MAX, CALLER_PC(), CALLER_FP())
#define LENGTH_MAX(s, max) length((s), (max), CALLER_PC(), CALLER_FP())

/* ---- memory ---- */

REAL(void *, memcpy, void *d, const void *s, size_t n)
{
	READS(s, n);
	WRITES(d, n);
	return __real_memcpy(d, s, n);
}

REAL(void *, mempcpy, void *d, const void *s, size_t n)
{
	READS(s, n);
	WRITES(d, n);
	return __real_mempcpy(d, s, n);
}

REAL(void *, memmove, void *d, const void *s, size_t n)
{
	READS(s, n);
	WRITES(d, n);
	return __real_memmove(d, s, n);
}

REAL(void *, memset, void *d, int c, size_t n)
{
	WRITES(d, n);
	return __real_memset(d, c, n);
}

REAL(int, memcmp, const void *a, const void *b, size_t n)
{
	READS(a, n);
	READS(b, n);
	return __real_memcmp(a, b, n);
}

/* It may stop at what it finds, and the rest need not be there. */
REAL(void *, memchr, const void *p, int c, size_t n)
{
	const char *found = __real_memchr(p, c, n);

	READS(p, found ? (size_t)(found - (const char *)p) + 1 : n);
	return (void *)found;
}

/* ---- strings ---- */

REAL(size_t, strlen, const char *s)
{
	return LENGTH(s);
}

REAL(size_t, strnlen, const char *s, size_t max)
{
	return LENGTH_MAX(s, max);
}

REAL(char *, strcpy, char *d, const char *s)
{
	size_t n = LENGTH(s) + 1;

	WRITES(d, n);
	__real_memcpy(d, s, n);
	return d;
}

REAL(char *, stpcpy, char *d, const char *s)
{
	size_t n = LENGTH(s) + 1;

	WRITES(d, n);
	__real_memcpy(d, s, n);
	return d + n - 1;
}

REAL(char *, strncpy, char *d, const char *s, size_t n)
{
	LENGTH_MAX(s, n);
	WRITES(d, n);
	return __real_strncpy(d, s, n);
}

REAL(char *, strcat, char *d, const char *s)
{
	size_t at = LENGTH(d), n = LENGTH(s) + 1;

	WRITES(d + at, n);
	__real_memcpy(d + at, s, n);
	return d;
}

REAL(char *, strncat, char *d, const char *s, size_t max)
{
	size_t at = LENGTH(d), n = LENGTH_MAX(s, max);

	WRITES(d + at, n + 1);
	__real_memcpy(d + at, s, n);
	d[at + n] = 0;
	return d;
}

REAL(size_t, strlcpy, char *d, const char *s, size_t size)
{
	size_t n = LENGTH(s);

	if (size)
		WRITES(d, MIN(n, size - 1) + 1);
	return __real_strlcpy(d, s, size);
}

REAL(size_t, strlcat, char *d, const char *s, size_t size)
{
	size_t at = LENGTH_MAX(d, size), n = LENGTH(s);

	if (at < size)
		WRITES(d + at, MIN(n, size - at - 1) + 1);
	return __real_strlcat(d, s, size);
}

/* Compared up to the first difference. */
static inline size_t alike(const char *a, const char *b, size_t max)
{
	size_t n = 0;

	while (n < max && a[n] == b[n] && a[n])
		n++;
	return n < max ? n + 1 : max;
}

REAL(int, strcmp, const char *a, const char *b)
{
	size_t n = alike(a, b, SIZE_MAX);

	READS(a, n);
	READS(b, n);
	return __real_strcmp(a, b);
}

REAL(int, strncmp, const char *a, const char *b, size_t max)
{
	size_t n = alike(a, b, max);

	READS(a, n);
	READS(b, n);
	return __real_strncmp(a, b, max);
}

REAL(char *, strchr, const char *s, int c)
{
	char *found = __real_strchr(s, c);

	if (found)
		READS(s, (size_t)(found - s) + 1);
	else
		LENGTH(s);
	return found;
}

REAL(char *, strrchr, const char *s, int c)
{
	LENGTH(s);
	return __real_strrchr(s, c);
}

/* ---- formatting ---- */

int __real_vsnprintf(char *d, size_t size, const char *fmt, va_list ap);
int __real_vsprintf(char *d, const char *fmt, va_list ap);

/* By strings_entry.S with the caller's place; `size` as given. */
int strings_vsnprintf(char *d, size_t size, const char *fmt, va_list ap, uintptr_t pc, uintptr_t fp)
{
	int n;

	length(fmt, SIZE_MAX, pc, fp);
	n = __real_vsnprintf(d, size, fmt, ap);
	if (n >= 0 && size)
		memory_range(d, MIN((size_t)n, size - 1) + 1, true, pc, fp);
	return n;
}

int strings_vsprintf(char *d, size_t unused, const char *fmt, va_list ap, uintptr_t pc, uintptr_t fp)
{
	int n;

	(void)unused;
	length(fmt, SIZE_MAX, pc, fp);
	n = __real_vsprintf(d, fmt, ap);
	if (n >= 0)
		memory_range(d, (size_t)n + 1, true, pc, fp);
	return n;
}

int __wrap_vsnprintf(char *d, size_t size, const char *fmt, va_list ap)
{
	return strings_vsnprintf(d, size, fmt, ap, CALLER_PC(), CALLER_FP());
}

int __wrap_vsprintf(char *d, const char *fmt, va_list ap)
{
	return strings_vsprintf(d, 0, fmt, ap, CALLER_PC(), CALLER_FP());
}

/* ---- input and output ---- */

REAL(char *, fgets, char *d, int n, void *f)
{
	char *got = __real_fgets(d, n, f);

	/* what may have been read up to the line's end; only the end is known */
	if (got && n > 0)
		WRITES(d, LENGTH_MAX(d, (size_t)n) + 1);
	return got;
}

REAL(size_t, fread, void *d, size_t size, size_t n, void *f)
{
	size_t got = __real_fread(d, size, n, f);

	WRITES(d, got * size);
	return got;
}

REAL(size_t, fwrite, const void *s, size_t size, size_t n, void *f)
{
	READS(s, size * n);
	return __real_fwrite(s, size, n, f);
}

REAL(long, read, int fd, void *d, size_t n)
{
	long got = __real_read(fd, d, n);

	if (got > 0)
		WRITES(d, (size_t)got);
	return got;
}

REAL(long, write, int fd, const void *s, size_t n)
{
	READS(s, n);
	return __real_write(fd, s, n);
}

/* ---- frames that are left ---- */

#define STACK_MOST (8ul << 20) /* below a stack pointer; clearing more than the stack only hides errors there */
#define JB_RSP	   6	       /* musl, src/setjmp/x86_64/setjmp.s */

/* The margins of the frames between here and where it goes to disappear. */
static inline void leave_frames(const uintptr_t *env)
{
	uintptr_t here = ALIGN_DOWN((uintptr_t)__builtin_frame_address(0), GRANULE), there = env[JB_RSP];

	/* from another stack, a signal's: the frames below where it goes are left as well, however many there are */
	if (there <= here || there - here >= 1ul << 30)
		here = there > STACK_MOST ? ALIGN_DOWN(there - STACK_MOST, GRANULE) : 0;
	shadow_unpoison(here, ALIGN_DOWN(there - here, GRANULE));
}

REAL(__attribute__((noreturn)) void, longjmp, uintptr_t *env, int v)
{
	leave_frames(env);
	__real_longjmp(env, v);
}

REAL(__attribute__((noreturn)) void, _longjmp, uintptr_t *env, int v)
{
	leave_frames(env);
	__real__longjmp(env, v);
}
