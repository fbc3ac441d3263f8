// SPDX-License-Identifier: BSD-3-Clause
/*
 * What is done about each interrupt and exception, and the way back.
 *
 * The entry code of arch/ has put the frame on the current thread's kernel stack, interrupts are off. Interrupt handlers run like that
 * with in_irq raised. A page fault is offered to the address space with interrupts as the faulting code had them and
 * preemption off: the interrupted code may be an application in the middle of a vector computation, kernel code leaves
 * those registers alone, and so they are still in place when the common exit decides to switch and saves them.
 *
 * The common exit serves frames whose code had interrupts on: while a switch is wanted and preemption is on, save the
 * extended state on this stack and switch; then, on the way to application code with a signal pending, call up. Code that
 * had interrupts off is inside something short and is returned to at once.
 *
 * Contexts: interrupts and exceptions. No locks, no memory; a kernel stack with too little room left for the saved state
 * postpones the switch.
 */
#include <arch/boot_abi.h>
#include <arch/irqflags.h>
#include <arch/trap.h>
#include <arch/xstate.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/rcu.h"
#include "sync/upcall.h"

/* struct uk_thread belongs to sched/, above; sched.h asserts these. */
#define THREAD_FLAGS_OFFSET 24
#define THREAD_SIGPENDING   1u

#define XSTATE_ALIGN 64
#define SWITCH_ROOM  1024 /* for the scheduler below the saved state */

static __noinline void preempt_saving_state(void)
{
	void *area = __builtin_alloca_with_align(arch_xstate_size(), XSTATE_ALIGN * 8);

	arch_xstate_save(area);
	tutti_upcalls.preempt();
	arch_xstate_restore(area);
}

/* The instruction keeps vector registers; a call that sleeps would not. */
static __noinline void syscall_saving_state(struct trap_frame *f)
{
	void *area = __builtin_alloca_with_align(arch_xstate_size(), XSTATE_ALIGN * 8);

	arch_xstate_save(area);
	arch_irq_enable();
	tutti_upcalls.syscall(f);
	arch_irq_disable();
	arch_xstate_restore(area);
}

static bool signal_pending(void)
{
	const char *t = (const char *)percpu_read(current);

	return t &&
	       (__atomic_load_n((const uint32_t *)(t + THREAD_FLAGS_OFFSET), __ATOMIC_ACQUIRE) & THREAD_SIGPENDING);
}

static bool room_to_switch(void)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);

	return sp - percpu_read(kstack_base) > arch_xstate_size() + XSTATE_ALIGN + SWITCH_ROOM;
}

static void leave(struct trap_frame *f, bool from_app)
{
	if (!(f->rflags & ARCH_RFLAGS_IF))
		return;
	while (!percpu_read(preempt_count) && !percpu_read(in_irq)) {
		if (percpu_read(need_resched) && room_to_switch()) {
			preempt_saving_state();
			continue;
		}
		if (!from_app || !signal_pending())
			return;
		tutti_upcalls.return_to_app(f);
		if (!percpu_read(need_resched))
			return;
	}
}

void arch_trap_leave(struct trap_frame *f)
{
	leave(f, true);
	arch_return_frame(f);
}

static void interrupt(struct trap_frame *f)
{
	percpu_write(irq_frame, f);
	percpu_write(in_irq, percpu_read(in_irq) + 1);
	rcu_interrupt();
	plat_interrupt((unsigned)f->vector);
	percpu_write(in_irq, percpu_read(in_irq) - 1);
}

void arch_trap_dispatch(struct trap_frame *f)
{
	bool from_app = arch_trap_from_app(f), done = false;
	uintptr_t addr = 0;

	if (f->vector == VECTOR_SYSCALL) {
		syscall_saving_state(f);
		leave(f, true);
		return;
	}
	if (f->vector >= VECTOR_IRQ) {
		interrupt(f);
		leave(f, from_app);
		return;
	}
	if (f->vector == 14)
		addr = arch_fault_address();
	preempt_disable();
	if (f->rflags & ARCH_RFLAGS_IF)
		arch_irq_enable();
	if (f->vector == 14)
		done = tutti_upcalls.page_fault(addr, f->error, f);
	if (!done && (f->vector == 14 || f->vector == 13))
		done = arch_trap_fixup(f);
	if (!done && from_app)
		done = tutti_upcalls.app_exception(f, addr);
	arch_irq_disable();
	preempt_enable_no_resched();
	if (!done)
		crash_trap(f, addr);
	leave(f, from_app);
}

void arch_trap_stack_overflow(struct trap_frame *f)
{
	plat_crash(f, "kernel stack overflow on the stack 0x%lx..0x%lx: rsp 0x%lx, at 0x%lx (%s)",
		   percpu_read(kstack_base), percpu_read(kstack_top), f->rsp, f->rip,
		   arch_trap_name((unsigned)f->vector));
}
