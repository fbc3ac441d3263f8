/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel virtual addresses: thread's kernel stacks and device memory.
 *
 * One range, handed out upwards and never taken back; an unmapped page follows below every stack and after every
 * device, so running off either end of anything faults. Stacks are recycled through a LIFO list linked by their
 * lowest word: the last one freed is the one most likely in the caches. Nothing mapped here changes its frame or goes
 * away, so no shootdown is ever needed: a CPU that faulted on an entry before it existed does not remember that. An MMU
 * that does not walk tables is filled before the entries are written, because it may refuse.
 *
 * Lock: its own, irq-safe, because stacks are freed by the scheduler; frame locks are taken inside. Out of memory:
 * mm_kstack_alloc() gives 0 and undoes; a device that cannot be mapped ends the machine.
 */
#include "lib/errno.h"
#include "check/check.h"
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

#define STACK_PAGES (MM_KSTACK_SIZE / PAGE_SIZE)
#define STACK_BITS  (ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_G)

struct free_stack {
	struct free_stack *next;
};

LOCK_CLASS(kva_class, "kernel addresses", 90, LOCK_IRQ, "kernel stacks that are free, and where the next one goes");

static struct {
	struct uk_spinlock lock;
	uintptr_t next;		   /* [lock] first address never used */
	struct free_stack *stacks; /* [lock] */
} kva = { .lock = SPINLOCK_INIT(&kva_class), .next = ARCH_KVA_BASE };

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

static uintptr_t stack_new_locked(void)
{
	const uintptr_t base = kva.next + PAGE_SIZE;
	paddr_t pa[STACK_PAGES];

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
	unsigned long flags;
	uintptr_t base;

	uk_spin_lock_irqsave(&kva.lock, flags);
	base = (uintptr_t)kva.stacks;
	if (base)
		kva.stacks = kva.stacks->next;
	else
		base = stack_new_locked();
	uk_spin_unlock_irqrestore(&kva.lock, flags);
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
