// SPDX-License-Identifier: BSD-3-Clause
/*
 * Control channel (isa-debugcon at 0xe9, output only) and the end of the machine.
 *
 * A machine without the channel gets the lines on the second serial port. The status goes out as a line of its own because
 * the debug-exit device carries seven bits of it; the runner wants both, so a machine that merely died is told apart.
 * Lines come one at a time (plat/common/message.c).
 */
#include <arch/cpu.h>
#include <arch/irqflags.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "plat/vm/vm.h"

#define PORT_CONTROL  0xe9
#define PORT_EXIT     0x501
#define PORT_KEYBOARD 0x64

static bool present = true; /* [I] after control_init() */

__cold void control_init(void)
{
	present = arch_in8(PORT_CONTROL) == PORT_CONTROL;
}

void control_write(const char *line, size_t len)
{
	if (present)
		arch_outs8(PORT_CONTROL, line, len);
	else
		console_emergency_write(line, len);
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
