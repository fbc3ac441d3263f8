/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls made as function calls, and the way back to application code.
 *
 *	long tutti_syscall(nr, a, b, c, d, e, f)
 *	long __syscall_cp_asm(&self->cancel, nr, a, b, c, d, e, f)	libc's cancellation points
 *
 * Both leave the application stack at once: the only thing kept of it is its pointer, on the kernel stack. The arguments
 * are stored there as the array {nr, a .. f}, which is what posix_syscall() gets; a call that has to be made again takes
 * its registers from it.
 *
 * Signals. Another CPU sets TF_SIGPENDING and then sends an interrupt to the CPU the thread runs on. The flag is tested
 * after the stack pointer is the application's again, because from that instruction on an interrupt delivers the signal
 * itself (return_to_app): a signal is seen by one or the other. The slow path goes back to the kernel stack, writes down
 * the application's registers as a trap frame, lets posix_return_to_app() put handler frames on the application stack,
 * and returns with iretq and interrupts off until then, so nothing is missed there either. A result of -ERESTART,
 * -ERESTART_NOHAND or -ERESTART_NOINTR goes that way before it leaves the kernel stack, while the arguments are still there.
 *
 * libc's contract for cancellation: with the program counter in [__cp_begin, __cp_end) the call has had no effect yet,
 * and the stack pointer is the one at entry, so that a handler may turn to __cp_cancel. Hence no push on the application
 * stack in there. A call to be made again has its program counter at __cp_begin.
 *
 * Floating-point state is not saved: at a function call it belongs to nobody, except MXCSR and the x87 control word, which
 * the context switch keeps.
 */
#include <arch/asm.inc>

#include "posix/entry_offsets.h"

	.text

/* A call that has to be made again: its six register arguments, from the array at r10 into the trap frame at rsp. */
	.macro frame_arguments
	mov	0(%r10), %rdi
	mov	8(%r10), %rsi
	mov	16(%r10), %rdx
	mov	24(%r10), %rcx
	mov	32(%r10), %r8
	mov	40(%r10), %r9
	mov	%rdi, FRAME_RDI(%rsp)
	mov	%rsi, FRAME_RSI(%rsp)
	mov	%rdx, FRAME_RDX(%rsp)
	mov	%rcx, FRAME_RCX(%rsp)
	mov	%r8, FRAME_R8(%rsp)
	mov	%r9, FRAME_R9(%rsp)
	.endm

/* rsi: where a call that is to be made again ends with -EINTR, or APP_RETURN_CALL if it never does; rax: its result. */
	.macro restart_return
	xor	%ecx, %ecx
	lea	.Ldone(%rip), %rsi
	cmp	$-ERESTART_NOINTR, %rax
	cmove	%rcx, %rsi
	.endm

/* Frame on the kernel stack, from its top: rsp of the application, return address (for backtraces), rbp. */
#define SAVED_RSP	16(%rbp)

	.globl	tutti_syscall
	.hidden	tutti_syscall
	.type	tutti_syscall, @function
	.p2align 4
tutti_syscall:
	mov	%rsp, %rax
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	push	%rax
	push	(%rax)
	push	%rbp
	mov	%rsp, %rbp
	push	8(%rax)			/* f */
	push	%r9
	push	%r8
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi			/* nr: the array begins here, 16-byte aligned */
	mov	%rsp, %rdi
	call	posix_syscall
	cmp	$-ERESTART, %rax
	je	.Lrestart
	cmp	$-ERESTART_NOHAND, %rax
	je	.Lrestart
	cmp	$-ERESTART_NOINTR, %rax
	je	.Lrestart
	mov	SAVED_RSP, %rcx
	mov	(%rbp), %rbp
	mov	%rcx, %rsp
	mov	%gs:PERCPU_CURRENT, %rcx
	testl	$THREAD_SIGPENDING, THREAD_FLAGS(%rcx)
	jnz	.Lsignal
.Ldone:
	ret

/* On the application stack as at entry, result in rax: deliver, then go on at .Ldone. */
.Lsignal:
	lea	.Ldone(%rip), %rcx
	mov	%rsp, %rdx
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	sub	$TRAP_FRAME_SIZE, %rsp
	mov	%rcx, FRAME_RIP(%rsp)
	mov	%rdx, FRAME_RSP(%rsp)
	xor	%esi, %esi
	jmp	.Lreturn_frame

/* On the kernel stack: make the call again, unless a handler says -EINTR. */
.Lrestart:
	mov	%rsp, %r10		/* the argument array */
	mov	SAVED_RSP, %rdx
	mov	(%rbp), %rbp
	lea	tutti_syscall(%rip), %rcx
	sub	$TRAP_FRAME_SIZE, %rsp	/* keeps 16-byte alignment */
	mov	%rcx, FRAME_RIP(%rsp)
	mov	%rdx, FRAME_RSP(%rsp)
	frame_arguments
	restart_return
	jmp	.Lreturn_frame_args
	.size	tutti_syscall, . - tutti_syscall

/*
 * Kernel stack, rsp at a trap frame whose rip and rsp are set, callee-saved registers and rax live, rsi = second
 * argument of posix_return_to_app(). .Lreturn_frame_args: the argument registers are set as well.
 */
.Lreturn_frame:
	movq	$0, FRAME_RDI(%rsp)
	movq	$0, FRAME_RSI(%rsp)
	movq	$0, FRAME_RDX(%rsp)
	movq	$0, FRAME_RCX(%rsp)
	movq	$0, FRAME_R8(%rsp)
	movq	$0, FRAME_R9(%rsp)
.Lreturn_frame_args:
	mov	%rax, FRAME_RAX(%rsp)
	mov	%rbx, FRAME_RBX(%rsp)
	mov	%rbp, FRAME_RBP(%rsp)
	mov	%r12, FRAME_R12(%rsp)
	mov	%r13, FRAME_R13(%rsp)
	mov	%r14, FRAME_R14(%rsp)
	mov	%r15, FRAME_R15(%rsp)
	movq	$0, FRAME_R10(%rsp)
	movq	$0, FRAME_R11(%rsp)
	movq	$0, FRAME_VECTOR(%rsp)
	movq	$0, FRAME_ERROR(%rsp)
	mov	%cs, %eax
	mov	%rax, FRAME_CS(%rsp)
	mov	%ss, %eax
	mov	%rax, FRAME_SS(%rsp)
	pushfq
	pop	%rax
	mov	%rax, FRAME_RFLAGS(%rsp)	/* interrupts are on in it */
	mov	%rsp, %rdi
	irq_disable
	call	posix_return_to_app
	mov	%rsp, %rdi
	call	arch_return_frame	/* does not return */

/* ---- cancellation points ---- */

	.globl	__syscall_cp_asm
	.hidden	__syscall_cp_asm
	.type	__syscall_cp_asm, @function
	.globl	__cp_begin
	.hidden	__cp_begin
	.globl	__cp_end
	.hidden	__cp_end
	.globl	__cp_cancel
	.hidden	__cp_cancel
	.hidden	__cancel
	.weak	__cancel
	.p2align 4
__syscall_cp_asm:
__cp_begin:
	mov	(%rdi), %eax
	test	%eax, %eax
	jnz	__cp_cancel
	mov	%rsp, %rax
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	push	%rax
	push	(%rax)
	push	%rbp
	mov	%rsp, %rbp
	push	16(%rax)		/* f */
	push	8(%rax)			/* e */
	push	%r9
	push	%r8
	push	%rcx
	push	%rdx
	push	%rsi			/* nr: the array begins here */
	push	%rdi			/* &self->cancel, for a restart */
	sub	$8, %rsp
	lea	16(%rsp), %rdi
	call	posix_syscall
	cmp	$-ERESTART, %rax
	je	.Lcp_restart
	cmp	$-ERESTART_NOHAND, %rax
	je	.Lcp_restart
	cmp	$-ERESTART_NOINTR, %rax
	je	.Lcp_restart
	mov	SAVED_RSP, %rcx
	mov	(%rbp), %rbp
	mov	%rcx, %rsp
__cp_end:
	mov	%gs:PERCPU_CURRENT, %rcx
	testl	$THREAD_SIGPENDING, THREAD_FLAGS(%rcx)
	jnz	.Lsignal
	ret
.Lcp_restart:
	lea	8(%rsp), %r10		/* &self->cancel and the argument array */
	mov	SAVED_RSP, %rdx
	mov	(%rbp), %rbp
	lea	__cp_begin(%rip), %rcx
	sub	$TRAP_FRAME_SIZE, %rsp
	mov	%rcx, FRAME_RIP(%rsp)
	mov	%rdx, FRAME_RSP(%rsp)
	frame_arguments
	restart_return		/* .Ldone: a plain `ret`, outside the range */
	jmp	.Lreturn_frame_args
__cp_cancel:
	jmp	__cancel
	.size	__syscall_cp_asm, . - __syscall_cp_asm

/* ---- handlers of signals ---- */

/*
 * First instruction of a handler that interrupted application code between two instructions: the vector registers are
 * the interrupted code's, so they are put into the area at 8(%rsp) before the handler in rax may use them.
 */
	.globl	posix_signal_enter_xstate
	.hidden	posix_signal_enter_xstate
	.type	posix_signal_enter_xstate, @function
posix_signal_enter_xstate:
	push	%rax
	push	%rdi
	push	%rsi
	push	%rdx
	sub	$8, %rsp
	mov	48(%rsp), %rdi
	call	arch_xstate_save
	add	$8, %rsp
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rax
	jmp	*%rax
	.size	posix_signal_enter_xstate, . - posix_signal_enter_xstate

/* Return address of every handler; rsp is 8 above the start of the struct signal_frame that posix_return_to_app() built. */
	.globl	posix_signal_return
	.hidden	posix_signal_return
	.type	posix_signal_return, @function
	.globl	__restore_rt
	.hidden	__restore_rt
	.set	__restore_rt, posix_signal_return
posix_signal_return:
	mov	(%rsp), %rdi
	test	%rdi, %rdi
	jz	1f
	call	arch_xstate_restore	/* rsp is 16-byte aligned here */
1:	lea	-8(%rsp), %rdi
	mov	%gs:PERCPU_KSTACK_TOP, %rsp
	sub	$TRAP_FRAME_SIZE, %rsp
	mov	%rsp, %rsi
	call	posix_sigreturn		/* interrupts are off when it returns */
	mov	%rsp, %rdi
	call	arch_return_frame	/* does not return */
	.size	posix_signal_return, . - posix_signal_return

	.section .note.GNU-stack, "", @progbits
