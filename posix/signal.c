// SPDX-License-Identifier: BSD-3-Clause
/*
 * Signals: dispositions, masks, pending sets, sending, and delivery on the way back to application code.
 *
 * Objects. One table of dispositions. Per thread: mask, pending, and the signals it sleeps for. Per process: pending. A
 * signal that was sent is one bit: a second one of the same number before delivery is lost, for real-time numbers too. Signals
 * of timers carry information and stand in a queue besides, of the thread or the process, once per timer: struct
 * posix_sigqueue, whose `bits` say which numbers are there, for everybody who looks without the lock.
 *
 * Concurrency. The mask is written by its own thread only; pending sets are atomic words; nobody takes a lock to send or to
 * take a signal. A bit belongs to whoever clears it. TF_SIGPENDING says "look": the sender sets the bit, then reads the
 * mask, then sets the flag; the thread writes its mask (or clears the flag), then reads the pending sets, and sets the flag
 * itself if there is something. All are sequentially consistent, so one of the two sees the other (store buffering, both
 * ways). A thread that blocks or stops to wait for a signal of the process, or ends, looks for one that was meant for it
 * after that and passes it on; the sender has set the bit before it chose, so again one of the two sees. After the flag the
 * sender wakes the thread, and interrupts the CPU it runs on. A blocked call looks at the flag between
 * thread_prepare_block() and thread_block(), so a signal is not slept through. The disposition table has a spin lock; a
 * reader copies an entry. A queue has its own (irq-safe: timers fire in interrupts), and `bits` are set before the thread is
 * chosen and told, as `pending` is. Who takes an entry off a queue owns the signal; the timer's lock is taken before a
 * queue's, so the taker turns to the timer after it has let the queue go, and a sequence number tells whether the timer was
 * set anew or deleted in between (timers.c). An entry is on the queue of a thread that has not ended: the thread closes it.
 *
 * Delivery. posix_return_to_app() builds a frame on the application's stack, with arch_user_copy(), and points the trap
 * frame at the handler; the handler returns to posix_signal_return (syscall_entry.S), which comes back to
 * posix_sigreturn() with the frame's address. Whatever the handler changed in the ucontext's registers and mask counts.
 * Vector registers: live when an interrupt brought us here, and then saved on the application's stack by
 * posix_signal_enter_xstate before the handler runs. For the same reason this code never switches threads voluntarily
 * (preemption is off in it): a reschedule that is asked for meanwhile is asked for again by an interrupt to this CPU, which
 * arrives in application code, where the trap path saves the state.
 *
 * Contexts: thread context on the kernel stack. Sending: thread context; posix_signal_queue() interrupts too, where the current
 * thread may be about to block and is woken like another. No allocation anywhere.
 * Limits: to take one of many queued signals is linear in the length of that queue; no sigqueue() values, no job control (stop signals are ignored), no core files.
 */
#include "posix/signal.h"

#include <arch/irqflags.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <arch/xstate.h>

#include "lib/string.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "sync/percpu.h"
#include "uk/spinlock.h"

#define MAIN_TID       1
#define SYSCALL_LENGTH 2 /* bytes of the instruction */

#define X(field, off) _Static_assert(offsetof(struct trap_frame, field) == (off), "entry_offsets.h")
X(r15, FRAME_R15);
X(r14, FRAME_R14);
X(r13, FRAME_R13);
X(r12, FRAME_R12);
X(r11, FRAME_R11);
X(r10, FRAME_R10);
X(r9, FRAME_R9);
X(r8, FRAME_R8);
X(rbp, FRAME_RBP);
X(rdi, FRAME_RDI);
X(rsi, FRAME_RSI);
X(rdx, FRAME_RDX);
X(rcx, FRAME_RCX);
X(rbx, FRAME_RBX);
X(rax, FRAME_RAX);
X(vector, FRAME_VECTOR);
X(error, FRAME_ERROR);
X(rip, FRAME_RIP);
X(cs, FRAME_CS);
X(rflags, FRAME_RFLAGS);
X(rsp, FRAME_RSP);
X(ss, FRAME_SS);
#undef X
_Static_assert(sizeof(struct trap_frame) == TRAP_FRAME_SIZE && TRAP_FRAME_SIZE % 16 == 0, "entry_offsets.h");
_Static_assert(offsetof(struct percpu, current) == PERCPU_CURRENT, "entry_offsets.h");
_Static_assert(offsetof(struct percpu, kstack_top) == PERCPU_KSTACK_TOP, "entry_offsets.h");
_Static_assert(UK_THREAD_FLAGS_OFFSET == THREAD_FLAGS && THREAD_SIGPENDING == TF_SIGPENDING, "entry_offsets.h");

/* What a handler finds on its stack. Its address is 8 modulo 16, as at the entry of a function. */
struct signal_frame {
	uint64_t return_address; /* posix_signal_return */
	uint64_t xarea;		 /* saved vector registers, 0: none; syscall_entry.S reads it */
	struct abi_siginfo info;
	struct abi_ucontext uc;
};
_Static_assert(offsetof(struct signal_frame, xarea) == 8, "assembly");

/* syscall_entry.S */
extern char posix_signal_return[], posix_signal_enter_xstate[];

void posix_sigreturn(uintptr_t frame, struct trap_frame *f);

#define BIT(n)	    (1ull << ((n)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
#define IGNORED_BY_DEFAULT                                                                                        \
	(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | \
	 BIT(SIGTTOU))
#define CRASH_BY_DEFAULT                                                                                       \
	(BIT(SIGQUIT) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV) | \
	 BIT(SIGXCPU) | BIT(SIGXFSZ) | BIT(SIGSYS))

#define RFLAGS_FIXED   0x202ul	  /* always-one bit, interrupts on */
#define RFLAGS_OF_USER 0x240dd5ul /* CF PF AF ZF SF TF DF OF AC ID: what a program may change */
#define RFLAGS_TF_DF   0x500ul

LOCK_CLASS(sigqueue_class, "signal queue", 55, LOCK_IRQ, "queued signals of a thread or of the process");
LOCK_CLASS(signal_class, "signal state", 50, 0, "actions of all signals, which of them are ignored");

static struct {
	struct uk_spinlock lock;
	struct abi_sigaction action[SIG_COUNT]; /* [lock] */
	uint64_t ignored;			/* [a] written under lock: disposition is to ignore */
	uint64_t pending;			/* [a] sent to the process */
	struct posix_sigqueue queue;		/* of the process */
} sig = {
	.lock = SPINLOCK_INIT(&signal_class),
	.ignored = IGNORED_BY_DEFAULT,
	.queue = { .lock = SPINLOCK_INIT(&sigqueue_class), .entries = LIST_INIT(sig.queue.entries) },
};

static const char *const names[SIG_COUNT + 1] = {
	[SIGHUP] = "SIGHUP",	   [SIGINT] = "SIGINT",	  [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",	   [SIGABRT] = "SIGABRT", [SIGBUS] = "SIGBUS",	 [SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",	   [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",	   [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM", [SIGSYS] = "SIGSYS",
	[SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ",
};

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static struct posix_thread *self(void)
{
	return current_thread()->posix;
}

static void flag_set(struct uk_thread *t)
{
	__atomic_fetch_or(&t->flags, TF_SIGPENDING, __ATOMIC_SEQ_CST);
}

static uint64_t pending_for(const struct posix_thread *pt)
{
	return load(&pt->pending) | load(&pt->queue.bits);
}

static uint64_t pending_for_process(void)
{
	return load(&sig.pending) | load(&sig.queue.bits);
}

/* Second half of the protocol above, by the thread itself, after its mask or its flag has changed. */
static void look_again(struct posix_thread *pt)
{
	if ((pending_for_process() | pending_for(pt)) & ~pt->mask)
		flag_set(pt->thread);
}

static void pass_on(uint64_t set);

static void set_mask(struct posix_thread *pt, uint64_t mask)
{
	uint64_t blocked = mask & ~pt->mask;

	__atomic_store_n(&pt->mask, mask & ~UNBLOCKABLE, __ATOMIC_SEQ_CST);
	look_again(pt);
	pass_on(blocked);
}

void posix_signal_thread_ends(void)
{
	struct posix_sigqueue *q = &self()->queue;
	unsigned long flags;

	set_mask(self(), ~0ull);
	uk_spin_lock_irqsave(&q->lock, flags);
	q->closed = true;
	for (struct list *n; (n = list_pop(&q->entries));)
		list_entry(n, struct posix_sigentry, node)->queued = false;
	__atomic_store_n(&q->bits, 0, __ATOMIC_SEQ_CST);
	uk_spin_unlock_irqrestore(&q->lock, flags);
}

bool posix_signal_pending(void)
{
	struct posix_thread *pt = self();

	return pt && (__atomic_load_n(&pt->thread->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING) &&
	       ((pending_for(pt) | pending_for_process()) & ~pt->mask);
}

void posix_signal_restore_mask(void)
{
	struct posix_thread *pt = self();

	if (pt->restore_mask) {
		pt->restore_mask = false;
		set_mask(pt, pt->saved_mask);
	}
}

/* ---- signals with information ---- */

void posix_sigqueue_init(struct posix_sigqueue *q)
{
	spin_init_class(&q->lock, &sigqueue_class);
	list_init(&q->entries);
	q->bits = 0;
	q->closed = false;
}

/* The next entry of signal n from `from` on, or NULL. */
static struct posix_sigentry *find_locked(struct posix_sigqueue *q, struct list *from, int n) REQUIRES(q->lock);
static struct posix_sigentry *find_locked(struct posix_sigqueue *q, struct list *from, int n)
{
	uk_spin_assert_held(&q->lock);
	for (; from != &q->entries; from = from->next) {
		struct posix_sigentry *e = list_entry(from, struct posix_sigentry, node);

		if (e->signo == n)
			return e;
	}
	return NULL;
}

static void dequeue_locked(struct posix_sigqueue *q, struct posix_sigentry *e, bool is_oldest) REQUIRES(q->lock);
static void dequeue_locked(struct posix_sigqueue *q, struct posix_sigentry *e, bool is_oldest)
{
	struct list *next = e->node.next;

	uk_spin_assert_held(&q->lock);
	list_del(&e->node);
	e->queued = false;
	/* those before the oldest of its number are of other signals */
	if (!find_locked(q, is_oldest ? next : q->entries.next, e->signo))
		__atomic_store_n(&q->bits, q->bits & ~BIT(e->signo), __ATOMIC_SEQ_CST);
}

/* The oldest entry of signal n off the queue, and what it says; false: none is there any more. */
static bool take_queued(struct posix_sigqueue *q, int n, struct abi_siginfo *info)
{
	struct posix_sigentry *e;
	unsigned long flags;
	uint32_t seq = 0;

	uk_spin_lock_irqsave(&q->lock, flags);
	e = find_locked(q, q->entries.next, n);
	if (e) {
		seq = e->seq;
		dequeue_locked(q, e, true);
	}
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return e && posix_timer_taken(e, seq, info);
}

/* Lowest of the wanted signals, taken out of a pending set or its queue, or 0. */
static int take(uint64_t *set, struct posix_sigqueue *q, uint64_t wanted, int code, struct abi_siginfo *info)
{
	for (;;) {
		uint64_t have = (load(set) | load(&q->bits)) & wanted;
		int n;

		if (!have)
			return 0;
		n = __builtin_ctzll(have) + 1;
		if ((load(set) & BIT(n)) && (__atomic_fetch_and(set, ~BIT(n), __ATOMIC_SEQ_CST) & BIT(n))) {
			info->code = code;
			info->pid = 1;
			return n;
		}
		if (take_queued(q, n, info))
			return n;
	}
}

static int take_any(struct posix_thread *pt, uint64_t wanted, struct abi_siginfo *info)
{
	int n;

	memset(info, 0, sizeof(*info));
	n = take(&pt->pending, &pt->queue, wanted, SI_TKILL, info);
	if (!n)
		n = take(&sig.pending, &sig.queue, wanted, SI_USER, info);
	info->signo = n;
	return n;
}

/* ---- the default actions ---- */

static void terminate(int n, struct trap_frame *f) __attribute__((noreturn));
static void terminate(int n, struct trap_frame *f)
{
	const char *name = names[n] ? names[n] : "real-time signal";

	if (BIT(n) & CRASH_BY_DEFAULT) {
		plat_console_drain();
		plat_crash(f, "signal %d, %s: the program was aborted", n, name);
	}
	if (n == SIGPIPE)
		plat_end_by_broken_pipe();
	kwarn("the program was ended by signal %d, %s", n, name);
	posix_exit_group(128 + n);
}

/* ---- delivery ---- */

static uint64_t read_selector_cs(void)
{
	uint64_t v;

	__asm__("mov %%cs, %0" : "=r"(v));
	return v & 0xffff;
}

static uint64_t read_selector_ss(void)
{
	uint64_t v;

	__asm__("mov %%ss, %0" : "=r"(v));
	return v & 0xffff;
}

static void regs_to_ucontext(const struct trap_frame *f, uint64_t *r)
{
	r[UC_R8] = f->r8;
	r[UC_R9] = f->r9;
	r[UC_R10] = f->r10;
	r[UC_R11] = f->r11;
	r[UC_R12] = f->r12;
	r[UC_R13] = f->r13;
	r[UC_R14] = f->r14;
	r[UC_R15] = f->r15;
	r[UC_RDI] = f->rdi;
	r[UC_RSI] = f->rsi;
	r[UC_RBP] = f->rbp;
	r[UC_RBX] = f->rbx;
	r[UC_RDX] = f->rdx;
	r[UC_RAX] = f->rax;
	r[UC_RCX] = f->rcx;
	r[UC_RSP] = f->rsp;
	r[UC_RIP] = f->rip;
	r[UC_EFL] = f->rflags;
	r[UC_ERR] = f->error;
	r[UC_TRAPNO] = f->vector;
}

static void ucontext_to_regs(const uint64_t *r, struct trap_frame *f)
{
	f->r8 = r[UC_R8];
	f->r9 = r[UC_R9];
	f->r10 = r[UC_R10];
	f->r11 = r[UC_R11];
	f->r12 = r[UC_R12];
	f->r13 = r[UC_R13];
	f->r14 = r[UC_R14];
	f->r15 = r[UC_R15];
	f->rdi = r[UC_RDI];
	f->rsi = r[UC_RSI];
	f->rbp = r[UC_RBP];
	f->rbx = r[UC_RBX];
	f->rdx = r[UC_RDX];
	f->rax = r[UC_RAX];
	f->rcx = r[UC_RCX];
	f->rsp = r[UC_RSP];
	f->rip = r[UC_RIP];
	f->rflags = (r[UC_EFL] & RFLAGS_OF_USER) | RFLAGS_FIXED;
	f->vector = 0;
	f->error = 0;
	f->cs = read_selector_cs();
	f->ss = read_selector_ss();
}

static bool on_altstack(const struct posix_thread *pt, uintptr_t sp)
{
	return pt->altstack.size && sp - pt->altstack.sp < pt->altstack.size;
}

/* Put a frame for `info` on the application's stack and turn `f` to the handler; 0 or -EFAULT. */
static int push_frame(struct posix_thread *pt, struct trap_frame *f, const struct abi_sigaction *act,
		      const struct abi_siginfo *info, uintptr_t how, uint64_t old_mask)
{
	struct signal_frame fr;
	uintptr_t sp = f->rsp - 128; /* the interrupted code's red zone */
	bool live = how == APP_RETURN_LIVE;

	memset(&fr, 0, sizeof(fr));
	if ((act->flags & SA_ONSTACK) && pt->altstack.size && !on_altstack(pt, sp))
		sp = pt->altstack.sp + pt->altstack.size;
	if (live) {
		static const uint64_t zero[8]; /* XSAVE header: the CPU does not write all of it, XRSTOR wants zeroes */

		sp = ALIGN_DOWN(sp - arch_xstate_size(), 64ul);
		if (arch_xstate_size() > 512 && posix_copy_out((void *)(sp + 512), zero, sizeof(zero)))
			return -EFAULT;
		fr.xarea = sp;
	}
	sp = ALIGN_DOWN(sp - sizeof(fr), 16ul) - 8;
	fr.return_address = (uintptr_t)posix_signal_return;
	fr.info = *info;
	fr.uc.stack = pt->altstack;
	fr.uc.stack.flags = !pt->altstack.size ? SS_DISABLE : on_altstack(pt, f->rsp) ? SS_ONSTACK : 0;
	regs_to_ucontext(f, fr.uc.regs);
	fr.uc.sigmask[0] = old_mask;
	if (posix_copy_out((void *)sp, &fr, sizeof(fr)))
		return -EFAULT;

	f->rdi = (uint64_t)info->signo;
	f->rsi = sp + offsetof(struct signal_frame, info);
	f->rdx = sp + offsetof(struct signal_frame, uc);
	f->rsp = sp;
	f->rip = act->handler;
	f->rflags = (f->rflags & ~RFLAGS_TF_DF) | RFLAGS_FIXED;
	if (live) {
		f->rax = act->handler;
		f->rip = (uintptr_t)posix_signal_enter_xstate;
	} else {
		f->rax = 0;
	}
	return 0;
}

/* Give `info` to its handler. False: the signal is ignored or has its default action, and act says which. */
static bool deliver(struct posix_thread *pt, struct trap_frame *f, const struct abi_siginfo *info, uintptr_t *how,
		    struct abi_sigaction *act)
{
	int n = info->signo;
	uint64_t old_mask = pt->restore_mask ? pt->saved_mask : pt->mask;

	uk_spin_lock(&sig.lock);
	*act = sig.action[n - 1];
	if (act->handler > SIG_IGN && (act->flags & SA_RESETHAND))
		sig.action[n - 1].handler = SIG_DFL;
	uk_spin_unlock(&sig.lock);
	if (act->handler <= SIG_IGN)
		return false;
	/* whatever call was interrupted, it is not made again behind this handler's back */
	pt->sleep_deadline = 0;
	if (*how > APP_RETURN_LIVE) {
		/* The call is not made again: it ends with -EINTR once the handler has returned. */
		if ((long)f->rax == -ERESTART_NOHAND || !(act->flags & SA_RESTART)) {
			f->rip = *how;
			f->rax = (uint64_t)-EINTR;
		}
		*how = APP_RETURN_CALL;
	}
	if (push_frame(pt, f, act, info, *how, old_mask)) {
		preempt_enable_no_resched();
		plat_console_drain();
		plat_crash(f, "no stack for the handler of signal %d, %s", n, names[n] ? names[n] : "real-time");
	}
	pt->restore_mask = false;
	set_mask(pt, pt->mask | act->mask | (act->flags & SA_NODEFER ? 0 : BIT(n)));
	return true;
}

void posix_return_to_app(struct trap_frame *f, uintptr_t how)
{
	struct uk_thread *t = current_thread();
	struct posix_thread *pt = t->posix;

	if (!pt)
		return;
	while ((__atomic_load_n(&t->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING) || pt->restore_mask) {
		struct abi_siginfo info;
		struct abi_sigaction act;
		int n;

		preempt_disable();
		arch_irq_enable();
		__atomic_fetch_and(&t->flags, ~TF_SIGPENDING, __ATOMIC_SEQ_CST);
		n = take_any(pt, ~pt->mask, &info);
		if (n && !deliver(pt, f, &info, &how, &act) && act.handler == SIG_DFL &&
		    !(BIT(n) & IGNORED_BY_DEFAULT)) {
			preempt_enable_no_resched();
			terminate(n, f);
		}
		if (!n)
			posix_signal_restore_mask();
		look_again(pt);
		arch_irq_disable();
		preempt_enable_no_resched();
	}
	/* The trap path looks at need_resched itself; from a call nobody does. */
	if (!f->vector && percpu_read(need_resched))
		plat_ipi_send(cpu_id(), PLAT_IPI_RESCHEDULE);
}

void posix_return_from_trap(struct trap_frame *f)
{
	if (unlikely(__atomic_load_n(&current_thread()->flags, __ATOMIC_SEQ_CST) & TF_SIGPENDING))
		posix_return_to_app(f, APP_RETURN_LIVE);
}

/*
 * A `syscall` instruction: number and arguments as the Linux ABI has them. A call that has to be made again goes back to the
 * instruction, unless a handler wants -EINTR. (A handler that runs before the call is made again does not keep the
 * vector registers: the trap path has them.)
 */
void posix_syscall_trap(struct trap_frame *f)
{
	const long regs[] = { (long)f->rax, (long)f->rdi, (long)f->rsi, (long)f->rdx,
			      (long)f->r10, (long)f->r8,  (long)f->r9 };
	const uintptr_t after = f->rip;
	long r = posix_syscall(regs);

	if (r == -ERESTART_NOINTR) {
		/* As if the signal had come between two instructions, before this one. */
		f->rip = after - SYSCALL_LENGTH;
		return;
	}
	if (r != -ERESTART && r != -ERESTART_NOHAND) {
		f->rax = (uint64_t)r;
		return;
	}
	/* deliver() looks at the result to see whether a handler ends the call; without one the number has to stand there */
	f->rip = after - SYSCALL_LENGTH;
	f->rax = r == -ERESTART ? (uint64_t)regs[0] : (uint64_t)r;
	arch_irq_disable();
	posix_return_to_app(f, after);
	arch_irq_enable();
	if (f->rax == (uint64_t)-ERESTART_NOHAND)
		f->rax = (uint64_t)regs[0];
}

/* From posix_signal_return: undo a handler's frame. Vector registers are the interrupted code's again. Interrupts off on return. */
void posix_sigreturn(uintptr_t frame, struct trap_frame *f)
{
	struct posix_thread *pt = self();
	struct abi_ucontext uc;
	int err;

	preempt_disable();
	err = posix_copy_in(&uc, (void *)(frame + offsetof(struct signal_frame, uc)), sizeof(uc));
	if (err) {
		preempt_enable_no_resched();
		plat_console_drain();
		plat_crash(NULL, "return from a signal handler with a bad stack pointer 0x%lx", (unsigned long)frame);
	}
	ucontext_to_regs(uc.regs, f);
	set_mask(pt, uc.sigmask[0]);
	arch_irq_disable();
	preempt_enable_no_resched();
	posix_return_to_app(f, APP_RETURN_LIVE);
}

/* ---- exceptions ---- */

static int exception_signal(const struct trap_frame *f, int *code)
{
	*code = SI_KERNEL;
	switch (f->vector) {
	case 0:
		*code = FPE_INTDIV;
		return SIGFPE;
	case 1:
	case 3:
		*code = TRAP_BRKPT;
		return SIGTRAP;
	case 6:
		*code = ILL_ILLOPN;
		return SIGILL;
	case 14:
		*code = f->error & ARCH_PF_PRESENT ? SEGV_ACCERR : SEGV_MAPERR;
		return SIGSEGV;
	case 16:
	case 19:
		*code = FPE_FLTINV;
		return SIGFPE;
	case 17:
		*code = BUS_ADRALN;
		return SIGBUS;
	case 4:
	case 5:
	case 11:
	case 12:
	case 13:
		return SIGSEGV;
	}
	return 0;
}

bool posix_app_exception(struct trap_frame *f, uintptr_t addr)
{
	struct posix_thread *pt = self();
	struct abi_siginfo info;
	struct abi_sigaction act;
	uintptr_t how = APP_RETURN_LIVE;
	unsigned long flags;
	bool done;
	int code, n = exception_signal(f, &code);

	if (!pt || !n || (pt->mask & BIT(n)))
		return false;
	memset(&info, 0, sizeof(info));
	info.signo = n;
	info.code = code;
	info.addr = f->vector == 14 ? addr : f->rip;
	flags = arch_irq_flags();
	preempt_disable();
	arch_irq_enable();
	done = deliver(pt, f, &info, &how, &act);
	arch_irq_disable();
	arch_irq_restore(flags);
	preempt_enable_no_resched();
	return done;
}

/* ---- sending ---- */

static void kick(struct uk_thread *t)
{
	flag_set(t);
	/* The current one too: this may be an interrupt while it is about to block. */
	thread_wake(t);
	if (t == current_thread())
		return;
	/*
	 * On a CPU in application code: have it come by. If it is elsewhere by now it has been through the kernel since the
	 * flag was set, and saw it.
	 */
	if (__atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST))
		plat_ipi_send((unsigned)__atomic_load_n(&t->last_cpu, __ATOMIC_SEQ_CST), PLAT_IPI_RESCHEDULE);
}

static bool is_ignored(int n)
{
	return load(&sig.ignored) & BIT(n);
}

static void send_to_thread(struct uk_thread *t, int n)
{
	struct posix_thread *pt = t->posix;
	uint64_t mask = load(&pt->mask);

	if (is_ignored(n) && !(mask & BIT(n)) && !(load(&pt->waiting) & BIT(n)))
		return;
	__atomic_fetch_or(&pt->pending, BIT(n), __ATOMIC_SEQ_CST);
	if (!(load(&pt->mask) & BIT(n)) || (load(&pt->waiting) & BIT(n)))
		kick(t);
}

void posix_signal_self(int n)
{
	if (current_thread()->posix)
		send_to_thread(current_thread(), n);
}

struct pick {
	int n;
	int tid;
};

static bool can_take(const struct uk_thread *t, int n)
{
	const struct posix_thread *pt = t->posix;

	return pt && (!(load(&pt->mask) & BIT(n)) || (load(&pt->waiting) & BIT(n)));
}

static void pick_one(struct uk_thread *t, void *arg)
{
	struct pick *p = arg;

	if (can_take(t, p->n) && (!p->tid || t->tid < p->tid))
		p->tid = t->tid;
}

/* Process signal n is pending: tell a thread that can take it. One that unblocks it from now on sees it by itself. */
static void tell_one(int n)
{
	struct pick p = { .n = n };
	struct uk_thread *t = thread_find(MAIN_TID);

	/* The main thread is asked first, as in Linux: mostly it can, and the others need not be looked at. */
	if (!t || !can_take(t, n)) {
		if (t)
			thread_put(t);
		thread_foreach(pick_one, &p);
		t = p.tid ? thread_find(p.tid) : NULL;
	}
	if (t) {
		kick(t);
		thread_put(t);
	}
}

/* The caller takes these signals no more: those that are pending for the process are for another thread. */
static void pass_on(uint64_t set)
{
	for (set &= pending_for_process(); unlikely(set); set &= set - 1)
		tell_one(__builtin_ctzll(set) + 1);
}

static void send_to_process(int n)
{
	struct posix_thread *me = self();

	if (n == SIGKILL)
		terminate(n, NULL);
	if (me && !(me->mask & BIT(n))) {
		if (is_ignored(n))
			return;
		__atomic_fetch_or(&sig.pending, BIT(n), __ATOMIC_SEQ_CST);
		kick(current_thread());
		return;
	}
	__atomic_fetch_or(&sig.pending, BIT(n), __ATOMIC_SEQ_CST);
	tell_one(n);
}

enum posix_queued posix_signal_queue(struct posix_sigentry *e, struct uk_thread *t)
{
	struct posix_thread *pt = t ? t->posix : NULL;
	struct posix_sigqueue *q = pt ? &pt->queue : &sig.queue;
	const int n = e->signo;
	struct uk_thread *asked;
	unsigned long flags;
	bool told, closed;

	if (is_ignored(n)) {
		/* Dropped unless it is blocked: then its action may be another one when it is taken. */
		asked = t ? thread_get(t) : thread_find(MAIN_TID);
		pt = asked ? asked->posix : NULL;
		told = pt && ((load(&pt->mask) | load(&pt->waiting)) & BIT(n));
		if (asked)
			thread_put(asked);
		if (!told)
			return POSIX_IGNORED;
	}
	uk_spin_lock_irqsave(&q->lock, flags);
	closed = q->closed;
	told = closed || e->queued;
	if (!told) {
		e->queued = true;
		list_add_tail(&q->entries, &e->node);
		__atomic_store_n(&q->bits, q->bits | BIT(n), __ATOMIC_SEQ_CST);
	}
	uk_spin_unlock_irqrestore(&q->lock, flags);
	if (told)
		return closed ? POSIX_GONE : POSIX_SENT;
	if (!t)
		tell_one(n);
	else if (can_take(t, n))
		kick(t);
	return POSIX_SENT;
}

bool posix_signal_unqueue(struct posix_sigentry *e, struct uk_thread *t)
{
	struct posix_sigqueue *q = t ? &((struct posix_thread *)t->posix)->queue : &sig.queue;
	unsigned long flags;
	bool was;

	uk_spin_lock_irqsave(&q->lock, flags);
	was = e->queued;
	e->seq++;
	if (was)
		dequeue_locked(q, e, false);
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return was;
}

bool posix_signal_is_queued(struct posix_sigentry *e, struct uk_thread *t)
{
	struct posix_sigqueue *q = t ? &((struct posix_thread *)t->posix)->queue : &sig.queue;
	unsigned long flags;
	bool was;

	uk_spin_lock_irqsave(&q->lock, flags);
	was = e->queued;
	uk_spin_unlock_irqrestore(&q->lock, flags);
	return was;
}

static long send_tid(int tid, int n)
{
	struct uk_thread *t;

	if (n < 0 || n > SIG_COUNT || tid <= 0)
		return -EINVAL;
	t = thread_find(tid);
	if (!t || !t->posix) {
		if (t)
			thread_put(t);
		return -ESRCH;
	}
	if (n == SIGKILL)
		terminate(n, NULL);
	if (n)
		send_to_thread(t, n);
	thread_put(t);
	return 0;
}

long sys_tkill(const long *a)
{
	return send_tid(ARG_INT(a, 0), ARG_INT(a, 1));
}

long sys_tgkill(const long *a)
{
	if (ARG_INT(a, 0) != 1)
		return ARG_INT(a, 0) <= 0 ? -EINVAL : -ESRCH;
	return send_tid(ARG_INT(a, 1), ARG_INT(a, 2));
}

long sys_kill(const long *a)
{
	int pid = ARG_INT(a, 0), n = ARG_INT(a, 1);

	if (n < 0 || n > SIG_COUNT)
		return -EINVAL;
	if (pid != 1 && pid != 0 && pid != -1)
		return -ESRCH;
	if (n)
		send_to_process(n);
	return 0;
}

/* ---- masks and dispositions ---- */

static void drop_pending(struct uk_thread *t, void *arg)
{
	struct posix_thread *pt = t->posix;

	if (pt)
		__atomic_fetch_and(&pt->pending, ~*(uint64_t *)arg, __ATOMIC_SEQ_CST);
}

long sys_rt_sigaction(const long *a)
{
	struct abi_sigaction new, old;
	bool ignored = false;
	int n = ARG_INT(a, 0);
	uint64_t bit;

	if (n < 1 || n > SIG_COUNT || a[3] != 8)
		return -EINVAL;
	if (a[1] && (n == SIGKILL || n == SIGSTOP))
		return -EINVAL;
	if (a[1] && posix_copy_in(&new, ARG_PTR(a, 1), sizeof(new)))
		return -EFAULT;
	bit = BIT(n);
	uk_spin_lock(&sig.lock);
	old = sig.action[n - 1];
	if (a[1]) {
		new.mask &= ~UNBLOCKABLE;
		sig.action[n - 1] = new;
		ignored = new.handler == SIG_IGN || (new.handler == SIG_DFL && (bit & IGNORED_BY_DEFAULT));
		if (ignored)
			__atomic_fetch_or(&sig.ignored, bit, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&sig.ignored, ~bit, __ATOMIC_SEQ_CST);
	}
	uk_spin_unlock(&sig.lock);
	if (ignored) {
		__atomic_fetch_and(&sig.pending, ~bit, __ATOMIC_SEQ_CST);
		thread_foreach(drop_pending, &bit);
		posix_timers_discard(n);
	}
	if (a[2] && posix_copy_out(ARG_PTR(a, 2), &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigprocmask(const long *a)
{
	struct posix_thread *pt = self();
	uint64_t set = 0, old = pt->mask;

	if (a[3] != 8)
		return -EINVAL;
	if (a[1]) {
		if (posix_copy_in(&set, ARG_PTR(a, 1), sizeof(set)))
			return -EFAULT;
		switch (ARG_INT(a, 0)) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_mask(pt, set);
	}
	if (a[2] && posix_copy_out(ARG_PTR(a, 2), &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(const long *a)
{
	struct posix_thread *pt = self();
	uint64_t set = (pending_for(pt) | pending_for_process()) & pt->mask;

	if (ARG_SIZE(a, 1) > 8)
		return -EINVAL;
	return posix_copy_out(ARG_PTR(a, 0), &set, ARG_SIZE(a, 1));
}

/* Sleep until a handler has to run. */
static long wait_for_handler(void)
{
	thread_external_wait_begin();
	for (;;) {
		thread_prepare_block();
		if (posix_signal_pending())
			break;
		thread_block();
	}
	thread_cancel_block();
	thread_external_wait_end();
	return -ERESTART_NOHAND;
}

long sys_rt_sigsuspend(const long *a)
{
	struct posix_thread *pt = self();
	uint64_t set;

	if (a[1] != 8)
		return -EINVAL;
	if (posix_copy_in(&set, ARG_PTR(a, 0), sizeof(set)))
		return -EFAULT;
	pt->saved_mask = pt->mask;
	pt->restore_mask = true;
	set_mask(pt, set);
	return wait_for_handler();
}

long sys_pause(const long *a)
{
	(void)a;
	return wait_for_handler();
}

long sys_rt_sigtimedwait(const long *a)
{
	struct posix_thread *pt = self();
	struct abi_siginfo info;
	uint64_t set, ns, deadline = UINT64_MAX;
	long r = 0;
	int n;

	if (a[3] != 8)
		return -EINVAL;
	if (posix_copy_in(&set, ARG_PTR(a, 0), sizeof(set)))
		return -EFAULT;
	set &= ~UNBLOCKABLE;
	if (a[2]) {
		r = posix_timespec_in(ARG_PTR(a, 2), &ns);
		if (r)
			return r;
		deadline = posix_deadline_in(ns);
	}
	__atomic_store_n(&pt->waiting, set, __ATOMIC_SEQ_CST);
	thread_external_wait_begin();
	for (;;) {
		thread_prepare_block();
		n = take_any(pt, set, &info);
		if (n)
			break;
		r = -EINTR;
		if (posix_signal_pending())
			break;
		r = -EAGAIN;
		if (deadline != UINT64_MAX && plat_monotonic_ns() >= deadline)
			break;
		thread_block_until(deadline);
	}
	thread_cancel_block();
	thread_external_wait_end();
	__atomic_store_n(&pt->waiting, 0, __ATOMIC_SEQ_CST);
	pass_on(set);
	if (!n)
		return r;
	if (a[1] && posix_copy_out(ARG_PTR(a, 1), &info, sizeof(info)))
		return -EFAULT;
	return n;
}

long sys_sigaltstack(const long *a)
{
	struct posix_thread *pt = self();
	struct abi_stack new, old = pt->altstack;

	if (!old.size)
		old.flags = SS_DISABLE;
	if (a[0]) {
		if (posix_copy_in(&new, ARG_PTR(a, 0), sizeof(new)))
			return -EFAULT;
		if (new.flags & SS_DISABLE) {
			memset(&new, 0, sizeof(new));
		} else {
			if (new.flags & ~SS_ONSTACK)
				return -EINVAL;
			if (new.size < ABI_MINSIGSTKSZ)
				return -ENOMEM;
			new.flags = 0;
		}
		pt->altstack = new;
	}
	if (a[1] && posix_copy_out(ARG_PTR(a, 1), &old, sizeof(old)))
		return -EFAULT;
	return 0;
}
