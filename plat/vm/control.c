// SPDX-License-Identifier: BSD-3-Clause
/*
 * Control channel (isa-debugcon at 0xe9, output only) and the end of the machine.
 *
 * One line is one record: a kind letter, a space, the text. A line is formatted on the caller's stack and handed over
 * under one spin lock with interrupts off, so lines of different CPUs do not interleave and any context may write. The
 * crash report takes the channel over: from then on nobody waits for the lock (its holder may be stopped).
 *
 * A machine without the channel gets the lines on the second serial port. The status goes out as a line of its own because
 * the debug-exit device carries seven bits of it; the runner wants both, so a machine that merely died is told apart.
 */
#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/irqflags.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "plat/vm/vm.h"
#include "uk/spinlock.h"

#define PORT_CONTROL   0xe9
#define PORT_EXIT      0x501
#define PORT_KEYBOARD  0x64
#define LINE_MAX       400
#define BUILD_ID_SKIP  16 /* note header and "GNU" */
#define BUILD_ID_BYTES 8  /* enough to tell builds apart */

static struct {
	struct uk_spinlock lock;
	bool present;	 /* [I] */
	bool verbose;	 /* [I] after the command line has been seen */
	bool taken_over; /* [a] */
} control = { .present = true };

static void emit(const char *line, size_t len)
{
	unsigned long flags = arch_irq_save();
	bool locked = !__atomic_load_n(&control.taken_over, __ATOMIC_RELAXED);

	if (locked)
		uk_spin_lock(&control.lock);
	if (control.present)
		arch_outs8(PORT_CONTROL, line, len);
	else
		console_emergency_write(line, len);
	if (locked) {
		/* not uk_spin_unlock(): a switch here would be one from the middle of whatever logs */
		__atomic_store_n(&control.lock.locked, 0, __ATOMIC_RELEASE);
		preempt_enable_no_resched();
	}
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

__cold void control_init(void)
{
	control.present = arch_in8(PORT_CONTROL) == PORT_CONTROL;
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

void control_end(int status)
{
	plat_control_line('E', "%d", status);
	arch_irq_disable();
	arch_out16(PORT_EXIT, (uint16_t)(status & 0x7f));
	/* no such device: reset by the keyboard controller, which ends a machine started with -no-reboot */
	arch_out8(PORT_KEYBOARD, 0xfe);
	arch_halt_forever();
	__builtin_unreachable();
}

void plat_exit(int status)
{
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
