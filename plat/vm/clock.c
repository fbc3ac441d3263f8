// SPDX-License-Identifier: BSD-3-Clause
/*
 * Monotonic clock, and the one-shot timer of each CPU.
 *
 * Clock: kvmclock where the hypervisor offers it; else ns = base_ns + (tsc - base_tsc) * mult >> 32, the same line for all
 * CPUs (cycle counters of one machine are taken to be synchronized; those of QEMU are one counter). The rate comes from
 * CPUID if that is exact, else from a reference of known rate that runs beside it: the local APIC timer of QEMU and KVM
 * (1 GHz), or the ACPI PM timer. Nobody waits for a calibration: a first rate is taken when plat_init() ends and a better one each
 * time the clock is read after the observed time has quadrupled, until it has seen a second. A change bends the line at
 * the moment of the change and never steps it.
 *
 * Concurrency: the line is a seqlock. The writer (one at a time, `adjusting`, interrupts off) reads the cycle counter after
 * its odd sequence number is visible, a reader checks the number after it has read the counter: so every reader that
 * saw the old line did so at an earlier count than the bend, and the clock is monotonic over all CPUs. The APIC reference
 * belongs to the boot CPU: it looks at it and programs its timer with interrupts off. deadline[] is owned by its CPU.
 *
 * Timer: TSC deadline or APIC count. An interrupt before the deadline (counter too narrow, rate bent meanwhile) is armed
 * again; one after plat_timer_disarm() is ignored. Any context but NMI, where the sequence number may be odd for ever.
 */
#include "plat/vm/clock.h"

#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/irqflags.h>

#include "lib/capability.h"
#include "lib/util.h"
#include "plat/plat.h"
#include "plat/vm/calibrate.h"
#include "plat/vm/clock_math.h"
#include "plat/vm/hw.h"
#include "plat/vm/kvmclock.h"
#include "plat/vm/lapic.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define NSEC		 1000000000ull
#define FREE_RUN	 0xffffffffu
#define PM_HZ		 3579545ull
#define PM_TRUST_NS	 50000000ull /* resolution 279 ns: the better reference from here on */
#define PM_MIN_NS	 100000ull   /* first rate by it alone */
#define ENOUGH_NS	 NSEC
#define WINDOW_MAX_NS	 (4 * NSEC) /* both references wrap or stop soon after */
#define WINDOW_MIN_COUNT 1000000    /* shorter ones are not worth a sample */
#define DELTA_MAX_NS	 (1ull << 40)

/* A lock of whoever finds it free; nobody waits. */
struct LOCKABLE("flag") flag {
	uint32_t held; /* [a] */
};

static struct {
	/* the line */
	uint32_t seq;			  /* [a] odd while it changes */
	uint64_t base_tsc, base_ns, mult; /* [seq] */
	uint64_t next_adjust;		  /* [a] cycle count to look at the references again, UINT64_MAX: done */
	/* constant after plat_init() */
	bool kvm;
	bool tsc_deadline;
	uint64_t kvm_base;   /* kvmclock at the first instruction */
	uint64_t lapic_mult; /* ns to APIC counts, 32.32 */
	uint64_t real_offset;
	uint16_t pm_port;
	const char *source;
	/* calibration */
	struct flag adjusting;	      /* only ever tried */
	bool use_lapic;		      /* [adjusting] */
	struct calibration lapic, pm; /* [adjusting]; lapic: boot CPU only, interrupts off */
	uint64_t kvm_last;	      /* [a] highest time given, where the pages are not comparable */
} clk = { .next_adjust = UINT64_MAX };

static bool adjust_trylock(void) TRY_ACQUIRES(true, clk.adjusting);
static void adjust_unlock(void) RELEASES(clk.adjusting);

static uint64_t deadline[CONFIG_MAX_CPUS];
static struct kvmclock_page kvm_pages[CONFIG_MAX_CPUS];

static uint64_t read_tsc(void)
{
	return arch_rdtsc();
}

static uint64_t read_lapic(void)
{
	return FREE_RUN - lapic_read(LAPIC_TIMER_CURRENT);
}

static uint64_t read_pm(void)
{
	return arch_in32(clk.pm_port);
}

/* Caller holds `adjusting` or no other CPU runs; interrupts off. */
static void set_rate(uint64_t mult)
{
	uint64_t tsc;

	__atomic_store_n(&clk.seq, clk.seq + 1, __ATOMIC_SEQ_CST);
	__asm__ volatile("mfence" ::: "memory"); /* the odd number is visible before the counter is read */
	tsc = arch_rdtsc();
	clk.base_ns += clock_scale(tsc - clk.base_tsc, clk.mult);
	clk.base_tsc = tsc;
	clk.mult = mult;
	__atomic_store_n(&clk.seq, clk.seq + 1, __ATOMIC_RELEASE); /* pairs with the acquire in read_line() */
}

static uint64_t read_line(uint64_t *tsc_out)
{
	uint64_t tsc, base_tsc, base_ns, mult;
	uint32_t seq;

	for (;;) {
		seq = __atomic_load_n(&clk.seq, __ATOMIC_ACQUIRE); /* pairs with the release in set_rate() */
		base_tsc = __atomic_load_n(&clk.base_tsc, __ATOMIC_RELAXED);
		base_ns = __atomic_load_n(&clk.base_ns, __ATOMIC_RELAXED);
		mult = __atomic_load_n(&clk.mult, __ATOMIC_RELAXED);
		tsc = arch_rdtsc();
		__asm__ volatile("lfence" ::: "memory"); /* the counter before the second look */
		if (likely(!(seq & 1) && seq == __atomic_load_n(&clk.seq, __ATOMIC_RELAXED)))
			break;
		__builtin_ia32_pause();
	}
	*tsc_out = tsc;
	return (int64_t)(tsc - base_tsc) > 0 ? base_ns + clock_scale(tsc - base_tsc, mult) : base_ns;
}

/* A window that is still whole? (the APIC count stops at 0, the PM timer wraps) */
static bool window_good(const struct calibration *c, const struct cal_sample *s)
{
	return c->open && clock_scale(s->tsc - c->start.tsc, clk.mult) < WINDOW_MAX_NS;
}

/* Look at the references and bend the line. Holds `adjusting`, interrupts off. */
static void adjust_locked(void) REQUIRES(clk.adjusting);
static void adjust_locked(void)
{
	uint64_t mult = 0, seen = 0;
	struct cal_sample s;

	UK_ASSERT(__atomic_load_n(&clk.adjusting.held, __ATOMIC_RELAXED));
	if (clk.pm.open) {
		s = cal_sample(read_tsc, read_pm);
		if (window_good(&clk.pm, &s))
			seen = cal_length(&clk.pm, &s);
		else
			clk.pm.open = false;
		if (seen >= PM_TRUST_NS || (seen >= PM_MIN_NS && !clk.use_lapic))
			mult = cal_mult(&clk.pm, &s);
		else
			seen = 0;
	}
	if (!mult && clk.use_lapic && cpu_id() == 0) {
		s = cal_sample(read_tsc, read_lapic);
		if (!window_good(&clk.lapic, &s) || s.ref == FREE_RUN)
			clk.lapic.open = false;
		seen = cal_length(&clk.lapic, &s);
		mult = cal_mult(&clk.lapic, &s);
	}
	if (mult)
		set_rate(mult);
	if (seen >= ENOUGH_NS || (!clk.pm.open && !clk.use_lapic))
		seen = UINT64_MAX;
	else
		seen = MAX(seen * 3, 20000ull);
	__atomic_store_n(&clk.next_adjust,
			 seen == UINT64_MAX ? seen : arch_rdtsc() + clock_ratio(seen, MAX(clk.mult, 1ull)),
			 __ATOMIC_RELAXED);
}

LOCKS_UNCHECKED static bool adjust_trylock(void)
{
	return !__atomic_exchange_n(&clk.adjusting.held, 1, __ATOMIC_ACQUIRE);
}

LOCKS_UNCHECKED static void adjust_unlock(void)
{
	__atomic_store_n(&clk.adjusting.held, 0, __ATOMIC_RELEASE);
}

static __noinline void adjust_slow(void)
{
	unsigned long flags;

	/* another CPU can only read the PM timer: leave the APIC's first windows to the boot CPU */
	if (cpu_id() != 0 && !clk.pm.open)
		return;
	flags = arch_irq_save();
	if (adjust_trylock()) {
		if (arch_rdtsc() >= clk.next_adjust)
			adjust_locked();
		adjust_unlock();
	}
	arch_irq_restore(flags);
}

static uint64_t kvm_ns(void)
{
	uint64_t ns, last;
	bool stable;

	preempt_disable();
	ns = kvmclock_read(&kvm_pages[cpu_id()], &stable) - clk.kvm_base;
	preempt_enable();
	if (stable)
		return ns;
	last = __atomic_load_n(&clk.kvm_last, __ATOMIC_RELAXED);
	do {
		if (last >= ns)
			return last;
	} while (!__atomic_compare_exchange_n(&clk.kvm_last, &last, ns, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return ns;
}

uint64_t plat_monotonic_ns(void)
{
	uint64_t ns, tsc;

	if (clk.kvm)
		return kvm_ns();
	ns = read_line(&tsc);
	if (unlikely(tsc >= __atomic_load_n(&clk.next_adjust, __ATOMIC_RELAXED)))
		adjust_slow();
	return ns;
}

uint64_t plat_realtime_ns(void)
{
	return clk.real_offset + plat_monotonic_ns();
}

const char *clock_source(void)
{
	return clk.source;
}

static struct cal_sample first_look;

__cold void clock_start(void)
{
	lapic_timer_count(FREE_RUN);
	first_look = cal_sample(read_tsc, read_lapic);
}

/* APIC counts per ns when nobody says: by the clock itself, over what has passed since clock_start(). */
static __cold uint64_t measure_lapic(void)
{
	struct cal_sample s = cal_sample(read_tsc, read_lapic);
	uint64_t ns = clock_scale(s.tsc - first_look.tsc, clk.mult);

	return clock_ratio((s.ref - first_look.ref) & FREE_RUN, MAX(ns, 1ull));
}

static __cold void use_kvmclock(void)
{
	uint64_t since_entry, now;
	bool stable;

	now = kvmclock_read(&kvm_pages[0], &stable);
	clk.mult = kvmclock_mult(&kvm_pages[0]);
	since_entry = clock_scale(arch_rdtsc() - plat_bootinfo()->tsc_entry, clk.mult);
	clk.kvm_base = now - since_entry;
	clk.kvm = true;
	clk.source = "kvmclock";
}

__cold void clock_finish(const struct acpi_info *acpi)
{
	enum hw_hypervisor hv = hw_features.hypervisor;
	uint64_t seconds;

	clk.base_tsc = plat_bootinfo()->tsc_entry;
	clk.lapic_mult = 1ull << 32;
	clk.pm_port = acpi->pm_timer_port;
	clk.lapic = (struct calibration){ .ref_mult = 1ull << 32, .ref_mask = FREE_RUN };
	clk.pm = (struct calibration){ .ref_mult = clock_ratio(NSEC, PM_HZ),
				       .ref_mask = acpi->pm_timer_32bit ? UINT32_MAX : 0xffffff };
	clk.tsc_deadline = hw_features.tsc_deadline;

	clock_init_cpu(0);
	if (hw_features.kvmclock) {
		use_kvmclock();
	} else if (hw_features.tsc_hz_exact && hw_features.tsc_hz) {
		clk.mult = clock_mult(NSEC, hw_features.tsc_hz);
		clk.source = "CPUID";
	} else {
		struct cal_sample s;

		clk.use_lapic = hv == HV_TCG || hv == HV_KVM || !clk.pm_port;
		clk.source = clk.use_lapic ? "local APIC timer" : "PM timer";
		if (clk.use_lapic && hv != HV_TCG && hv != HV_KVM) {
			if (hw_features.tsc_hz) {
				clk.use_lapic = false;
				clk.source = "CPUID";
				clk.mult = clock_mult(NSEC, hw_features.tsc_hz);
			} else {
				kwarn("no clock of known rate: taking the local APIC timer for 1 GHz");
			}
		}
		if (clk.pm_port) {
			s = cal_sample(read_tsc, read_pm);
			cal_open(&clk.pm, &s);
		}
		if (clk.use_lapic) {
			cal_open(&clk.lapic, &first_look);
			s = cal_sample(read_tsc, read_lapic);
			clk.mult = cal_mult(&clk.lapic, &s);
			clk.next_adjust = 0;
		} else if (clk.pm_port) {
			do {
				s = cal_sample(read_tsc, read_pm);
			} while (cal_length(&clk.pm, &s) < PM_MIN_NS);
			clk.mult = cal_mult(&clk.pm, &s);
			clk.next_adjust = 0;
		}
	}
	if (hv != HV_TCG && hv != HV_KVM && !clk.use_lapic)
		clk.lapic_mult = measure_lapic();

	seconds = rtc_read(acpi->century);
	clk.real_offset = seconds * NSEC - plat_monotonic_ns();
	lapic_timer_mode(clk.tsc_deadline);
}

void clock_init_cpu(unsigned cpu)
{
	deadline[cpu] = UINT64_MAX;
	if (hw_features.kvmclock)
		kvmclock_register(arch_image_phys(&kvm_pages[cpu]));
	if (cpu)
		lapic_timer_mode(clk.tsc_deadline);
}

/* Program the boot CPU's count while it also is the reference: close the window before, open one after. */
static void set_reference_count(uint32_t count) REQUIRES(clk.adjusting);
static void set_reference_count(uint32_t count)
{
	struct cal_sample s = cal_sample(read_tsc, read_lapic);

	if (window_good(&clk.lapic, &s) && s.ref != FREE_RUN && cal_length(&clk.lapic, &s) < ENOUGH_NS) {
		uint64_t mult = cal_mult(&clk.lapic, &s);

		cal_close(&clk.lapic, &s);
		if (mult && !clk.kvm)
			set_rate(mult);
	}
	clk.lapic.open = false;
	lapic_timer_count(count);
	if (count >= WINDOW_MIN_COUNT) {
		s = cal_sample(read_tsc, read_lapic);
		cal_open(&clk.lapic, &s);
	}
}

static void program(unsigned cpu, uint64_t at)
{
	uint64_t now = plat_monotonic_ns(), delta = at > now ? MIN(at - now, DELTA_MAX_NS) : 0;
	uint32_t count;

	if (clk.tsc_deadline) {
		lapic_timer_deadline(arch_rdtsc() + clock_ticks(delta, clk.mult));
		return;
	}
	count = (uint32_t)MIN(clock_scale(delta, clk.lapic_mult) + 1, (uint64_t)FREE_RUN);
	if (cpu == 0 && clk.use_lapic && clk.next_adjust != UINT64_MAX && adjust_trylock()) {
		set_reference_count(count);
		adjust_unlock();
	} else {
		if (cpu == 0)
			clk.lapic.open = false; /* its count jumps: what was counted since the start is lost */
		lapic_timer_count(count);
	}
}

void plat_timer_arm(uint64_t deadline_ns)
{
	unsigned cpu = cpu_id();

	if (deadline_ns == UINT64_MAX) {
		plat_timer_disarm();
		return;
	}
	deadline[cpu] = deadline_ns;
	program(cpu, deadline_ns);
}

void plat_timer_disarm(void)
{
	unsigned cpu = cpu_id();

	deadline[cpu] = UINT64_MAX;
	if (clk.tsc_deadline)
		lapic_timer_deadline(0);
	else if (cpu != 0 || !clk.use_lapic || clk.next_adjust == UINT64_MAX)
		lapic_timer_count(0); /* the boot CPU's goes on as reference: its interrupt is ignored */
}

void clock_timer_interrupt(void)
{
	unsigned cpu = cpu_id();
	uint64_t at = deadline[cpu];

	if (at == UINT64_MAX)
		return;
	if (plat_monotonic_ns() < at) {
		program(cpu, at);
		return;
	}
	deadline[cpu] = UINT64_MAX;
	tutti_upcalls.timer();
}
