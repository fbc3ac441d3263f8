// SPDX-License-Identifier: BSD-3-Clause
/*
 * Descriptor tables and interrupt stacks of all CPUs, and reads that cannot fault. What is done about a trap is plat/common/trap.c;
 * how it gets there is entry.S.
 *
 * One GDT and one IDT serve all CPUs: the boot CPU fills them before any other runs, afterwards a CPU writes only its own
 * TSS and the busy bit of its own descriptor. Interrupt stacks are a 16 KiB block per CPU: the boot CPU's is static, the
 * others' come from arch_trap_prepare_cpu() before they start. No locks.
 *
 * arch_pt_lookup() walks the tables in use through the direct map with atomic loads. It may race with a change and then
 * tell either state; a table page that is being freed at that moment may hold anything, so each step is bounds-checked
 * against nothing but the format, and the only callers are the crash report and boot.
 */
#include <arch/boot_abi.h>
#include <arch/image.h>
#include <arch/paging.h>
#include <arch/trap.h>

#include <arch/cpu.h>

#include "config.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "hardware");

struct gate {
	uint16_t low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t mid;
	uint32_t high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "hardware");

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

#define GDT_FIXED (SEL_TSS / 8)

static struct {
	uint64_t gdt[GDT_FIXED + 2 * CONFIG_MAX_CPUS];
	struct gate idt[VECTOR_COUNT];
	struct tss tss[CONFIG_MAX_CPUS];
	char *ist[CONFIG_MAX_CPUS]; /* lowest address of the CPU's block */
} traps __attribute__((aligned(64)));

static char boot_ist[IST_BLOCK] __attribute__((aligned(64)));

extern char trap_stubs[];
char *arch_trap_df_stack(void);

static __cold void fill_tables(void)
{
	traps.gdt[SEL_CODE / 8] = 0x00af9b000000ffffull;
	traps.gdt[SEL_DATA / 8] = 0x00cf93000000ffffull;
	for (unsigned v = 0; v < VECTOR_COUNT; v++) {
		uintptr_t stub = (uintptr_t)trap_stubs + 16 * v;
		unsigned ist = v >= VECTOR_IRQ ? IST_INTERRUPT : IST_EXCEPTION;

		if (v == 8)
			ist = IST_DOUBLE_FAULT;
		else if (v == 2)
			ist = IST_NMI;
		else if (v == 18)
			ist = IST_MACHINE_CHECK;
		traps.idt[v] = (struct gate){ .low = (uint16_t)stub,
					      .selector = SEL_CODE,
					      .ist = (uint8_t)ist,
					      .type = 0x8e,
					      .mid = (uint16_t)(stub >> 16),
					      .high = (uint32_t)(stub >> 32) };
	}
	traps.ist[0] = boot_ist;
}

int arch_trap_prepare_cpu(unsigned cpu)
{
	paddr_t pa = tutti_upcalls.frame_alloc(IST_BLOCK_ORDER);

	if (pa == (paddr_t)-1)
		return -ENOMEM;
	traps.ist[cpu] = arch_phys_to_virt(pa);
	return 0;
}

__cold void arch_trap_init_cpu(unsigned cpu)
{
	struct tss *tss = &traps.tss[cpu];
	uint64_t base = (uintptr_t)tss, top;
	struct table_pointer p;

	if (cpu == 0)
		fill_tables();
	top = (uintptr_t)traps.ist[cpu] + IST_BLOCK;
	tss->ist[IST_DOUBLE_FAULT - 1] = top;
	tss->ist[IST_NMI - 1] = top - IST_BIG;
	tss->ist[IST_MACHINE_CHECK - 1] = top - 2 * IST_BIG;
	tss->ist[IST_EXCEPTION - 1] = top - 3 * IST_BIG;
	tss->ist[IST_INTERRUPT - 1] = top - 3 * IST_BIG - IST_SMALL;
	tss->io_map = sizeof(*tss);
	traps.gdt[GDT_FIXED + 2 * cpu] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
					 (base >> 24 & 0xff) << 56;
	traps.gdt[GDT_FIXED + 2 * cpu + 1] = base >> 32;

	p = (struct table_pointer){ sizeof(traps.gdt) - 1, (uintptr_t)traps.gdt };
	__asm__ volatile("lgdt %0" ::"m"(p));
	__asm__ volatile(
		"pushq %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %1, %%ss; mov %1, %%ds; mov %1, %%es" ::"i"(
			SEL_CODE),
		"r"(SEL_DATA)
		: "rax", "memory");
	p = (struct table_pointer){ sizeof(traps.idt) - 1, (uintptr_t)traps.idt };
	__asm__ volatile("lidt %0" ::"m"(p));
	__asm__ volatile("ltr %w0" ::"r"(SEL_TSS + 16 * cpu));
}

/* Top of the calling CPU's double-fault stack, for entry.S. */
char *arch_trap_df_stack(void)
{
	return traps.ist[cpu_id()] + IST_BLOCK;
}

bool arch_pt_lookup(uintptr_t va, uint64_t *pte, uintptr_t *span)
{
	const uint64_t *table = arch_phys_to_virt(arch_pt_root());

	if ((uintptr_t)((intptr_t)(va << 16) >> 16) != va)
		return false; /* not canonical */
	for (unsigned level = ARCH_PT_LEVELS;; level--) {
		uint64_t e = __atomic_load_n(&table[arch_pt_index(va, level)], __ATOMIC_RELAXED);

		if (!(e & ARCH_PTE_P))
			return false;
		if (level == 1 || (level <= 3 && (e & ARCH_PTE_PS))) {
			*pte = e;
			*span = arch_pt_span(level);
			return true;
		}
		table = arch_phys_to_virt(e & ARCH_PTE_ADDR);
	}
}

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	uint64_t pte;
	uintptr_t span;

	if ((addr & 7) || !arch_pt_lookup(addr, &pte, &span) || (pte & ARCH_PTE_PCD))
		return false;
	*value = *(volatile const uint64_t *)addr;
	return true;
}

uintptr_t arch_fault_address(void)
{
	uintptr_t addr;

	__asm__ volatile("mov %%cr2, %0" : "=r"(addr));
	return addr;
}
