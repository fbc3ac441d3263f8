// SPDX-License-Identifier: BSD-3-Clause
/*
 * Formatting for the kernel's own lines. A sink counts every character of the full text and stores those that fit, so
 * the result is always terminated and the returned length is that of the whole text. Leaf code on the caller's memory
 * and stack only (no locks, no allocation): usable in interrupts and inside the crash report. An unknown conversion is
 * printed as it stands.
 */
#include "lib/fmt.h"

#include <stdbool.h>
#include <stdint.h>

struct sink {
	char *buf;
	size_t size;
	size_t len;
};

struct spec {
	bool left, zero;
	int width, precision; /* precision -1: none */
};

static void put(struct sink *s, char c)
{
	if (s->len + 1 < s->size)
		s->buf[s->len] = c;
	s->len++;
}

static void put_padded(struct sink *s, const char *text, size_t n, const char *prefix, const struct spec *sp)
{
	size_t plen = 0, pad;

	while (prefix[plen])
		plen++;
	pad = (size_t)sp->width > n + plen ? (size_t)sp->width - n - plen : 0;
	if (!sp->left && !sp->zero)
		for (; pad; pad--)
			put(s, ' ');
	for (size_t i = 0; i < plen; i++)
		put(s, prefix[i]);
	if (!sp->left)
		for (; pad; pad--)
			put(s, '0');
	for (size_t i = 0; i < n; i++)
		put(s, text[i]);
	for (; pad; pad--)
		put(s, ' ');
}

static void put_number(struct sink *s, uint64_t v, unsigned base, bool upper, const char *prefix, const struct spec *sp)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char tmp[24];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = digits[v % base];
		v /= base;
	} while (v);
	put_padded(s, tmp + i, sizeof(tmp) - i, prefix, sp);
}

size_t fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct sink s = { buf, size, 0 };

	for (; *fmt; fmt++) {
		struct spec sp = { false, false, 0, -1 };
		const char *start = fmt;
		int longs = 0;

		if (*fmt != '%') {
			put(&s, *fmt);
			continue;
		}
		for (fmt++; *fmt == '-' || *fmt == '0'; fmt++) {
			if (*fmt == '-')
				sp.left = true;
			else
				sp.zero = true;
		}
		if (*fmt == '*') {
			sp.width = va_arg(ap, int);
			if (sp.width < 0) {
				sp.left = true;
				sp.width = -sp.width;
			}
			fmt++;
		} else {
			for (; *fmt >= '0' && *fmt <= '9'; fmt++)
				sp.width = sp.width * 10 + (*fmt - '0');
		}
		if (*fmt == '.') {
			sp.precision = 0;
			if (*++fmt == '*') {
				sp.precision = va_arg(ap, int);
				fmt++;
			} else {
				for (; *fmt >= '0' && *fmt <= '9'; fmt++)
					sp.precision = sp.precision * 10 + (*fmt - '0');
			}
		}
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			longs++;

		switch (*fmt) {
		case 'd':
		case 'i': {
			int64_t v = longs ? va_arg(ap, long) : va_arg(ap, int);

			put_number(&s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, false, v < 0 ? "-" : "", &sp);
			break;
		}
		case 'u':
			put_number(&s, longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, false, "", &sp);
			break;
		case 'x':
		case 'X':
			put_number(&s, longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, *fmt == 'X', "",
				   &sp);
			break;
		case 'p':
			put_number(&s, (uintptr_t)va_arg(ap, void *), 16, false, "0x", &sp);
			break;
		case 'c': {
			char c = (char)va_arg(ap, int);

			sp.zero = false;
			put_padded(&s, &c, 1, "", &sp);
			break;
		}
		case 's': {
			const char *str = va_arg(ap, const char *);
			size_t n = 0;

			if (!str)
				str = "(null)";
			while ((sp.precision < 0 || n < (size_t)sp.precision) && str[n])
				n++;
			sp.zero = false;
			put_padded(&s, str, n, "", &sp);
			break;
		}
		case '%':
			put(&s, '%');
			break;
		default:
			for (; start < fmt; start++)
				put(&s, *start);
			if (!*fmt)
				goto out;
			put(&s, *fmt);
		}
	}
out:
	if (size)
		buf[s.len < size ? s.len : size - 1] = 0;
	return s.len;
}

size_t fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
