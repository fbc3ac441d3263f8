/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printf-style formatting for the kernel: %d %i %u %x %X %c %s %p %% with l, ll, z, field width, precision for %s,
 * `0` and `-` flags. No floating point, no allocation, no locks; callable anywhere, interrupts and crash report included.
 * Returns the length that the whole text has, as vsnprintf does; the buffer is always terminated if size > 0.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

size_t fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
size_t fmt_snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
