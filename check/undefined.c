// SPDX-License-Identifier: BSD-3-Clause
/*
 * Undefined behaviour of tutti and of its programs: the handlers of -fsanitize=undefined.
 *
 * The compiler tests and calls; here the call becomes one line with what was done, its values and file:line:column, the
 * stack of the caller, and the end of the run (134). Every handler exists twice, with and without `_abort`, and neither returns.
 * The structures are those of compiler-rt (lib/ubsan/ubsan_handlers.h, ubsan_value.h), which gcc 12 and clang 14 both follow; a
 * value is handed over in a register if it fits, else by address.
 *
 * Not instrumented itself, or a mistake here would call itself. No floating point: numbers are taken apart by their bits.
 * Nothing allocates; any context, early boot and interrupts included.
 */
#include "check/internal.h"
#include "lib/fmt.h"
#include "lib/util.h"
#include "plat/plat.h"

#include "lib/string.h"

/* ---- what the compiler hands over ---- */

struct location {
	const char *file;
	uint32_t line, column;
};

struct type {
	uint16_t kind; /* 0 integer, 1 floating point, 0xffff anything else */
	uint16_t info; /* integer: bit 0 signed, the rest log2 of the width; floating point: the width */
	char name[];   /* in quotes */
};

#define TYPE_INT   0
#define TYPE_FLOAT 1

struct on_type {
	struct location at;
	const struct type *type;
};

struct on_two_types {
	struct location at;
	const struct type *a, *b;
};

struct type_mismatch {
	struct location at;
	const struct type *type;
	uint8_t log_align;
	uint8_t what;
};

struct conversion {
	struct location at;
	const struct type *from, *to;
	uint8_t kind;
};

struct builtin {
	struct location at;
	uint8_t kind;
};

struct nonnull_argument {
	struct location at, attribute;
	int index;
};

struct alignment_assumption {
	struct location at, assumption;
	const struct type *type;
};

/* ---- values as text ---- */

#define VALUE_TEXT 48

static unsigned width(const struct type *t)
{
	return t->kind == TYPE_INT ? 1u << (t->info >> 1) : t->info;
}

static bool is_signed(const struct type *t)
{
	return t->kind == TYPE_INT && (t->info & 1);
}

/* Sign extended or zero extended; valid for integers. */
static __int128 integer(const struct type *t, uintptr_t v)
{
	unsigned bits = width(t);

	if (bits > 64) {
		/* clang 14 aligns it to 8 */
		const uint64_t *word = (const uint64_t *)v;

		return (__int128)((unsigned __int128)word[1] << 64 | word[0]);
	}
	if (is_signed(t))
		return (int64_t)(v << (64 - bits)) >> (64 - bits);
	return bits == 64 ? v : v & ((1ul << bits) - 1);
}

static bool negative(const struct type *t, uintptr_t v)
{
	return is_signed(t) && integer(t, v) < 0;
}

static unsigned long first_digits(const char *digits, int n)
{
	unsigned long v = 0;

	for (int i = 0; i < n; i++)
		v = v * 10 + (unsigned long)(digits[i] - '0');
	return v;
}

/* Six digits of m * 2^e, as %g would print it. m is not 0. */
static void float_digits(char *out, bool minus, uint64_t m, int e)
{
	const char *sign = minus ? "-" : "";
	char digits[24];
	int dec = 0, point;
	size_t n;

	for (; e > 0; e--) {
		while (m >> 63) {
			m /= 10;
			dec++;
		}
		m *= 2;
	}
	for (; e < 0; e++) {
		while (m < 1ul << 59) {
			m *= 10;
			dec--;
		}
		m /= 2;
	}
	while (m >= 1000000) {
		/* the last step rounds */
		m = m >= 10000000 ? m / 10 : (m + 5) / 10;
		dec++;
	}
	n = fmt_snprintf(digits, sizeof(digits), "%lu", m);
	point = (int)n + dec; /* digits in front of the point */
	while (n > 1 && digits[n - 1] == '0')
		digits[--n] = 0;
	if (point > 6 || point < -3)
		fmt_snprintf(out, VALUE_TEXT, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1,
			     point > 0 ? '+' : '-', point > 0 ? point - 1 : 1 - point);
	else if (point <= 0)
		fmt_snprintf(out, VALUE_TEXT, "%s0.%s%s", sign, &"000"[3 + point], digits);
	else if ((size_t)point >= n)
		fmt_snprintf(out, VALUE_TEXT, "%s%s%s", sign, digits, &"000000"[6 - ((size_t)point - n)]);
	else
		fmt_snprintf(out, VALUE_TEXT, "%s%lu.%s", sign, first_digits(digits, point), digits + point);
}

static void floating(char *out, const struct type *t, uintptr_t v)
{
	uint64_t m;
	unsigned e, top;
	int bias;
	bool minus;

	/* IEEE 754 binary32 and binary64; the x87 format has its leading bit written out */
	if (width(t) == 32) {
		m = v & 0x7fffff;
		e = v >> 23 & 0xff;
		minus = v >> 31 & 1;
		top = 0xff;
		bias = 127 + 23;
		if (e && e != top)
			m |= 1ul << 23;
	} else if (width(t) == 64) {
		m = v & 0xffffffffffffful;
		e = v >> 52 & 0x7ff;
		minus = v >> 63;
		top = 0x7ff;
		bias = 1023 + 52;
		if (e && e != top)
			m |= 1ul << 52;
	} else {
		uint16_t se;

		memcpy(&m, (const void *)v, sizeof(m));
		memcpy(&se, (const char *)v + 8, sizeof(se));
		e = se & 0x7fff;
		minus = se >> 15;
		top = 0x7fff;
		bias = 16383 + 63;
		if (e == top)
			m <<= 1;
	}
	if (e == top)
		str_copy(out, m ? "nan" : minus ? "-inf" : "inf", VALUE_TEXT);
	else if (!m)
		str_copy(out, minus ? "-0" : "0", VALUE_TEXT);
	else
		float_digits(out, minus, m, (int)(e ? e : 1) - bias);
}

/* `out` has room for VALUE_TEXT. */
static const char *text(char *out, const struct type *t, uintptr_t v)
{
	if (t->kind == TYPE_FLOAT) {
		floating(out, t, v);
	} else if (t->kind == TYPE_INT) {
		__int128 i = integer(t, v);

		if (is_signed(t) && i >= INT64_MIN && i <= INT64_MAX)
			fmt_snprintf(out, VALUE_TEXT, "%ld", (long)i);
		else if (!((unsigned __int128)i >> 64))
			fmt_snprintf(out, VALUE_TEXT, "%lu", (unsigned long)i);
		else
			fmt_snprintf(out, VALUE_TEXT, "0x%lx%016lx", (unsigned long)((unsigned __int128)i >> 64),
				     (unsigned long)i);
	} else {
		fmt_snprintf(out, VALUE_TEXT, "0x%lx", v);
	}
	return out;
}

/* ---- report ---- */

static void lines(void *arg)
{
	stack_print(((const struct stack *)arg)->pc, STACK_DEPTH);
}

struct where {
	const struct location *at;
	uintptr_t pc, fp;
};

static __cold __attribute__((noreturn, format(printf, 2, 3))) void undefined(struct where w, const char *fmt, ...)
{
	struct stack stack;
	char what[280];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	stack_walk(stack.pc, STACK_DEPTH, w.pc, w.fp);
	if (w.at && w.at->file)
		check_end(lines, &stack, "%s (%s:%u:%u)", what, w.at->file, w.at->line, w.at->column);
	check_end(lines, &stack, "%s", what);
}

/* Both names of a handler; `how` is a static inline function that does not return. */
#define HANDLER(name, how, params, ...)                     \
	void __ubsan_handle_##name params                   \
	{                                                   \
		how(CALLER_PC(), CALLER_FP(), __VA_ARGS__); \
	}                                                   \
	void __ubsan_handle_##name##_abort params           \
	{                                                   \
		how(CALLER_PC(), CALLER_FP(), __VA_ARGS__); \
	}

#define W(at) ((struct where){ (at), pc, fp })
#define HOW   static __attribute__((noreturn)) void

HOW overflow(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t a, uintptr_t b, const char *op)
{
	char x[VALUE_TEXT], y[VALUE_TEXT];

	undefined(W(&d->at), "%s integer overflow: %s %s %s cannot be represented in type %s",
		  is_signed(d->type) ? "signed" : "unsigned", text(x, d->type, a), op, text(y, d->type, b),
		  d->type->name);
}

HOW negation(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t v)
{
	char x[VALUE_TEXT];

	undefined(W(&d->at), "negation of %s cannot be represented in type %s", text(x, d->type, v), d->type->name);
}

HOW division(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t a, uintptr_t b)
{
	char x[VALUE_TEXT];

	if (d->type->kind == TYPE_INT && integer(d->type, b) == -1)
		undefined(W(&d->at), "division of %s by -1 cannot be represented in type %s", text(x, d->type, a),
			  d->type->name);
	undefined(W(&d->at), "division by zero: %s / 0", text(x, d->type, a));
}

HOW shift(uintptr_t pc, uintptr_t fp, const struct on_two_types *d, uintptr_t a, uintptr_t b)
{
	char x[VALUE_TEXT], y[VALUE_TEXT];

	text(x, d->a, a);
	text(y, d->b, b);
	if (negative(d->b, b))
		undefined(W(&d->at), "shift exponent %s is negative", y);
	if (integer(d->b, b) >= width(d->a))
		undefined(W(&d->at), "shift exponent %s is too large for %u-bit type %s", y, width(d->a), d->a->name);
	if (negative(d->a, a))
		undefined(W(&d->at), "left shift of negative value %s", x);
	undefined(W(&d->at), "left shift of %s by %s places cannot be represented in type %s", x, y, d->a->name);
}

HOW bounds(uintptr_t pc, uintptr_t fp, const struct on_two_types *d, uintptr_t index)
{
	char x[VALUE_TEXT];

	undefined(W(&d->at), "index %s out of bounds for type %s", text(x, d->b, index), d->a->name);
}

HOW mismatch(uintptr_t pc, uintptr_t fp, const struct type_mismatch *d, uintptr_t p)
{
	static const char *const what[] = { "load of",
					    "store to",
					    "reference binding to",
					    "member access within",
					    "member call on",
					    "constructor call on",
					    "downcast of",
					    "downcast of",
					    "upcast of",
					    "cast to virtual base of",
					    "_Nonnull binding to",
					    "dynamic operation on" };
	const char *doing = d->what < ARRAY_SIZE(what) ? what[d->what] : "use of";
	uintptr_t align = 1ul << d->log_align;

	if (!p)
		undefined(W(&d->at), "%s null pointer of type %s", doing, d->type->name);
	if (p & (align - 1))
		undefined(W(&d->at), "%s misaligned address 0x%lx for type %s, which requires %lu byte alignment",
			  doing, p, d->type->name, align);
	undefined(W(&d->at), "%s address 0x%lx with insufficient space for an object of type %s", doing, p,
		  d->type->name);
}

HOW pointer(uintptr_t pc, uintptr_t fp, const struct location *at, uintptr_t base, uintptr_t result)
{
	if (!base)
		undefined(W(at), "offset of 0x%lx applied to null pointer", result);
	if (!result)
		undefined(W(at), "offset applied to pointer 0x%lx produced null pointer", base);
	undefined(W(at), "pointer arithmetic: 0x%lx overflowed to 0x%lx", base, result);
}

HOW function_type(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t p)
{
	undefined(W(&d->at), "call of function 0x%lx through a pointer to another function type %s", p, d->type->name);
}

HOW float_cast(uintptr_t pc, uintptr_t fp, const struct on_two_types *d, uintptr_t v)
{
	char x[VALUE_TEXT];

	undefined(W(&d->at), "%s is outside the range of representable values of type %s", text(x, d->a, v),
		  d->b->name);
}

HOW invalid_value(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t v)
{
	char x[VALUE_TEXT];

	undefined(W(&d->at), "load of value %s, which is not a valid value for type %s", text(x, d->type, v),
		  d->type->name);
}

HOW conversion(uintptr_t pc, uintptr_t fp, const struct conversion *d, uintptr_t from, uintptr_t to)
{
	char x[VALUE_TEXT], y[VALUE_TEXT];

	undefined(W(&d->at), "implicit conversion from %s of value %s to %s changed it to %s", d->from->name,
		  text(x, d->from, from), d->to->name, text(y, d->to, to));
}

HOW plain(uintptr_t pc, uintptr_t fp, const struct location *at, const char *what)
{
	undefined(W(at), "%s", what);
}

HOW vla(uintptr_t pc, uintptr_t fp, const struct on_type *d, uintptr_t v)
{
	char x[VALUE_TEXT];

	undefined(W(&d->at), "variable length array bound is not positive: %s", text(x, d->type, v));
}

HOW nonnull(uintptr_t pc, uintptr_t fp, const struct nonnull_argument *d, const char *declared)
{
	undefined(W(&d->at), "null pointer passed as argument %d, which is declared %s", d->index, declared);
}

HOW alignment(uintptr_t pc, uintptr_t fp, const struct alignment_assumption *d, uintptr_t p, uintptr_t align,
	      uintptr_t offset)
{
	undefined(W(&d->at), "assumption of %lu byte alignment (offset %lu) for 0x%lx of type %s failed", align, offset,
		  p, d->type->name);
}

HANDLER(add_overflow, overflow, (const struct on_type *d, uintptr_t a, uintptr_t b), d, a, b, "+")
HANDLER(sub_overflow, overflow, (const struct on_type *d, uintptr_t a, uintptr_t b), d, a, b, "-")
HANDLER(mul_overflow, overflow, (const struct on_type *d, uintptr_t a, uintptr_t b), d, a, b, "*")
HANDLER(negate_overflow, negation, (const struct on_type *d, uintptr_t v), d, v)
HANDLER(divrem_overflow, division, (const struct on_type *d, uintptr_t a, uintptr_t b), d, a, b)
HANDLER(shift_out_of_bounds, shift, (const struct on_two_types *d, uintptr_t a, uintptr_t b), d, a, b)
HANDLER(out_of_bounds, bounds, (const struct on_two_types *d, uintptr_t index), d, index)
HANDLER(type_mismatch_v1, mismatch, (const struct type_mismatch *d, uintptr_t p), d, p)
HANDLER(pointer_overflow, pointer, (const struct location *d, uintptr_t base, uintptr_t result), d, base, result)
HANDLER(float_cast_overflow, float_cast, (const struct on_two_types *d, uintptr_t v), d, v)
HANDLER(load_invalid_value, invalid_value, (const struct on_type *d, uintptr_t v), d, v)
HANDLER(implicit_conversion, conversion, (const struct conversion *d, uintptr_t from, uintptr_t to), d, from, to)
HANDLER(vla_bound_not_positive, vla, (const struct on_type *d, uintptr_t v), d, v)
HANDLER(invalid_builtin, plain, (const struct builtin *d), &d->at,
	d->kind == 2 ? "assumption is violated"
		     : "passing zero to a count of leading or trailing zeroes, which is not valid")
HANDLER(nonnull_arg, nonnull, (const struct nonnull_argument *d), d, "to never be null")
HANDLER(nullability_arg, nonnull, (const struct nonnull_argument *d), d, "_Nonnull")
HANDLER(nonnull_return_v1, plain, (const void *d, const struct location *at), ((void)d, at),
	"null pointer returned from a function declared to never return null")
HANDLER(nullability_return_v1, plain, (const void *d, const struct location *at), ((void)d, at),
	"null pointer returned from a function declared _Nonnull")
HANDLER(alignment_assumption, alignment,
	(const struct alignment_assumption *d, uintptr_t p, uintptr_t align, uintptr_t offset), d, p, align, offset)
HANDLER(function_type_mismatch, function_type, (const struct on_type *d, uintptr_t p), d, p)
HANDLER(builtin_unreachable, plain, (const struct location *d), d,
	"execution reached a point that was said to be unreachable")
HANDLER(missing_return, plain, (const struct location *d), d,
	"execution reached the end of a function without a return value")
