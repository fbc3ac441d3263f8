// SPDX-License-Identifier: BSD-3-Clause
/*
 * The other CPUs: who they are, how they start, interrupts to them.
 *
 * Logical CPU 0 is the one that booted, the others follow in the order of the MADT. plat_cpus_start() copies the
 * trampoline (ap_start.S) to low memory, builds transition tables beside it, and sends INIT and start-up to all without a
 * wait. Each CPU goes from real mode to long mode on the transition root, which maps the trampoline page at its physical
 * address (R-X) and otherwise everything the boot CPU's root did at that moment; finds its number by its APIC id; loads the
 * real root; and calls smp_ap_main() on its idle thread's stack. The real root never maps the trampoline, so there
 * is nothing to remove from it afterwards.
 *
 * A CPU that is late gets a second start-up from plat_cpus_poll(); one that never comes ends the machine with a line. A
 * start-up command to a CPU that is running already is ignored by it.
 *
 * States of a CPU: configured -> started (commands sent) -> arrived (has tables for interrupts; bit in `arrived`, set by itself
 * with release, read with acquire) -> online (sched/'s business). Everything else here is written by the boot CPU before
 * the start and constant afterwards.
 */
#include <arch/boot_abi.h>
#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/trap.h>

#include "lib/string.h"
#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "plat/vm/clock.h"
#include "plat/vm/hw.h"
#include "plat/vm/lapic.h"
#include "plat/vm/vm.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define KSTACK_SIZE    16384
#define RETRY_NS       50000000ull
#define LIMIT_NS       10000000000ull
#define ROOT_LOW_LIMIT (1ull << 32)

extern char ap_trampoline[], ap_trampoline_end[], ap_cr3[], ap_entry[];
void ap_high(void);
void smp_ap_main(unsigned cpu) __attribute__((noreturn));

/* Read by ap_start.S. */
uint64_t ap_real_root;
uint32_t ap_cpu_count;

static struct {
	unsigned count;		/* [I] after plat_init() */
	struct cpumask arrived; /* [a] */
	unsigned missing;	/* [a] started and not arrived */
	uint64_t started_ns;	/* [boot CPU] */
	bool retried;		/* [boot CPU] */
} smp = { .count = 1 };

__cold void smp_init(const struct acpi_info *acpi)
{
	uint32_t self = lapic_id();
	unsigned n = 1;

	percpu_areas[0].hw_id = self;
	for (unsigned i = 0; i < acpi->cpus; i++) {
		if (acpi->apic_id[i] == self || n == CONFIG_MAX_CPUS)
			continue;
		if (acpi->apic_id[i] > 254 && !hw_features.x2apic)
			continue;
		percpu_areas[n] = (struct percpu){
			.self = &percpu_areas[n], .idx = n, .hw_id = acpi->apic_id[i], .preempt_count = 1
		};
		n++;
	}
	smp.count = n;
	cpumask_test_and_set_atomic(&smp.arrived, 0);
	if (acpi->cpus_left_out)
		kwarn("%u CPUs are not used: this kernel is built for %d", acpi->cpus_left_out, CONFIG_MAX_CPUS);
}

unsigned plat_cpu_count(void)
{
	return smp.count;
}

bool plat_ipi_ready(void)
{
	return lapic_ready();
}

bool plat_cpu_arrived(unsigned cpu)
{
	/* pairs with the release in smp_ap_main() */
	return __atomic_load_n(&smp.arrived.w[cpu / 64], __ATOMIC_ACQUIRE) >> (cpu % 64) & 1;
}

void plat_cpu_set_stack(unsigned cpu, uintptr_t kstack_top)
{
	percpu_areas[cpu].kstack_top = kstack_top;
	percpu_areas[cpu].kstack_base = kstack_top - KSTACK_SIZE;
}

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	static const uint32_t command[] = {
		[PLAT_IPI_RESCHEDULE] = ICR_FIXED | VECTOR_RESCHEDULE,
		[PLAT_IPI_SHOOTDOWN] = ICR_FIXED | VECTOR_SHOOTDOWN,
		[PLAT_IPI_STOP] = ICR_NMI,
	};

	lapic_send(percpu_areas[cpu].hw_id, command[kind]);
}

/* Root that maps what the current one does, and the trampoline page in place of the first 512 GiB. */
static __cold void build_transition_tables(void)
{
	uint64_t(*t)[ARCH_PT_ENTRIES] = arch_phys_to_virt(AP_TABLES_PHYS);
	const uint64_t *root = arch_phys_to_virt(arch_pt_root());
	const uint64_t link = ARCH_PTE_P | ARCH_PTE_W | ARCH_PTE_A;

	memset(t[1], 0, 3 * PAGE_SIZE);
	memcpy(t[0], root, PAGE_SIZE);
	t[0][0] = (AP_TABLES_PHYS + PAGE_SIZE) | link;
	t[1][0] = (AP_TABLES_PHYS + 2 * PAGE_SIZE) | link;
	t[2][0] = (AP_TABLES_PHYS + 3 * PAGE_SIZE) | link;
	t[3][AP_TRAMPOLINE_PHYS / PAGE_SIZE] = AP_TRAMPOLINE_PHYS | ARCH_PTE_P | ARCH_PTE_A;
}

static void send_startup(unsigned cpu)
{
	lapic_send(percpu_areas[cpu].hw_id, ICR_STARTUP | AP_TRAMPOLINE_PHYS >> 12);
}

__cold void plat_cpus_start(void)
{
	char *page = arch_phys_to_virt(AP_TRAMPOLINE_PHYS);

	if (smp.count == 1)
		return;
	memcpy(page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	*(uint32_t *)(page + (ap_cr3 - ap_trampoline)) = AP_TABLES_PHYS;
	*(uint64_t *)(page + (ap_entry - ap_trampoline)) = (uintptr_t)ap_high;
	build_transition_tables();
	ap_real_root = arch_pt_root();
	ap_cpu_count = smp.count;
	for (unsigned i = 1; i < smp.count; i++) {
		if (arch_trap_prepare_cpu(i))
			plat_boot_error("too little memory for %u CPUs", smp.count);
		if (!percpu_areas[i].kstack_top)
			plat_crash(NULL, "CPU %u has no stack to start on", i);
	}
	smp.missing = smp.count - 1;
	smp.started_ns = plat_monotonic_ns();
	for (unsigned i = 1; i < smp.count; i++)
		lapic_send(percpu_areas[i].hw_id, ICR_INIT);
	for (unsigned i = 1; i < smp.count; i++)
		send_startup(i);
}

void plat_cpus_poll(void)
{
	uint64_t now;

	if (likely(!__atomic_load_n(&smp.missing, __ATOMIC_RELAXED)))
		return;
	now = plat_monotonic_ns();
	for (unsigned i = 1; i < smp.count; i++) {
		if (plat_cpu_arrived(i))
			continue;
		if (now - smp.started_ns > LIMIT_NS)
			plat_boot_error("CPU %u (APIC id %u) did not start within 10 s", i, percpu_areas[i].hw_id);
		if (now - smp.started_ns > RETRY_NS && !smp.retried)
			send_startup(i);
	}
	if (now - smp.started_ns > RETRY_NS)
		smp.retried = true;
}

/* From ap_start.S: on the idle thread's stack, GS set, interrupts off. */
void smp_ap_main(unsigned cpu)
{
	arch_cpu_init();
	arch_trap_init_cpu(cpu);
	lapic_init_cpu();
	clock_init_cpu(cpu);
	__atomic_fetch_or(&smp.arrived.w[cpu / 64], 1ull << (cpu % 64), __ATOMIC_RELEASE);
	if (__atomic_sub_fetch(&smp.missing, 1, __ATOMIC_RELAXED) == 0)
		klog("all %u CPUs are up after %lu us", smp.count, (plat_monotonic_ns() - smp.started_ns) / 1000);
	tutti_upcalls.cpu_online();
}
