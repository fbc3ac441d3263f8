// SPDX-License-Identifier: BSD-3-Clause
/*
 * Virtual CPUs as threads of the host: start, interrupts between them, halting.
 *
 * CPU 0 is the process's first thread; each other one is made by plat_cpus_start() on the stack of its idle thread, takes its per-CPU
 * area and its signal stack, and goes up. Threads are never ended: the process is.
 *
 * Interrupts: whoever wants CPU c to look sets bits in its irq_pending and then sends it SOFT_SIGNAL_IRQ, unless it is halted: then
 * it wakes it from the futex. For a bit that was set already no second signal is needed: its setter, with interrupts off, is about to
 * send one, and the target takes all bits at once.
 *
 * Halting, no lost wake-up: target T: halted = 1; look at irq_pending; sleep while halted is 1. Sender S: set the bit; exchange
 * halted with 0, wake if it was 1. All of them are sequentially consistent read-modify-writes (T's look is a load after one).
 * Either T's look sees the bit, or S's exchange comes after T's store and sees 1; then the host's futex compares again. If S
 * sees 0 while T runs, S sends the signal, whose handler clears halted too (soft_wake_self), so a signal between T's
 * look and its sleep is not slept over.
 *
 * Contexts: host_interrupt() any, threads of the host that are no CPU included. No memory after boot.
 */
#include <arch/cpu.h>
#include <arch/hostcall.h>
#include <arch/irqflags.h>
#include <arch/soft.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define SIG_SETMASK	   2

/* CLONE_VM FS FILES SIGHAND THREAD SYSVSEM PARENT_SETTID */
#define THREAD_FLAGS 0x00150f00ul
#define HOST_CPUS    1024

struct host_cpu {
	uint32_t halted;      /* [a] 1: about to sleep or asleep in the host */
	int tid;	      /* [I] once `arrived` is set */
	uint32_t arrived;     /* [a] can be interrupted */
	uintptr_t kstack_top; /* [I] of the idle thread */
} __cacheline;

static struct {
	unsigned count; /* [I] */
	int pid;	/* [I] */
	struct host_cpu cpu[CONFIG_MAX_CPUS];
	uint64_t allowed[HOST_CPUS / 64]; /* [I] host CPUs of this process, for pinning */
} host;

unsigned plat_cpu_count(void)
{
	return host.count;
}

bool plat_cpu_arrived(unsigned cpu)
{
	/* pairs with the release in arrive() */
	return __atomic_load_n(&host.cpu[cpu].arrived, __ATOMIC_ACQUIRE);
}

bool plat_ipi_ready(void)
{
	return host.count != 0;
}

void plat_cpu_set_stack(unsigned cpu, uintptr_t kstack_top)
{
	host.cpu[cpu].kstack_top = kstack_top;
}

void plat_cpus_poll(void)
{
}

/* ---- interrupts ---- */

static void futex_wake(uint32_t *word)
{
	hostcall(HOST_futex, (long)word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

void host_interrupt(unsigned cpu, uint32_t bits)
{
	/* pairs with the exchange in plat_interrupt() and with the looks in plat_wait_for_interrupt() */
	const uint32_t before = __atomic_fetch_or(&percpu_areas[cpu].irq_pending, bits, __ATOMIC_SEQ_CST);
	struct host_cpu *c = &host.cpu[cpu];

	/* pairs with plat_wait_for_interrupt(); also for who set the bit and may have lost its core since */
	if (__atomic_exchange_n(&c->halted, 0, __ATOMIC_SEQ_CST))
		futex_wake(&c->halted);
	else if ((before & bits) != bits && plat_cpu_arrived(cpu))
		hostcall(HOST_tgkill, host.pid, c->tid, SOFT_SIGNAL_IRQ, 0, 0, 0);
}

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	static const uint32_t bits[] = {
		[PLAT_IPI_RESCHEDULE] = SOFT_IRQ_RESCHEDULE,
		[PLAT_IPI_SHOOTDOWN] = SOFT_IRQ_SHOOTDOWN,
		[PLAT_IPI_STOP] = SOFT_IRQ_STOP,
	};

	/* not between the bit and the signal onto a CPU that then waits for this thread */
	unsigned long flags = arch_irq_save();

	host_interrupt(cpu, bits[kind]);
	arch_irq_restore(flags);
}

void soft_wake_self(void)
{
	/* between the look and the sleep in plat_wait_for_interrupt(), on this very thread: the futex compares again */
	__atomic_store_n(&host.cpu[cpu_id()].halted, 0, __ATOMIC_SEQ_CST);
}

void plat_wait_for_interrupt(void)
{
	const unsigned me = cpu_id();
	struct host_cpu *c = &host.cpu[me];

	while (!__atomic_load_n(&percpu_areas[me].irq_pending, __ATOMIC_SEQ_CST)) {
		/* pairs with host_interrupt() */
		__atomic_exchange_n(&c->halted, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&percpu_areas[me].irq_pending, __ATOMIC_SEQ_CST))
			hostcall(HOST_futex, (long)&c->halted, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0);
		__atomic_store_n(&c->halted, 0, __ATOMIC_SEQ_CST);
	}
	arch_irq_enable();
}

void soft_stop(const struct trap_frame *f)
{
	if (!crash_stop_here(f))
		__atomic_fetch_and(&percpu_areas[cpu_id()].irq_pending, ~SOFT_IRQ_STOP, __ATOMIC_SEQ_CST);
}

void host_at_end(void)
{
}

void host_stop_by_signal(void)
{
	__atomic_fetch_or(&percpu_areas[cpu_id()].irq_pending, SOFT_IRQ_STOP, __ATOMIC_SEQ_CST);
	hostcall(HOST_tgkill, host.pid, host.cpu[cpu_id()].tid, SOFT_SIGNAL_IRQ, 0, 0, 0);
}

/* ---- start ---- */

static void pin(unsigned cpu)
{
	uint64_t mask[HOST_CPUS / 64] = { 0 };
	unsigned n = 0, want;

	for (unsigned i = 0; i < HOST_CPUS / 64; i++)
		n += (unsigned)__builtin_popcountll(host.allowed[i]);
	if (!n)
		return;
	want = cpu % n;
	for (unsigned i = 0; i < HOST_CPUS; i++) {
		if (!(host.allowed[i / 64] >> (i % 64) & 1) || want--)
			continue;
		mask[i / 64] = 1ull << (i % 64);
		hostcall(HOST_sched_setaffinity, 0, sizeof(mask), (long)mask, 0, 0, 0);
		return;
	}
}

/* The calling host thread is CPU `cpu` and can be interrupted from now on. */
static void arrive(unsigned cpu)
{
	struct host_cpu *c = &host.cpu[cpu];

	c->tid = (int)hostcall(HOST_gettid, 0, 0, 0, 0, 0, 0);
	percpu_areas[cpu].hw_id = (uint32_t)c->tid;
	if (host_keys.pin)
		pin(cpu);
	host_timer_init(cpu, c->tid);
	/* Pairs with the acquire in plat_cpu_arrived(). A crash that does not see it is seen here: both have a full barrier between. */
	__atomic_exchange_n(&c->arrived, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&plat_crash_begun, __ATOMIC_SEQ_CST))
		arch_halt_forever();
}

__cold void host_cpus_init(unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		percpu_areas[i] =
			(struct percpu){ .self = &percpu_areas[i], .idx = i, .preempt_count = 1, .irq_off = 1 };
	host.pid = (int)hostcall(HOST_getpid, 0, 0, 0, 0, 0, 0);
	host.count = count;
	hostcall(HOST_sched_getaffinity, 0, sizeof(host.allowed), (long)host.allowed, 0, 0, 0);
	arrive(0);
}

static void cpu_main(void *arg)
{
	struct percpu *area = arg;
	const unsigned cpu = area->idx;
	const uint64_t none = 0;

	soft_set_percpu(area);
	if (soft_cpu_init(cpu))
		plat_boot_error("the host has no memory for the signal stack of CPU %u", cpu);
	arrive(cpu);
	hostcall(HOST_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none), 0, 0);
	tutti_upcalls.cpu_online();
}

__cold void plat_cpus_start(void)
{
	const uint64_t all = ~0ull, none = 0;
	/* a new thread has this CPU's area and no signal stack until it has its own: no signals before */
	unsigned long flags = arch_irq_save();

	hostcall(HOST_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all), 0, 0);
	for (unsigned i = 1; i < host.count; i++) {
		int tid;
		long r = hostcall_clone(THREAD_FLAGS, host.cpu[i].kstack_top, &tid, cpu_main, &percpu_areas[i]);

		if (r < 0)
			plat_boot_error("the host has no thread for CPU %u (error %ld)", i, -r);
	}
	hostcall(HOST_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none), 0, 0);
	arch_irq_restore(flags);
}
