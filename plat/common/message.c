// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel's own messages and the ways to end, the same on every platform; where a line goes is the platform's control_write().
 *
 * One line is one record: a kind letter, a space, the text. A line is formatted on the caller's stack and handed over
 * under one spin lock with interrupts off, so lines of different CPUs do not interleave and any context may write. The
 * crash report takes the channel over: from then on nobody waits for the lock (its holder may be stopped).
 */
#include <arch/image.h>
#include <arch/irqflags.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

#define LINE_MAX       400
#define BUILD_ID_SKIP  16 /* note header and "GNU" */
#define BUILD_ID_BYTES 8  /* enough to tell builds apart */

LOCK_CLASS(control_class, "control channel", 120, LOCK_IRQ | LOCK_LEAF, "whole lines on the control channel");

static struct {
	struct uk_spinlock lock;
	bool verbose;	 /* [I] after the command line has been seen */
	bool taken_over; /* [a] */
} control = { .lock = SPINLOCK_INIT(&control_class) };

/* The analysis does not follow a lock that is taken on a condition. */
LOCKS_UNCHECKED static void emit(const char *line, size_t len)
{
	unsigned long flags = arch_irq_save();
	bool locked = !__atomic_load_n(&control.taken_over, __ATOMIC_RELAXED);

	if (locked)
		uk_spin_lock(&control.lock);
	control_write(line, len);
	if (locked)
		/* not uk_spin_unlock(): a switch here would be one from the middle of whatever logs */
		spin_unlock_no_resched(&control.lock);
	arch_irq_restore(flags);
}

static void line(char kind, const char *fmt, va_list ap)
{
	char buf[LINE_MAX];
	size_t n;

	buf[0] = kind;
	buf[1] = ' ';
	n = 2 + fmt_vsnprintf(buf + 2, sizeof(buf) - 3, fmt, ap);
	n = MIN(n, sizeof(buf) - 2);
	for (size_t i = 2; i < n; i++)
		if (buf[i] == '\n')
			buf[i] = ' ';
	buf[n++] = '\n';
	emit(buf, n);
}

void plat_control_line(char kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(kind, fmt, ap);
	va_end(ap);
}

void plat_log(char level, const char *fmt, ...)
{
	va_list ap;

	if (level == 'L' && !control.verbose)
		return;
	va_start(ap, fmt);
	line(level, fmt, ap);
	va_end(ap);
}

void control_set_verbose(bool on)
{
	control.verbose = on;
}

/* Bytes as hexadecimal digits. */
static char *put_hex(char *dst, const uint8_t *b, unsigned n)
{
	for (; n; n--, b++) {
		*dst++ = "0123456789abcdef"[*b >> 4];
		*dst++ = "0123456789abcdef"[*b & 15];
	}
	return dst;
}

/* Short: each byte of it delays every boot. */
void control_ready(void)
{
	emit("R\n", 2);
}

/* What the runner needs to turn addresses into lines. */
__cold void control_identify(void)
{
	const char *id = __build_id_start + BUILD_ID_SKIP;
	char build[2 * BUILD_ID_BYTES + 1], *p = build;

	if (__build_id_end - id >= BUILD_ID_BYTES)
		p = put_hex(p, (const uint8_t *)id, BUILD_ID_BYTES);
	*p = 0;
	emit("\n", 1); /* a CPU may have been stopped in the middle of a line */
	plat_control_line('I', "base=0x%lx build=%s", (uintptr_t)__image_start, build);
}

void control_take_over(void)
{
	__atomic_store_n(&control.taken_over, true, __ATOMIC_RELAXED);
}

void plat_exit(int status)
{
	lock_hook_machine_exit();
	plat_console_drain();
	control_end(status & 0xff);
}

void plat_boot_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line('B', fmt, ap);
	va_end(ap);
	control_end(2);
}
