// SPDX-License-Identifier: BSD-3-Clause
/*
 * Two 16550 serial ports: COM1 carries stdout and stdin, COM2 stderr.
 *
 * Output is polled: a burst of up to 16 bytes goes into the transmit FIFO whenever the holding register is empty. A port
 * that takes nothing raises its transmit interrupt once when it does again, which becomes the console_event upcall.
 *
 * Input arrives by interrupt into a ring. While the ring is full the receive interrupt is off and bytes wait in the device,
 * which makes the host wait: nothing is lost at any speed. Framed input (boot key tutti.stdin=framed) is packets of a
 * length byte 1..255 and that many bytes; length 0 is the end of the file, after which anything else is dropped. The ring
 * holds decoded bytes.
 *
 * Concurrency: `lock` (irq-safe) guards interrupt-enable registers, ring and decoder; the interrupt comes to the boot CPU.
 * Output of one stream is serialized by the caller. A port that is not there swallows output and has no input.
 */
#include <arch/boot_abi.h>
#include <arch/cpu.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "plat/vm/ioapic.h"
#include "plat/vm/vm.h"
#include "sync/upcall.h"
#include "uk/spinlock.h"

enum {
	REG_DATA = 0,
	REG_IER = 1,
	REG_IIR = 2,
	REG_FCR = 2,
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
};

#define IER_RX	    1
#define IER_TX	    2
#define LSR_DATA    0x01
#define LSR_THRE    0x20
#define LSR_IDLE    0x40
#define FIFO	    16
#define RING	    4096u
#define RING_RESUME (RING / 2)
#define STUCK_POLLS 2000000

struct port {
	uint16_t base;
	bool present; /* [I] */
	uint8_t ier;  /* [lock] */
};

LOCK_CLASS(console_device_class, "console device", 110, LOCK_IRQ | LOCK_LEAF,
	   "registers of the serial ports, the receive ring");

static struct {
	struct port port[2]; /* by enum plat_stream */
	struct uk_spinlock lock;
	/* input, all [lock] */
	bool framed; /* [I] */
	bool eof;
	uint8_t packet;	     /* bytes of the current packet still to come */
	uint32_t head, tail; /* free running; head - tail bytes are waiting */
	uint8_t ring[RING];
} con = { .lock = SPINLOCK_INIT(&console_device_class), .port = { { .base = 0x3f8 }, { .base = 0x2f8 } } };

static uint8_t lsr(const struct port *p)
{
	return arch_in8(p->base + REG_LSR);
}

static void set_ier(struct port *p, uint8_t ier)
{
	p->ier = ier;
	arch_out8(p->base + REG_IER, ier);
}

__cold void console_init(bool framed)
{
	con.framed = framed;
	for (unsigned i = 0; i < 2; i++) {
		struct port *p = &con.port[i];

		p->present = lsr(p) != 0xff;
		if (!p->present)
			continue;
		arch_out8(p->base + REG_IER, 0);
		arch_out8(p->base + REG_LCR, 0x80); /* divisor 1: 115200 */
		arch_out8(p->base + REG_DATA, 1);
		arch_out8(p->base + REG_IER, 0);
		arch_out8(p->base + REG_LCR, 0x03); /* 8 bits, no parity, 1 stop */
		arch_out8(p->base + REG_FCR, 0xc7); /* FIFOs on and empty, interrupt at 14 bytes or after a pause */
		arch_out8(p->base + REG_MCR, 0x0b); /* DTR, RTS, OUT2: interrupt line */
	}
}

__cold void console_enable_irq(uint32_t dest)
{
	unsigned long flags;

	ioapic_route_isa(4, VECTOR_IRQ + 4, dest);
	ioapic_route_isa(3, VECTOR_IRQ + 3, dest);
	uk_spin_lock_irqsave(&con.lock, flags);
	if (con.port[PLAT_STDOUT].present)
		set_ier(&con.port[PLAT_STDOUT], IER_RX);
	uk_spin_unlock_irqrestore(&con.lock, flags);
}

long plat_console_write(enum plat_stream s, const void *buf, size_t len)
{
	struct port *p = &con.port[s];
	const char *src = buf;
	size_t done = 0;
	unsigned long flags;

	if (!p->present)
		return (long)len;
	while (done < len && (lsr(p) & LSR_THRE)) {
		size_t n = MIN(len - done, (size_t)FIFO);

		arch_outs8(p->base + REG_DATA, src + done, n);
		done += n;
	}
	if (!done && len) {
		uk_spin_lock_irqsave(&con.lock, flags);
		set_ier(p, p->ier | IER_TX);
		uk_spin_unlock_irqrestore(&con.lock, flags);
	}
	return (long)done;
}

/* There is no reader that could go away. */
void plat_end_by_broken_pipe(void)
{
}

void plat_console_drain(void)
{
	for (unsigned i = 0; i < 2; i++)
		while (con.port[i].present && !(lsr(&con.port[i]) & LSR_IDLE))
			__builtin_ia32_pause();
}

void console_drain_limited(void)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned n = 0; n < STUCK_POLLS && con.port[i].present && !(lsr(&con.port[i]) & LSR_IDLE); n++)
			__builtin_ia32_pause();
}

void console_emergency_write(const char *s, size_t len)
{
	const struct port *p = &con.port[PLAT_STDERR];

	for (unsigned n = 0; len && n < STUCK_POLLS; n++) {
		if (!(lsr(p) & LSR_THRE))
			continue;
		arch_out8(p->base + REG_DATA, (uint8_t)*s++);
		len--;
		n = 0;
	}
}

static void take_byte(uint8_t b)
{
	if (con.eof)
		return;
	if (!con.framed || con.packet) {
		con.ring[con.head++ % RING] = b;
		if (con.packet)
			con.packet--;
	} else if (b) {
		con.packet = b;
	} else {
		con.eof = true;
	}
}

/* True: something has arrived. */
static bool receive(struct port *p)
{
	uint32_t before = con.head;
	bool was_eof = con.eof;

	while (lsr(p) & LSR_DATA) {
		if (con.head - con.tail == RING) {
			set_ier(p, p->ier & ~IER_RX);
			break;
		}
		take_byte(arch_in8(p->base + REG_DATA));
	}
	return con.head != before || con.eof != was_eof;
}

void console_interrupt(void)
{
	bool event = false;

	uk_spin_lock(&con.lock);
	for (unsigned i = 0; i < 2; i++) {
		struct port *p = &con.port[i];
		uint8_t iir;

		/* the line is edge-triggered: go on until the port has nothing more to say */
		while (p->present && !((iir = arch_in8(p->base + REG_IIR)) & 1)) {
			switch (iir & 0x0e) {
			case 0x04:
			case 0x0c:
				event |= receive(p);
				break;
			case 0x02:
				set_ier(p, p->ier & ~IER_TX);
				event = true;
				break;
			case 0x06:
				(void)lsr(p);
				break;
			default:
				(void)arch_in8(p->base + REG_MSR);
			}
		}
	}
	uk_spin_unlock(&con.lock);
	if (event)
		tutti_upcalls.console_event();
}

size_t plat_console_read(void *buf, size_t len, bool *eof)
{
	struct port *p = &con.port[PLAT_STDOUT];
	uint8_t *dst = buf;
	size_t n = 0;
	unsigned long flags;

	uk_spin_lock_irqsave(&con.lock, flags);
	while (n < len && con.tail != con.head)
		dst[n++] = con.ring[con.tail++ % RING];
	*eof = con.eof && con.tail == con.head;
	/* what waits in the device raises the interrupt anew as soon as it is enabled */
	if (p->present && !(p->ier & IER_RX) && con.head - con.tail <= RING_RESUME)
		set_ier(p, p->ier | IER_RX);
	uk_spin_unlock_irqrestore(&con.lock, flags);
	return n;
}
