/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the entry code saves, and how interrupts reach a thread's stack.
 *
 * Every vector enters on an interrupt stack (IST) of its CPU with interrupts off. The entry code saves the frame there and
 * then moves it to the stack on which the handler may be preempted: if the interrupted code ran on the current thread's
 * kernel stack (kstack_base < rsp <= kstack_top), to 128 bytes below rsp; otherwise (application stack) to the top of the
 * thread's kernel stack, which is empty then. #DF, NMI and #MC stay on their own stacks and never return to be preempted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector;
	uint64_t error; /* 0 where the vector has none */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Error code bits of a page fault (Intel SDM vol. 3, 4.7). */
#define ARCH_PF_PRESENT	 (1u << 0)
#define ARCH_PF_WRITE	 (1u << 1)
#define ARCH_PF_RESERVED (1u << 3)
#define ARCH_PF_FETCH	 (1u << 4)

/* Was application code (not the kernel on its kernel stack) interrupted? True if f->rsp is outside current's kernel stack. */
bool arch_trap_from_app(const struct trap_frame *f);

/* Load IDT, GDT and TSS of the calling CPU. Boot CPU: once, before the first interrupt; others from the trampoline. */
void arch_trap_init_cpu(unsigned cpu);

/*
 * Load all registers from `f` and return to where it points, by iretq: for signal return. Interrupts off, preempt_count 0;
 * the kernel stack counts as empty from then on if f->rsp is outside of it.
 */
void arch_return_frame(const struct trap_frame *f) __attribute__((noreturn));
/* Back to application code with what is due on the way (a switch, a signal), for sched_on_kstack(). Interrupts off. */
void arch_trap_leave(struct trap_frame *f) __attribute__((noreturn));

/* Static resources of all CPUs but the boot CPU (interrupt stacks) before they start. 0 or -ENOMEM. */
int arch_trap_prepare_cpu(unsigned cpu);

/* Read a word that may be unmapped, by walking the page tables in software: no fault is taken. Any context, NMI included. */
bool arch_safe_read(uintptr_t addr, uint64_t *value);
/* Physical address and entry flags of what is mapped at `va` now; false if nothing is. */
bool arch_pt_lookup(uintptr_t va, uint64_t *pte, uintptr_t *span);

/* The address of the page fault that this CPU took last. Interrupts off since then. */
uintptr_t arch_fault_address(void);

/* ---- implemented by plat/common/trap.c, called by the entry code with interrupts off ---- */
/* On the kernel stack of the current thread. */
void arch_trap_dispatch(struct trap_frame *f);
/* #DF, NMI, #MC, on their own stacks: plat/vm/trap.c. */
void arch_trap_dispatch_in_place(struct trap_frame *f);
/* The kernel stack is used up; on the double-fault stack. */
void arch_trap_stack_overflow(struct trap_frame *f) __attribute__((noreturn));

/* Fix-up for the faulting instruction of an access in arch/uaccess.h; true: f->rip has been changed. */
bool arch_trap_fixup(struct trap_frame *f);
/* Name of an exception vector, "page fault". */
const char *arch_trap_name(unsigned vector);
