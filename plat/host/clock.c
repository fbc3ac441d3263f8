// SPDX-License-Identifier: BSD-3-Clause
/*
 * Time and each CPU's one-shot timer, from the host's clocks.
 *
 * CLOCK_MONOTONIC is read through the function that the host maps into every process, which needs no system call; where there
 * is none, by a call. Nanoseconds since boot; real time is an offset taken once, so it never steps either.
 *
 * A CPU's timer is a timer of the host that sends SOFT_SIGNAL_TIMER to the CPU's thread. Arming it is a system call, so it is left
 * alone when it will go off early enough: then the interrupt finds that the deadline is not there yet and sets it anew.
 * Disarming is only a note. Fields are [c]: their CPU with interrupts off.
 */
#include <arch/hostcall.h>
#include <arch/soft.h>

#include "lib/elf.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/host/host.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC 1
#define TIMER_ABSTIME	1
#define SIGEV_THREAD_ID 4
#define NS		1000000000ull
#define NEVER		UINT64_MAX

struct host_timespec {
	int64_t sec, nsec;
};

struct host_sigevent {
	void *value;
	int signo, notify, tid;
	int pad[11];
};

static struct {
	long (*gettime)(long clock, struct host_timespec *ts); /* [I] */
	uint64_t base;					       /* [I] the host's clock at boot */
	uint64_t real_offset;				       /* [I] real time at boot */
	struct {
		int id;		/* [I] the host's timer */
		uint64_t want;	/* [c] deadline, NEVER: none */
		uint64_t armed; /* [c] when the host's timer goes off, NEVER: not set */
	} __cacheline cpu[CONFIG_MAX_CPUS];
} clock;

static long gettime_by_call(long id, struct host_timespec *ts)
{
	return hostcall(HOST_clock_gettime, id, (long)ts, 0, 0, 0, 0);
}

static uint64_t read_clock(long id)
{
	struct host_timespec ts;

	clock.gettime(id, &ts);
	return (uint64_t)ts.sec * NS + (uint64_t)ts.nsec;
}

/* ---- the host's shared object ---- */

/* Address of a function by its name, 0 if there is none. The object is linked at 0 and mapped whole, section headers too. */
static uintptr_t vdso_function(uintptr_t vdso, const char *name)
{
	const struct elf_header *e = (const struct elf_header *)vdso;
	const struct elf_section *sections = (const struct elf_section *)(vdso + e->shoff);

	for (unsigned i = 0; i < e->shnum; i++) {
		const struct elf_section *s = &sections[i];
		const struct elf_symbol *symbols = (const struct elf_symbol *)(vdso + s->offset);

		if (s->type != ELF_SHT_DYNSYM)
			continue;
		for (uint64_t n = 0; n < s->size / sizeof(*symbols); n++)
			if (symbols[n].value &&
			    str_eq((const char *)vdso + sections[s->link].offset + symbols[n].name, name))
				return vdso + symbols[n].value;
	}
	return 0;
}

__cold void host_clock_init(uintptr_t vdso)
{
	uintptr_t f = vdso ? vdso_function(vdso, "__vdso_clock_gettime") : 0;

	clock.gettime = f ? (long (*)(long, struct host_timespec *))f : gettime_by_call;
	clock.base = read_clock(CLOCK_MONOTONIC);
	/* a function that falls back to a system call, which is caught, is slower than the call */
	if (soft_vdso_calls())
		clock.gettime = gettime_by_call;
	clock.real_offset = read_clock(CLOCK_REALTIME);
}

uint64_t plat_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC) - clock.base;
}

uint64_t plat_realtime_ns(void)
{
	return clock.real_offset + plat_monotonic_ns();
}

/* ---- timers ---- */

__cold void host_timer_init(unsigned cpu, int tid)
{
	struct host_sigevent event = { .signo = SOFT_SIGNAL_TIMER, .notify = SIGEV_THREAD_ID, .tid = tid };

	clock.cpu[cpu].want = clock.cpu[cpu].armed = NEVER;
	if (hostcall(HOST_timer_create, CLOCK_MONOTONIC, (long)&event, (long)&clock.cpu[cpu].id, 0, 0, 0))
		plat_boot_error("the host has no timer for CPU %u", cpu);
}

static void set_host_timer(unsigned cpu, uint64_t deadline)
{
	/* never zero: that would disarm it */
	const uint64_t at = clock.base + MAX(deadline, 1ull);
	const struct host_timespec value[2] = { { 0, 0 }, { (int64_t)(at / NS), (int64_t)(at % NS) } };

	clock.cpu[cpu].armed = deadline;
	hostcall(HOST_timer_settime, clock.cpu[cpu].id, TIMER_ABSTIME, (long)value, 0, 0, 0);
}

void plat_timer_arm(uint64_t deadline_ns)
{
	const unsigned cpu = cpu_id();

	/* a deadline that the clock cannot express is none */
	clock.cpu[cpu].want = deadline_ns > NEVER / 4 ? NEVER : deadline_ns;
	if (clock.cpu[cpu].want < clock.cpu[cpu].armed)
		set_host_timer(cpu, clock.cpu[cpu].want);
}

void plat_timer_disarm(void)
{
	clock.cpu[cpu_id()].want = NEVER;
}

void host_timer_interrupt(void)
{
	const unsigned cpu = cpu_id();

	/* whatever the clock says: a host timer that went off is not set any more */
	clock.cpu[cpu].armed = NEVER;
	if (clock.cpu[cpu].want == NEVER)
		return;
	if (plat_monotonic_ns() < clock.cpu[cpu].want) {
		if (clock.cpu[cpu].want < clock.cpu[cpu].armed)
			set_host_timer(cpu, clock.cpu[cpu].want);
		return;
	}
	clock.cpu[cpu].want = NEVER;
	tutti_upcalls.timer();
}
