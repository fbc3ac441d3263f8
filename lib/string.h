/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory and string helpers. The mem* functions are libc's (assembly on general registers in the guest); the compiler also
 * calls them by itself. The str_* ones are inline here because libc's versions may use vector registers, which kernel
 * code must not touch. Any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static inline size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Length, but at most max. */
static inline size_t str_nlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

static inline int str_cmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

static inline bool str_eq(const char *a, const char *b)
{
	return str_cmp(a, b) == 0;
}

static inline bool str_has_prefix(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

/* Does the list of words separated by spaces contain `word`? */
static inline bool str_has_word(const char *s, const char *word)
{
	const size_t len = str_len(word);

	while (*s) {
		if (str_has_prefix(s, word) && (s[len] == ' ' || !s[len]))
			return true;
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	return false;
}

/* Copy with truncation, always terminated (size > 0). Returns the length of src. */
static inline size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t i = 0, n = str_len(src);

	for (; i + 1 < size && src[i]; i++)
		dst[i] = src[i];
	if (size)
		dst[i] = 0;
	return n;
}
