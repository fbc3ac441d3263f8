// SPDX-License-Identifier: BSD-3-Clause
/*
 * Bring-up of the virtual machine platform on the boot CPU, in the two phases of plat/plat.h, and the pieces too small for
 * a file: waiting for an interrupt, the real processor behind hw_ops.
 *
 * plat_early_init() needs no memory and makes errors visible first: trap tables, control channel, then the loader's data.
 * Both 8259s are masked before anything could enable interrupts, because firmware of some machines leaves the timer line
 * unmasked on vector 8. plat_init() maps devices through the upcall table, so it comes after mm_init().
 */
#include <arch/boot_abi.h>
#include <arch/cpu.h>
#include <arch/trap.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "plat/vm/bootinfo.h"
#include "plat/vm/clock.h"
#include "plat/vm/hw.h"
#include "plat/vm/ioapic.h"
#include "plat/vm/lapic.h"
#include "plat/vm/vm.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define MSR_APIC_BASE  0x1b
#define APIC_BASE_ADDR 0xffffff000ull
#define APIC_BASE_X2   (1u << 10)

static uint64_t read_tsc(void)
{
	return arch_rdtsc();
}

const struct hw_ops hw = { arch_cpuid, arch_rdmsr, arch_wrmsr, read_tsc };

static struct acpi_info acpi; /* [I] after plat_init() */

__cold void plat_early_init(void)
{
	arch_out8(0x21, 0xff);
	arch_out8(0xa1, 0xff);
	arch_cpu_init();
	arch_trap_init_cpu(0);
	hw_discover(&hw_features);
	control_init();
	bootinfo_init();
	control_set_verbose(bootinfo_cmdline_has("tutti.verbose=1"));
	console_init(bootinfo_cmdline_has("tutti.stdin=framed"));
	control_ready(); /* bytes sent before the FIFOs were on would be lost: the runner waits for this */
}

/* Through the direct map where that reaches, else mapped as a device. */
static __cold const void *map_table(uint64_t pa, size_t len)
{
	uint64_t pte;
	uintptr_t span;

	for (uintptr_t va = (uintptr_t)arch_phys_to_virt(pa) & ~(PAGE_SIZE - 1);; va += PAGE_SIZE) {
		if (va >= (uintptr_t)arch_phys_to_virt(pa) + len)
			return arch_phys_to_virt(pa);
		if (!arch_pt_lookup(va, &pte, &span))
			break;
	}
	return tutti_upcalls.map_device(pa, len);
}

__cold void plat_init(void)
{
	uint64_t base = arch_rdmsr(MSR_APIC_BASE);
	bool x2 = hw_features.x2apic || (base & APIC_BASE_X2);

	lapic_setup(x2, x2 ? NULL : tutti_upcalls.map_device(base & APIC_BASE_ADDR, PAGE_SIZE));
	lapic_init_cpu();
	clock_start();
	if (acpi_parse(bootinfo_rsdp(), map_table, &acpi))
		klog("no ACPI tables: one CPU");
	smp_init(&acpi);
	ioapic_init(&acpi);
	console_enable_irq(percpu_areas[0].hw_id);
	clock_finish(&acpi);
	klog("%u CPUs, %s, clock by %s", plat_cpu_count(), x2 ? "x2APIC" : "xAPIC", clock_source());
}

void plat_wait_for_interrupt(void)
{
	__asm__ volatile("sti; hlt" ::: "memory");
}
