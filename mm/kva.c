/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel virtual addresses: thread's kernel stacks and device memory.
 *
 * One range, handed out upwards and never taken back; an unmapped page follows below every stack and after every
 * device, so running off either end of anything faults. Stacks are recycled through a LIFO list linked by their
 * lowest word: the last one freed is the one most likely in the caches. Each CPU has such a list of at most CPU_STACKS of its
 * own in front; when there is no memory for a new one, those of all CPUs are looked through. Nothing mapped here changes its frame or goes
 * away, so no shootdown is ever needed: a CPU that faulted on an entry before it existed does not remember that. An MMU
 * that does not walk tables is filled before the entries are written, because it may refuse.
 *
 * Locks: its own and one per CPU's list, never both, irq-safe, because stacks are freed by the scheduler; frame locks are taken inside. Out of memory:
 * mm_kstack_alloc() gives 0 and undoes; a device that cannot be mapped ends the machine.
 */
#include "lib/errno.h"
#include "check/check.h"
#include "config.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define STACK_PAGES (MM_KSTACK_SIZE / PAGE_SIZE)
#define STACK_BITS  (ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_G)

struct free_stack {
	struct free_stack *next;
};

LOCK_CLASS(cpu_stacks_class, "kernel stacks of a CPU", 90, LOCK_IRQ, "kernel stacks that are free, on one CPU's list");
LOCK_CLASS(kva_class, "kernel addresses", 90, LOCK_IRQ, "kernel stacks that are free, and where the next one goes");

static struct {
	struct uk_spinlock lock;
	uintptr_t next;		   /* [lock] first address never used */
	struct free_stack *stacks; /* [lock] */
} kva = { .lock = SPINLOCK_INIT(&kva_class), .next = ARCH_KVA_BASE };

#define CPU_STACKS 8u

static struct cpu_stacks {
	struct uk_spinlock lock;  /* that CPU, or who is out of memory */
	uint32_t count;		  /* [lock] */
	struct free_stack *first; /* [lock] */
} __cacheline cpu_stacks[CONFIG_MAX_CPUS] = {
	[0 ... CONFIG_MAX_CPUS - 1] = { .lock = SPINLOCK_INIT(&cpu_stacks_class) },
};

/* 0: none there. Any CPU's list: its owner is the usual caller. */
static uintptr_t cpu_stack_pop(struct cpu_stacks *list)
{
	struct free_stack *s;
	unsigned long flags;

	uk_spin_lock_irqsave(&list->lock, flags);
	s = list->first;
	if (s) {
		list->first = s->next;
		list->count--;
	}
	uk_spin_unlock_irqrestore(&list->lock, flags);
	return (uintptr_t)s;
}

static bool cpu_stack_push(struct cpu_stacks *list, struct free_stack *s)
{
	unsigned long flags;
	bool room;

	uk_spin_lock_irqsave(&list->lock, flags);
	room = list->count < CPU_STACKS;
	if (room) {
		s->next = list->first;
		list->first = s;
		list->count++;
	}
	uk_spin_unlock_irqrestore(&list->lock, flags);
	return room;
}

/* Pieces of memory as large as they are. 0 or -ENOMEM. */
static int fill_stack(uintptr_t base, const paddr_t pa[STACK_PAGES])
{
	unsigned n;

	for (unsigned i = 0; i < STACK_PAGES; i += n) {
		n = 1;
		while (i + n < STACK_PAGES && pa[i + n] == pa[i] + n * PAGE_SIZE)
			n++;
		if (arch_mmu_fill(base + i * PAGE_SIZE, pa[i], n * PAGE_SIZE, STACK_BITS))
			return -ENOMEM;
	}
	return 0;
}

static uintptr_t stack_new_locked(void) REQUIRES(kva.lock);
static uintptr_t stack_new_locked(void)
{
	const uintptr_t base = kva.next + PAGE_SIZE;
	paddr_t pa[STACK_PAGES];

	uk_spin_assert_held(&kva.lock);
	if (base + MM_KSTACK_SIZE > ARCH_KVA_END || pt_build(base, base + MM_KSTACK_SIZE))
		return 0;
	/* all frames before the first entry: a CPU may load an entry that it has no use for, so none is taken back */
	for (unsigned i = 0; i < STACK_PAGES; i++) {
		pa[i] = frame_alloc(0, 0);
		if (pa[i] == FRAME_NONE) {
			while (i--)
				frame_free(pa[i], 0);
			return 0;
		}
	}
	if (fill_stack(base, pa)) {
		arch_mmu_changed(base, base + MM_KSTACK_SIZE);
		for (unsigned i = 0; i < STACK_PAGES; i++)
			frame_free(pa[i], 0);
		return 0;
	}
	for (unsigned i = 0; i < STACK_PAGES; i++)
		UK_CHECK(!pt_map(base + i * PAGE_SIZE, pa[i], PAGE_SIZE, STACK_BITS, 1));
	kva.next = base + MM_KSTACK_SIZE;
	return base;
}

uintptr_t mm_kstack_alloc(void)
{
	/* by the time its list is locked the CPU may be another one: no harm */
	uintptr_t base = cpu_stack_pop(&cpu_stacks[cpu_id()]);
	unsigned long flags;

	if (base)
		goto out;
	uk_spin_lock_irqsave(&kva.lock, flags);
	base = (uintptr_t)kva.stacks;
	if (base)
		kva.stacks = kva.stacks->next;
	else
		base = stack_new_locked();
	uk_spin_unlock_irqrestore(&kva.lock, flags);
	for (unsigned cpu = 0; !base && cpu < CONFIG_MAX_CPUS; cpu++)
		base = cpu_stack_pop(&cpu_stacks[cpu]);
out:
	if (base)
		check_memory_give((void *)base, MM_KSTACK_SIZE);
	return base;
}

void mm_kstack_free(uintptr_t base)
{
	struct free_stack *s = (struct free_stack *)base;
	unsigned long flags;

	UK_CHECK(base >= ARCH_KVA_BASE && base < ARCH_KVA_END && IS_ALIGNED(base, PAGE_SIZE));
	check_memory_take(s + 1, MM_KSTACK_SIZE - sizeof(*s));
	if (cpu_stack_push(&cpu_stacks[cpu_id()], s))
		return;
	uk_spin_lock_irqsave(&kva.lock, flags);
	s->next = kva.stacks;
	kva.stacks = s;
	uk_spin_unlock_irqrestore(&kva.lock, flags);
}

void *mm_map_device(paddr_t pa, size_t len)
{
	const paddr_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	const uint64_t size = ALIGN_UP(pa + len, PAGE_SIZE) - first;
	unsigned long flags;
	uintptr_t va;

	uk_spin_lock_irqsave(&kva.lock, flags);
	va = kva.next;
	if (size >= ARCH_KVA_END - va ||
	    pt_map(va, first, size, ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_G | ARCH_PTE_PCD | ARCH_PTE_PWT,
		   1))
		plat_crash(NULL, "no memory to map the device at 0x%lx", (unsigned long)pa);
	kva.next = va + size + PAGE_SIZE;
	uk_spin_unlock_irqrestore(&kva.lock, flags);
	return (void *)(va + (pa - first));
}
