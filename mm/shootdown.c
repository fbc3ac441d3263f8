/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLB shootdown: making other CPUs forget page-table entries before what they pointed to is used again.
 *
 * One request at a time: the requester holds mm_as.lock exclusively. It publishes the request, sets `wanted` of each CPU
 * that has to flush, sends the IPIs, flushes its own TLB and waits until each target has cleared its flag. A target
 * answers in the IPI or, if it waits for mm_as.lock (perhaps with interrupts off), from the lock's waiting loop. So two CPUs that
 * want to shoot at once do not block each other: one has the lock, the other answers while it waits for it. What is left as a rule
 * for the rest of the system (mm.h): a lock under which application memory may be touched is never waited for with interrupts
 * off, because its holder may be waiting for mm_as.lock in a fault, and that for an answer.
 *
 * Idle CPUs get no IPI. Each CPU has a state: RUNNING, IDLE, or IDLE_FLUSH (idle and owing a flush). The CPU itself moves
 * RUNNING -> IDLE and (either idle state) -> RUNNING by exchange, requesters move IDLE -> IDLE_FLUSH by
 * compare-and-swap; all sequentially consistent. Argument: the requester has changed the tables before it looks at the state.
 * All changes of one state form one order. Either the CPU's exchange to RUNNING stands before the requester's look; then
 * the requester sees RUNNING and sends an IPI. Or it stands after; then it reads IDLE_FLUSH, flushes before it
 * runs anything that uses application mappings, and what it loads into its TLB after the flush it reads from tables that
 * contain the change, because reading the requester's IDLE_FLUSH synchronizes with it. An idle CPU and the interrupt handlers on it
 * use kernel mappings only, and those never change their frame; entries that the hardware loads speculatively meanwhile
 * are dropped by the same flush. A CPU that is RUNNING -> IDLE while a request for it is on its way answers it from idle.
 *
 * A CPU starts as NEW and owes a flush from its first call to either side of the handshake on. Until it is marked online it gets no
 * IPI: it has run no application code, and its first flush comes after the mark.
 */
#include <stdint.h>

#include <arch/irqflags.h>

#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/spin.h"

enum cpu_state { CPU_NEW, CPU_RUNNING, CPU_IDLE, CPU_IDLE_FLUSH };

struct shoot_cpu {
	uint32_t state;	 /* [a] enum cpu_state */
	uint32_t wanted; /* [a] set by the requester, cleared by the CPU when it has flushed */
} __cacheline;

static struct {
	const struct pt_flush *request; /* [mm_as.lock] read by targets between the two changes of `wanted` */
	uint64_t ipis;			/* [a] */
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

	/* pairs with the release in shootdown() */
	if (!__atomic_load_n(&c->wanted, __ATOMIC_ACQUIRE))
		return;
	flush_local(shoot.request);
	/* pairs with the acquire in shootdown(): the request may be reused, the frames freed */
	__atomic_store_n(&c->wanted, 0, __ATOMIC_RELEASE);
}

void shootdown_poll(void)
{
	unsigned long flags;

	if (likely(!__atomic_load_n(&shoot.cpu[cpu_id()].wanted, __ATOMIC_RELAXED)))
		return;
	flags = arch_irq_save();
	mm_shootdown_ipi();
	arch_irq_restore(flags);
}

/* Does this CPU have to answer? If it is idle it is marked instead. */
static bool must_answer(unsigned cpu)
{
	uint32_t *state = &shoot.cpu[cpu].state;
	uint32_t s = CPU_IDLE;

	if (__atomic_compare_exchange_n(state, &s, CPU_IDLE_FLUSH, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	/* s is what stands there: IDLE has become something else */
	if (s == CPU_NEW)
		return __atomic_load_n(&percpu_areas[cpu].online, __ATOMIC_SEQ_CST) != 0;
	return s == CPU_RUNNING;
}

void shootdown(const struct pt_flush *f)
{
	unsigned cpus = plat_cpu_count(), me = cpu_id(), targets = 0, looks = 0;

	if (!f->count)
		return;
	shoot.request = f;
	for (unsigned i = 0; i < cpus; i++) {
		if (i == me || !must_answer(i))
			continue;
		/* pairs with the acquire in mm_shootdown_ipi() */
		__atomic_store_n(&shoot.cpu[i].wanted, 1, __ATOMIC_RELEASE);
		plat_ipi_send(i, PLAT_IPI_SHOOTDOWN);
		targets++;
	}
	flush_local(f);
	if (!targets)
		return;
	__atomic_fetch_add(&shoot.ipis, targets, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < cpus; i++)
		/* pairs with the release in mm_shootdown_ipi() */
		while (__atomic_load_n(&shoot.cpu[i].wanted, __ATOMIC_ACQUIRE))
			spin_wait(&looks);
}

void mm_cpu_enter_idle(void)
{
	uint32_t *state = &shoot.cpu[cpu_id()].state;
	uint32_t s = CPU_RUNNING;

	if (__atomic_compare_exchange_n(state, &s, CPU_IDLE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || s != CPU_NEW)
		return;
	__atomic_store_n(state, CPU_IDLE_FLUSH, __ATOMIC_SEQ_CST);
}

void mm_cpu_leave_idle(void)
{
	uint32_t *state = &shoot.cpu[cpu_id()].state;
	uint32_t s = __atomic_exchange_n(state, CPU_RUNNING, __ATOMIC_SEQ_CST);

	if (s == CPU_IDLE_FLUSH || s == CPU_NEW)
		arch_tlb_flush_all();
}

void shootdown_init(void)
{
	__atomic_store_n(&shoot.cpu[cpu_id()].state, CPU_RUNNING, __ATOMIC_SEQ_CST);
}

uint64_t shootdown_ipi_count(void)
{
	return __atomic_load_n(&shoot.ipis, __ATOMIC_RELAXED);
}
