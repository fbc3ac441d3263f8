// SPDX-License-Identifier: BSD-3-Clause
/*
 * The crash report: what happened, where, registers, a backtrace of every CPU, then status 134.
 *
 * The first CPU to crash owns the report. It stops the others by an interrupt that reaches them with interrupts off too (PLAT_IPI_STOP); each
 * leaves a pointer to its registers and halts. The owner waits for them a limited time by the cycle counter (the clock's
 * sequence may be odd for ever now), then prints everything itself, so lines come in order and no lock is needed. A second
 * fault inside the report ends it with one line; a CPU that crashes while another one reports simply stops.
 *
 * Stacks are followed by frame pointers with reads that walk the page tables in software, so garbage costs nothing. Runs
 * in any context, on any stack, with no memory of its own beyond static slots. The tool turns addresses into lines.
 */
#include <arch/boot_abi.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/irqflags.h>
#include <arch/trap.h>

#include "lib/fmt.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "sync/lock_hooks.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define BACKTRACE_MAX	     32
#define THREAD_BACKTRACE_MAX 16		   /* there may be many of them */
#define STOP_CYCLES	     2000000000ull /* well under a second on anything that runs this */
#define NO_CPU		     UINT32_MAX

static struct {
	uint32_t owner;					   /* [a] CPU that reports, NO_CPU: none */
	const struct trap_frame *stopped[CONFIG_MAX_CPUS]; /* [a] registers of those that have stopped */
	bool reporting_upper;				   /* [owner] inside tutti_upcalls.crash_report() */
} crash = { .owner = NO_CPU };

/* One or two frames of a chain may lead from a kernel stack to an application's: only the format is checked. */
static __cold void backtrace_some(uint64_t rip, uint64_t rbp, unsigned frames)
{
	for (unsigned i = 0; i < frames && rip; i++) {
		uint64_t next, ret;

		plat_log('C', "    0x%lx", rip);
		if (!arch_safe_read(rbp, &next) || !arch_safe_read(rbp + 8, &ret) || next == rbp)
			break;
		rip = ret;
		rbp = next;
	}
}

static __cold void backtrace(uint64_t rip, uint64_t rbp)
{
	backtrace_some(rip, rbp, BACKTRACE_MAX);
}

__cold void plat_backtrace(const struct arch_context *ctx)
{
	uint64_t rip, rbp;

	if (arch_safe_read(ctx->rsp + ARCH_CONTEXT_RIP, &rip) && arch_safe_read(ctx->rsp + ARCH_CONTEXT_RBP, &rbp))
		backtrace_some(rip, rbp, THREAD_BACKTRACE_MAX);
}

/* Where there is no code (a wild jump, rip 0) nobody has made a frame: the caller's address is on top of the stack. */
static __cold void backtrace_from(const struct trap_frame *f)
{
	const uint64_t from = (uintptr_t)__text_start, to = (uintptr_t)__text_end;
	uint64_t caller;

	if ((f->rip < from || f->rip >= to) && arch_safe_read(f->rsp, &caller) && caller >= from && caller < to) {
		plat_log('C', "    0x%lx", f->rip);
		backtrace(caller, f->rbp);
	} else {
		backtrace(f->rip, f->rbp);
	}
}

static __cold void print_registers(const struct trap_frame *f)
{
	plat_log('C', "  rip 0x%lx  rflags 0x%lx  rsp 0x%lx  rbp 0x%lx", f->rip, f->rflags, f->rsp, f->rbp);
	plat_log('C', "  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	plat_log('C', "  rsi %016lx  rdi %016lx  r8  %016lx  r9  %016lx", f->rsi, f->rdi, f->r8, f->r9);
	plat_log('C', "  r10 %016lx  r11 %016lx  r12 %016lx  r13 %016lx", f->r10, f->r11, f->r12, f->r13);
	plat_log('C', "  r14 %016lx  r15 %016lx", f->r14, f->r15);
}

void crash_stopped(unsigned cpu, const struct trap_frame *f)
{
	/* pairs with the acquire in stop_others() */
	__atomic_store_n(&crash.stopped[cpu], f, __ATOMIC_RELEASE);
}

bool crash_stop_here(const struct trap_frame *f)
{
	if (__atomic_load_n(&crash.owner, __ATOMIC_RELAXED) == NO_CPU)
		return false;
	crash_stopped(cpu_id(), f);
	arch_halt_forever();
	return true;
}

/* Since the first call with this `start`, which was 0. */
static bool waited_long(uint64_t *start)
{
	uint64_t now = arch_rdtsc();

	if (!*start)
		*start = now;
	return now - *start >= STOP_CYCLES;
}

static void stop_others(unsigned self)
{
	unsigned n = plat_cpu_count();
	uint64_t start = 0;

	if (!plat_ipi_ready())
		return;
	for (unsigned i = 0; i < n; i++)
		if (i != self && plat_cpu_arrived(i))
			plat_ipi_send(i, PLAT_IPI_STOP);
	for (unsigned i = 0; i < n; i++)
		while (i != self && plat_cpu_arrived(i) && !__atomic_load_n(&crash.stopped[i], __ATOMIC_ACQUIRE) &&
		       !waited_long(&start))
			__asm__ volatile("pause");
}

bool plat_crash_begun;

/* Become the one that reports. Returns once per machine. */
static void begin(const struct trap_frame *f)
{
	uint32_t nobody = NO_CPU;

	__atomic_store_n(&plat_crash_begun, true, __ATOMIC_RELAXED);
	lock_hook_crash();
	arch_irq_disable();
	if (!__atomic_compare_exchange_n(&crash.owner, &nobody, cpu_id(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		if (nobody != cpu_id()) {
			if (f)
				crash_stop_here(f);
			arch_halt_forever();
		}
		if (f)
			plat_log('C', "(%s at 0x%lx, address 0x%lx inside the crash report)",
				 arch_trap_name((unsigned)f->vector), f->rip, f->rsp);
		console_drain_limited();
		control_end(134);
	}
	/* First: a fault from here on must not wait for the lock of a CPU that has been stopped. */
	control_take_over();
	stop_others(cpu_id());
	control_identify();
}

static void __noinline __attribute__((noreturn)) report(const struct trap_frame *f, const char *what)
{
	unsigned self = cpu_id(), n = plat_cpu_count();

	plat_log('C', "%s", what);
	plat_log('C', "  on CPU %u of %u", self, n);
	if (f) {
		print_registers(f);
		plat_log('C', "  backtrace of CPU %u:", self);
		backtrace_from(f);
	} else {
		plat_log('C', "  backtrace of CPU %u:", self);
		backtrace((uintptr_t)__builtin_return_address(0), *(const uint64_t *)__builtin_frame_address(0));
	}
	for (unsigned i = 0; i < n; i++) {
		const struct trap_frame *o = crash.stopped[i];

		if (i == self)
			continue;
		if (!plat_cpu_arrived(i)) {
			plat_log('C', "  CPU %u has not started", i);
		} else if (!o) {
			plat_log('C', "  CPU %u does not answer", i);
		} else {
			plat_log('C', "  backtrace of CPU %u (rsp 0x%lx):", i, o->rsp);
			backtrace(o->rip, o->rbp);
		}
	}
	tutti_upcalls.crash_report();
	console_drain_limited();
	control_end(134);
}

__cold void plat_crash(struct trap_frame *f, const char *fmt, ...)
{
	char what[240];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	begin(f);
	report(f, what);
}

__cold void crash_trap(struct trap_frame *f, uintptr_t addr)
{
	char what[240];
	const char *name = arch_trap_name((unsigned)f->vector);

	begin(f);
	if (f->vector == 14)
		fmt_snprintf(what, sizeof(what), "page fault: %s 0x%lx (%s), at 0x%lx",
			     f->error & ARCH_PF_FETCH	? "jump to"
			     : f->error & ARCH_PF_WRITE ? "write to"
							: "read of",
			     addr, tutti_upcalls.describe(addr), f->rip);
	else if (f->vector == 8)
		fmt_snprintf(what, sizeof(what), "double fault (kernel stack at 0x%lx: %s), at 0x%lx", f->rsp,
			     tutti_upcalls.describe(f->rsp), f->rip);
	else
		fmt_snprintf(what, sizeof(what), "%s (code 0x%lx), at 0x%lx", name, f->error, f->rip);
	report(f, what);
}

__cold void plat_report(const char *what, void (*lines)(void *arg), void *arg)
{
	begin(NULL);
	plat_log('C', "%s", what);
	lines(arg);
	tutti_upcalls.crash_report();
	console_drain_limited();
	control_end(134);
}
