/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel virtual addresses: thread's kernel stacks and device memory.
 *
 * One range, handed out upwards and never taken back; an unmapped page follows below every stack and after every
 * device, so running off either end of anything faults. Stacks are recycled through a LIFO list linked by their
 * lowest word: the last one freed is the one most likely in the caches. Nothing mapped here changes its frame or goes
 * away, so no shootdown is ever needed: a CPU that faulted on an entry before it existed does not remember that.
 *
 * Lock: its own, irq-safe, because stacks are freed by the scheduler; frame locks are taken inside. Out of memory:
 * mm_kstack_alloc() gives 0 and undoes; a device that cannot be mapped ends the machine.
 */
#include "lib/util.h"
#include "mm/frames.h"
#include "mm/internal.h"
#include "mm/mm.h"
#include "plat/plat.h"
#include "uk/spinlock.h"

struct free_stack {
	struct free_stack *next;
};

static struct {
	struct uk_spinlock lock;
	uintptr_t next;		   /* [lock] first address never used */
	struct free_stack *stacks; /* [lock] */
} kva = { .next = ARCH_KVA_BASE };

static uintptr_t stack_new_locked(void)
{
	const uintptr_t base = kva.next + PAGE_SIZE;
	uintptr_t at;

	if (base + MM_KSTACK_SIZE > ARCH_KVA_END)
		return 0;
	for (at = base; at < base + MM_KSTACK_SIZE; at += PAGE_SIZE) {
		paddr_t pa = frame_alloc(0, 0);

		if (pa == FRAME_NONE)
			goto undo;
		if (pt_map(at, pa, PAGE_SIZE, ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_NX | ARCH_PTE_G, 1)) {
			frame_free(pa, 0);
			goto undo;
		}
	}
	kva.next = base + MM_KSTACK_SIZE;
	return base;
undo:
	/* nobody has used these addresses, so no TLB holds them */
	while (at > base) {
		uint64_t *e;

		at -= PAGE_SIZE;
		e = pt_entry(at, 1, false);
		frame_free(*e & ARCH_PTE_ADDR, 0);
		__atomic_store_n(e, 0, __ATOMIC_RELAXED);
	}
	return 0;
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
	return base;
}

void mm_kstack_free(uintptr_t base)
{
	struct free_stack *s = (struct free_stack *)base;
	unsigned long flags;

	UK_CHECK(base >= ARCH_KVA_BASE && base < ARCH_KVA_END && IS_ALIGNED(base, PAGE_SIZE));
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
