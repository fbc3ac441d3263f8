// SPDX-License-Identifier: BSD-3-Clause
/*
 * The one table of what lower layers call in higher ones (sync/upcall.h). Constant, valid from the first instruction on;
 * what an entry may do, and in which context, is said there and at the functions themselves.
 */
#include "sync/upcall.h"

#include "mm/frames.h"
#include "mm/mm.h"
#include "plat/common/locks.h"
#include "plat/plat.h"
#include "posix/console.h"
#include "posix/signal.h"
#include "sched/sched.h"

static void crash_report(void)
{
	sched_report();
	mm_report();
}

static paddr_t zeroed_frames(unsigned order)
{
	return frame_alloc(order, FRAME_ZERO);
}

static void __attribute__((noreturn)) mmu_violation(const char *what, unsigned cpu, uintptr_t addr, paddr_t pa)
{
	plat_crash(NULL, "memory management: %s: CPU %u, address 0x%lx, physical address 0x%lx", what, cpu,
		   (unsigned long)addr, (unsigned long)pa);
}

const struct tutti_upcalls tutti_upcalls = { .page_fault = mm_page_fault,
					     .timer = sched_timer,
					     .reschedule = sched_reschedule_ipi,
					     .shootdown = mm_shootdown_ipi,
					     .rcu_done = sched_rcu_done,
					     .preempt = sched_preempt,
					     .return_to_app = posix_return_from_trap,
					     .cpu_online = sched_cpu_online,
					     .console_event = console_event,
					     .app_exception = posix_app_exception,
					     .syscall = posix_syscall_trap,
					     .crash_report = crash_report,
					     .describe = mm_describe,
					     .mmu_violation = mmu_violation,
					     .map_device = mm_map_device,
					     .frame_alloc = zeroed_frames,
					     LOCK_UPCALLS };
