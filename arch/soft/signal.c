// SPDX-License-Identifier: BSD-3-Clause
/*
 * Signals of the host as interrupts and exceptions.
 *
 * All handlers run on the signal stack of their CPU with every signal blocked: that is the interrupt stack of ring 0. They do as
 * little as entry code there (entry.S): note what is pending, or write the trap frame to the stack where it can be preempted, and
 * return to soft_trap_enter. They never touch thread-local storage (FS belongs to the program) and run to their end on
 * the host thread where they began, so the signal stack that rt_sigreturn restores is always the right one.
 *
 * Interrupts (SOFT_SIGNAL_TIMER, SOFT_SIGNAL_IRQ): with irq_off the bits stay in irq_pending, and the end of the section takes them
 * (arch/irqflags.h). The sender sets the bit before it sends, so a bit seen is never without its signal and the reverse costs
 * one dispatch that finds nothing.
 *
 * Exceptions are synchronous: they are taken whatever irq_off says, and the frame remembers it in its IF bit. Vector registers are
 * restored by the host when the handler returns, so in the dispatcher they are the interrupted code's, as in ring 0.
 *
 * A `syscall` instruction outside of arch/soft/hostcall.S gives SIGSYS where the host can do that (Linux 5.11, "Syscall User
 * Dispatch"): it becomes VECTOR_SYSCALL. The host's own shared object may fall back to one: that call is made for it.
 *
 * No locks, no memory but the signal stacks.
 */
#include <arch/boot_abi.h>
#include <arch/hostcall.h>
#include <arch/irqflags.h>
#include <arch/paging.h>
#include <arch/soft.h>
#include <arch/trap.h>

#include "config.h"
#include "lib/errno.h"
#include "lib/util.h"
#include "sync/percpu.h"

#define SIGNAL_STACK (64ul << 10) /* more than AT_MINSIGSTKSZ of any processor, and a crash report */

#define SIG_ILL	 4
#define SIG_TRAP 5
#define SIG_BUS	 7
#define SIG_FPE	 8
#define SIG_SEGV 11
#define SIG_PIPE 13
#define SIG_XFSZ 25
#define SIG_SYS	 31

#define SA_SIGINFO  4ul
#define SA_RESTORER 0x04000000ul
#define SA_ONSTACK  0x08000000ul

#define PR_SET_SYSCALL_USER_DISPATCH 59
#define AUDIT_ARCH_X86_64	     0xc000003eu
#define SIG_UNBLOCK		     1
#define VECTOR_GENERAL_PROTECTION    13
#define PR_SYS_DISPATCH_ON	     1

#define RED_ZONE      128
#define HANDLER_ROOM  1024
#define FLAGS_CLEARED (1ul << 10 | 1ul << 8) /* DF, TF */

/* Linux x86-64: struct kernel_sigaction, stack_t, struct ucontext, struct siginfo as far as they are used. */
struct host_sigaction {
	void (*handler)(int, void *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

struct host_stack {
	void *sp;
	int flags;
	size_t size;
};

struct host_ucontext {
	unsigned long flags;
	void *link;
	struct host_stack stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trapno, oldmask, cr2;
};

struct host_siginfo {
	int signo, error, code, pad;
	uintptr_t addr;
	int syscall;
	uint32_t arch; /* SIGSYS */
};

void soft_trap_enter(void);
void soft_return_again(void);
extern char soft_return_begin[], soft_return_last[], soft_return_end[];
extern char soft_read_word_failed[];
bool soft_read_word(uintptr_t addr, uint64_t *value);
char *soft_signal_stack(void);

static struct {
	uintptr_t vdso;	       /* [I] */
	size_t vdso_len;       /* [I] */
	bool catches_syscalls; /* [I] */
	unsigned vdso_calls;   /* [boot CPU] system calls that the host's shared object made while it was watched */
	struct {
		char *stack;	      /* [I] lowest address */
		uintptr_t fault_addr; /* [c] */
	} __cacheline cpu[CONFIG_MAX_CPUS];
} soft;

static void frame_from_context(struct trap_frame *f, const struct host_ucontext *uc, uint64_t vector)
{
	*f = (struct trap_frame){
		.r15 = uc->r15,
		.r14 = uc->r14,
		.r13 = uc->r13,
		.r12 = uc->r12,
		.r11 = uc->r11,
		.r10 = uc->r10,
		.r9 = uc->r9,
		.r8 = uc->r8,
		.rbp = uc->rbp,
		.rdi = uc->rdi,
		.rsi = uc->rsi,
		.rdx = uc->rdx,
		.rcx = uc->rcx,
		.rbx = uc->rbx,
		.rax = uc->rax,
		.vector = vector,
		.error = uc->error,
		.rip = uc->rip,
		.cs = uc->cs,
		.rflags = (uc->rflags & ~ARCH_RFLAGS_IF) | arch_irq_flags(),
		.rsp = uc->rsp,
		.ss = uc->ss,
	};
}

/* Where the frame of an interrupt at `rsp` belongs: the rule of arch/trap.h. NULL: the kernel stack is used up. */
struct trap_frame *soft_frame_place(uintptr_t rsp)
{
	const uintptr_t base = percpu_read(kstack_base), top = percpu_read(kstack_top);

	if (rsp > top || rsp < base - PAGE_SIZE)
		return (struct trap_frame *)top - 1;
	if (rsp <= base)
		return NULL;
	rsp = ALIGN_DOWN(rsp - RED_ZONE, 16ul);
	if (rsp < base + sizeof(struct trap_frame) + HANDLER_ROOM)
		return NULL;
	return (struct trap_frame *)rsp - 1;
}

/* This handler will not return but report a crash: reads that fault are signals, too. */
static void prepare_report(void)
{
	const uint64_t exceptions = 1ull << (SIG_SEGV - 1) | 1ull << (SIG_BUS - 1) | 1ull << (SIG_SYS - 1);

	percpu_write(irq_off, 1);
	hostcall(HOST_rt_sigprocmask, SIG_UNBLOCK, (long)&exceptions, 0, sizeof(exceptions), 0, 0);
}

/* Let the thread go on in soft_trap_enter on a frame of what it was about to do. */
static void inject(struct host_ucontext *uc, uint64_t vector)
{
	struct trap_frame *f = soft_frame_place(uc->rsp);
	struct trap_frame here;

	if (unlikely(!f)) {
		frame_from_context(&here, uc, vector);
		prepare_report();
		arch_trap_stack_overflow(&here);
	}
	frame_from_context(f, uc, vector);
	percpu_write(irq_off, 1);
	uc->rip = (uintptr_t)soft_trap_enter;
	uc->rsp = (uintptr_t)f;
	uc->rflags &= ~FLAGS_CLEARED;
}

/* In the middle of the way back: take it on the frame that was about to be left. */
static bool rewind_return(struct host_ucontext *uc)
{
	if (uc->rip < (uintptr_t)soft_return_begin || uc->rip >= (uintptr_t)soft_return_end)
		return false;
	if (uc->rip == (uintptr_t)soft_return_last)
		uc->rsp -= offsetof(struct trap_frame, rip);
	uc->rip = (uintptr_t)soft_return_again;
	percpu_write(irq_off, 1);
	return true;
}

static void on_interrupt(int sig, void *info, void *context)
{
	struct host_ucontext *uc = context;
	uint32_t *pending = &percpu_areas[cpu_id()].irq_pending;

	(void)info;
	if (sig == SOFT_SIGNAL_TIMER)
		__atomic_fetch_or(pending, SOFT_IRQ_TIMER, __ATOMIC_SEQ_CST);
	soft_wake_self();
	/* pairs with the sender's operation in plat/host/cpu.c */
	if (unlikely(__atomic_load_n(pending, __ATOMIC_ACQUIRE) & SOFT_IRQ_STOP)) {
		struct trap_frame f;

		frame_from_context(&f, uc, VECTOR_PENDING);
		soft_stop(&f);
	}
	if (!percpu_read(irq_off) && !rewind_return(uc))
		inject(uc, VECTOR_PENDING);
}

static void on_report(int sig, void *info, void *context)
{
	struct trap_frame f;

	(void)sig, (void)info;
	frame_from_context(&f, context, VECTOR_PENDING);
	prepare_report();
	soft_report(&f);
}

/*
 * Replay: reading the cycle counter is a general protection fault (PR_SET_TSC). An instruction that faults like that has been
 * fetched as a whole, so its bytes are there.
 */
static bool cycle_counter_read(struct host_ucontext *uc)
{
	const uint8_t *p = (const uint8_t *)uc->rip;
	uint64_t v;

	if (uc->trapno != 13 || p[0] != 0x0f)
		return false;
	if (p[1] == 0x31)
		uc->rip += 2;
	else if (p[1] == 0x01 && p[2] == 0xf9)
		uc->rip += 3;
	else
		return false;
	if (uc->rip - (uintptr_t)p == 3)
		uc->rcx = cpu_id();
	v = soft_cycle_counter();
	uc->rax = (uint32_t)v;
	uc->rdx = v >> 32;
	return true;
}

/* Sent by somebody, not by the processor: what it does to any program. Takes effect when the handler returns. */
static void end_by_signal(int sig)
{
	const struct host_sigaction fall_back = { NULL, SA_RESTORER, hostcall_sigreturn, 0 };

	hostcall(HOST_rt_sigaction, sig, (long)&fall_back, 0, sizeof(fall_back.mask), 0, 0);
	hostcall(HOST_tgkill, hostcall(HOST_getpid, 0, 0, 0, 0, 0, 0), hostcall(HOST_gettid, 0, 0, 0, 0, 0, 0), sig, 0,
		 0, 0);
}

static void on_exception(int sig, void *info, void *context)
{
	const struct host_siginfo *si = info;
	struct host_ucontext *uc = context;

	if (config_replay && cycle_counter_read(uc))
		return;

	if (uc->rip == (uintptr_t)soft_read_word) {
		uc->rip = (uintptr_t)soft_read_word_failed;
		return;
	}
	if (si->code <= 0) {
		end_by_signal(sig);
		return;
	}
	if (sig == SIG_BUS && uc->trapno == 14) {
		struct trap_frame f;

		frame_from_context(&f, uc, uc->trapno);
		prepare_report();
		soft_bus_error(&f, si->addr);
	}
	soft.cpu[cpu_id()].fault_addr = uc->cr2;
	inject(uc, sig == SIG_TRAP && uc->trapno != 3 ? 1 : uc->trapno);
}

static void on_syscall(int sig, void *info, void *context)
{
	const struct host_siginfo *si = info;
	struct host_ucontext *uc = context;

	(void)sig;
	if (uc->rip - soft.vdso < soft.vdso_len) {
		soft.vdso_calls++;
		uc->rax = (uint64_t)hostcall((long)uc->rax, (long)uc->rdi, (long)uc->rsi, (long)uc->rdx, (long)uc->r10,
					     (long)uc->r8, (long)uc->r9);
	} else if (si->arch == AUDIT_ARCH_X86_64) {
		inject(uc, VECTOR_SYSCALL);
	} else {
		/* int $0x80: other numbers, other arguments; here it is no system call */
		uc->rip -= 2;
		uc->error = 0;
		inject(uc, VECTOR_GENERAL_PROTECTION);
	}
}

static void set_handler(int sig, void (*handler)(int, void *, void *))
{
	const struct host_sigaction act = { handler, SA_SIGINFO | SA_ONSTACK | SA_RESTORER, hostcall_sigreturn, ~0ull };

	hostcall(HOST_rt_sigaction, sig, (long)&act, 0, sizeof(act.mask), 0, 0);
}

void soft_signals_init(uintptr_t vdso, size_t vdso_len)
{
	const struct host_sigaction ignore = { (void (*)(int, void *, void *))1, SA_RESTORER, hostcall_sigreturn, 0 };
	const uint64_t none = 0;

	soft.vdso = vdso;
	soft.vdso_len = vdso_len;
	set_handler(SIG_SEGV, on_exception);
	set_handler(SIG_BUS, on_exception);
	set_handler(SIG_ILL, on_exception);
	set_handler(SIG_FPE, on_exception);
	set_handler(SIG_TRAP, on_exception);
	set_handler(SIG_SYS, on_syscall);
	set_handler(SOFT_SIGNAL_TIMER, on_interrupt);
	set_handler(SOFT_SIGNAL_IRQ, on_interrupt);
	set_handler(SOFT_SIGNAL_REPORT, on_report);
	hostcall(HOST_rt_sigaction, SIG_PIPE, (long)&ignore, 0, sizeof(ignore.mask), 0, 0);
	hostcall(HOST_rt_sigaction, SIG_XFSZ, (long)&ignore, 0, sizeof(ignore.mask), 0, 0);
	hostcall(HOST_rt_sigprocmask, 2, (long)&none, 0, sizeof(none), 0, 0);
}

/* Valgrind answers its client request RUNNING_ON_VALGRIND (valgrind.h); on a processor these instructions do nothing. */
static bool on_valgrind(void)
{
	const uint64_t request[6] = { 0x1001 };
	uint64_t yes = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
			 : "+d"(yes)
			 : "a"(request)
			 : "cc", "memory");
	return yes;
}

int soft_cpu_init(unsigned cpu)
{
	struct host_stack stack = { .size = SIGNAL_STACK };
	const bool valgrind = on_valgrind();
	/* Callgrind takes a handler for left when the stack pointer jumps upwards: below the boot stack, that is, the image. */
	const long hint = valgrind ? (long)((cpu + 1) * (PAGE_SIZE + SIGNAL_STACK)) : 0;
	long at = hostcall(HOST_mmap, hint, PAGE_SIZE + SIGNAL_STACK, HOST_PROT_READ | HOST_PROT_WRITE,
			   HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS, -1, 0);

	if (at < 0 && at > -4096)
		return -ENOMEM;
	hostcall(HOST_mprotect, at, PAGE_SIZE, HOST_PROT_NONE, 0, 0, 0);
	at += PAGE_SIZE;
	soft.cpu[cpu].stack = (char *)at;
	stack.sp = (char *)at;
	hostcall(HOST_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
	/* Its own system calls would be caught as well, and end it. */
	if (valgrind)
		return 0;
	soft.catches_syscalls = hostcall(HOST_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
					 (long)hostcall_start, hostcall_end - hostcall_start, 0, 0) == 0;
	return 0;
}

unsigned soft_vdso_calls(void)
{
	return soft.vdso_calls;
}

bool soft_catches_syscalls(void)
{
	return soft.catches_syscalls;
}

/* Top of the calling CPU's signal stack, for entry.S. */
char *soft_signal_stack(void)
{
	return soft.cpu[cpu_id()].stack + SIGNAL_STACK;
}

uintptr_t arch_fault_address(void)
{
	return soft.cpu[cpu_id()].fault_addr;
}

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	return !(addr & 7) && soft_read_word(addr, value);
}
