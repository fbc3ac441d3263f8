/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLB shootdown: making other CPUs forget page-table entries before what they pointed to is used again.
 *
 * One request at a time: the requester holds mm_as.lock exclusively. It publishes the request, sets `wanted` of each
 * CPU that has to flush, sends the IPIs, flushes its own TLB and waits until each target has cleared its flag. A
 * target answers in the IPI or, if it waits for mm_as.lock (perhaps with interrupts off), from the lock's waiting
 * loop. So two CPUs that want to shoot at once do not block each other: one has the lock, the other answers while it
 * waits for it. What is left as a rule for the rest of the system (mm.h): a lock under which application memory may
 * be touched is never waited for with interrupts off, because its holder may be waiting for mm_as.lock in a fault,
 * and that for an answer.
 *
 * Waiting. A CPU that runs answers within a few microseconds. One that does not is a virtual CPU that its host has
 * taken off a core, perhaps in favour of the one that spins for it: then only giving the core away helps. So whoever
 * waits, for an answer or for mm_as.lock, halts after a while, and is woken by an IPI of the kind that targets get:
 * by the CPU that answers (`wanted` says that the requester halted), or by the one that leaves the lock (`halted`;
 * the argument why no wake-up is lost is in sync/rwspin.h). Waiters with interrupts off just spin.
 *
 * Idle CPUs get no IPI. Each CPU has a state: RUNNING, IDLE, or IDLE_FLUSH (idle and owing a flush). The CPU itself
 * moves RUNNING -> IDLE and (either idle state) -> RUNNING by exchange, requesters move IDLE -> IDLE_FLUSH by
 * compare-and-swap; all sequentially consistent. Argument: the requester has changed the tables before it looks at
 * the state. All changes of one state form one order. Either the CPU's exchange to RUNNING stands before the
 * requester's look; then the requester sees RUNNING and sends an IPI. Or it stands after; then it reads IDLE_FLUSH,
 * flushes before it runs anything that uses application mappings, and what it loads into its TLB after the flush it
 * reads from tables that contain the change, because reading the requester's IDLE_FLUSH synchronizes with it. An idle
 * CPU and the interrupt handlers on it use kernel mappings only, and those never change their frame; entries that the
 * hardware loads speculatively meanwhile are dropped by the same flush. A CPU that is RUNNING -> IDLE while a request
 * for it is on its way answers it from idle.
 *
 * Where one CPU's change is every CPU's (arch_mmu_coherent) there is nothing to shoot down; lock and halting stay the
 * same.
 *
 * A CPU starts as NEW and owes a flush from its first call to either side of the handshake on. Until it is marked
 * online it gets no IPI: it has run no application code, and its first flush comes after the mark.
 */
#include <stdint.h>

#include <arch/irqflags.h>

#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sync/cpumask.h"
#include "sync/percpu.h"
#include "sync/spin.h"

enum cpu_state { CPU_NEW, CPU_RUNNING, CPU_IDLE, CPU_IDLE_FLUSH };

/* `wanted` */
enum { WANTED_NOT, WANTED_NOW, WANTED_HALTED };

/* Looks (a few ns each) before a waiter halts: several times what a CPU that is running needs to answer. */
#ifndef HALT_LOOKS
#define HALT_LOOKS 8192u
#endif

struct shoot_cpu {
	uint32_t state;	 /* [a] enum cpu_state */
	uint32_t wanted; /* [a] set by the requester, cleared by the CPU when it has flushed */
} __cacheline;

static struct {
	const struct pt_flush *request; /* [mm_as.lock] read by targets between the two changes of `wanted` */
	unsigned requester;		/* [mm_as.lock] likewise */
	uint64_t ipis;			/* [a] */
	struct cpumask halted;		/* [a] CPUs that halted while waiting for mm_as.lock */
	struct shoot_cpu cpu[CONFIG_MAX_CPUS];
} shoot;

static void flush_local(const struct pt_flush *f)
{
	if (f->count > PT_FLUSH_PAGES) {
		arch_tlb_flush_all();
		return;
	}
	for (unsigned i = 0; i < f->count; i++)
		arch_tlb_flush_page(f->page[i]);
}

/* Interrupts off. */
void mm_shootdown_ipi(void)
{
	struct shoot_cpu *c = &shoot.cpu[cpu_id()];
	unsigned requester;

	/* pairs with the release in shootdown() */
	if (!__atomic_load_n(&c->wanted, __ATOMIC_ACQUIRE))
		return;
	flush_local(shoot.request);
	requester = shoot.requester;
	/* pairs with the acquire in shootdown(): from here on the request may be reused, the frames freed */
	if (__atomic_exchange_n(&c->wanted, WANTED_NOT, __ATOMIC_ACQ_REL) == WANTED_HALTED)
		plat_ipi_send(requester, PLAT_IPI_SHOOTDOWN);
}

/* ---- the lock of the address space ---- */

static void as_wait(const struct rwspin *l, uint64_t seen, unsigned looks)
{
	const unsigned me = cpu_id();
	const bool wanted = __atomic_load_n(&shoot.cpu[me].wanted, __ATOMIC_RELAXED) != WANTED_NOT;
	unsigned long flags;

	if (likely(!wanted && looks % HALT_LOOKS))
		return;
	flags = arch_irq_save();
	if (wanted) {
		mm_shootdown_ipi();
	} else if (flags & ARCH_RFLAGS_IF) {
		cpumask_test_and_set_atomic(&shoot.halted, me);
		if (rwspin_word(l) == seen) {
			plat_wait_for_interrupt();
			arch_irq_disable();
		}
		cpumask_test_and_clear_atomic(&shoot.halted, me);
	}
	arch_irq_restore(flags);
}

static __noinline void wake_halted_slow(void)
{
	cpumask_foreach(cpu, &shoot.halted) if (cpumask_test_and_clear_atomic(&shoot.halted, (unsigned)cpu))
		plat_ipi_send((unsigned)cpu, PLAT_IPI_SHOOTDOWN);
}

static inline bool any_halted(void)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		if (__atomic_load_n(&shoot.halted.w[i], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

void as_read_lock(void)
{
	rwspin_read_lock(&mm_as.lock, as_wait);
}

void as_write_lock(void)
{
	rwspin_write_lock(&mm_as.lock, as_wait);
}

void as_read_unlock_keep(void)
{
	if (unlikely(rwspin_read_unlock(&mm_as.lock)) && any_halted())
		wake_halted_slow();
}

void as_write_unlock_keep(void)
{
	if (unlikely(rwspin_write_unlock(&mm_as.lock)) && any_halted())
		wake_halted_slow();
}

/* ---- requests ---- */

/* Does this CPU have to answer? If it is idle it is marked instead. */
static bool must_answer(unsigned cpu)
{
	uint32_t *state = &shoot.cpu[cpu].state;
	uint32_t s = CPU_IDLE;

	if (__atomic_compare_exchange_n(state, &s, CPU_IDLE_FLUSH, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		/* at once: a change point in between, and it could have flushed already */
		arch_mmu_flush_deferred(cpu);
		return false;
	}
	/* s is what stands there: IDLE has become something else */
	if (s == CPU_NEW)
		return __atomic_load_n(&percpu_areas[cpu].online, __ATOMIC_SEQ_CST) != 0;
	return s == CPU_RUNNING;
}

static void await_answer(uint32_t *wanted)
{
	unsigned looks = 0;

	/* pairs with the release in mm_shootdown_ipi() */
	while (__atomic_load_n(wanted, __ATOMIC_ACQUIRE) != WANTED_NOT) {
		uint32_t now = WANTED_NOW;

		spin_wait(&looks);
		if (likely(looks % HALT_LOOKS) || arch_irqs_disabled())
			continue;
		arch_irq_disable();
		/* either the answer is there, or whoever gives it sees that it has to wake this CPU */
		if (__atomic_compare_exchange_n(wanted, &now, WANTED_HALTED, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE) ||
		    now == WANTED_HALTED)
			plat_wait_for_interrupt();
		else
			arch_irq_enable();
	}
}

void shootdown(const struct pt_flush *f)
{
	unsigned cpus = plat_cpu_count(), me = cpu_id(), targets = 0;

	if (arch_mmu_coherent || !f->count)
		return;
	shoot.request = f;
	shoot.requester = me;
	for (unsigned i = 0; i < cpus; i++) {
		if (i == me)
			continue;
		if (!must_answer(i))
			continue;
		/* pairs with the acquire in mm_shootdown_ipi() */
		__atomic_store_n(&shoot.cpu[i].wanted, WANTED_NOW, __ATOMIC_RELEASE);
		plat_ipi_send(i, PLAT_IPI_SHOOTDOWN);
		targets++;
	}
	flush_local(f);
	if (!targets)
		return;
	__atomic_fetch_add(&shoot.ipis, targets, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < cpus; i++)
		await_answer(&shoot.cpu[i].wanted);
}

void mm_cpu_enter_idle(void)
{
	uint32_t *state = &shoot.cpu[cpu_id()].state;
	uint32_t s = CPU_RUNNING;

	if (arch_mmu_coherent)
		return;
	if (__atomic_compare_exchange_n(state, &s, CPU_IDLE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || s != CPU_NEW)
		return;
	__atomic_store_n(state, CPU_IDLE_FLUSH, __ATOMIC_SEQ_CST);
}

void mm_cpu_leave_idle(void)
{
	uint32_t *state = &shoot.cpu[cpu_id()].state;
	uint32_t s;

	if (arch_mmu_coherent)
		return;
	s = __atomic_exchange_n(state, CPU_RUNNING, __ATOMIC_SEQ_CST);
	if (s == CPU_IDLE_FLUSH || s == CPU_NEW)
		arch_tlb_flush_all();
}

void shootdown_init(void)
{
	__atomic_store_n(&shoot.cpu[cpu_id()].state, CPU_RUNNING, __ATOMIC_SEQ_CST);
	/* the others flush when they come */
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++)
		if (i != cpu_id())
			arch_mmu_flush_deferred(i);
}

uint64_t shootdown_ipi_count(void)
{
	return __atomic_load_n(&shoot.ipis, __ATOMIC_RELAXED);
}
