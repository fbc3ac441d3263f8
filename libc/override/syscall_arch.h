/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * musl's view of the system-call instruction, as tutti has it: a function call.
 *
 * musl includes "syscall_arch.h" through the include path; libc/musl.mk puts this folder in front of musl's own
 * arch/x86_64, so its sources stay as they are. Every system call of the C library becomes one direct call of
 * tutti_syscall() (posix/syscall.h), which switches to the thread's kernel stack and returns the result or -errno.
 *
 * No VDSO_* macro is defined: musl then leaves its vDSO look-up out, and clock_gettime() is a call like any other.
 * Context: thread context of the application, on its own stack; never from an interrupt.
 */

#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

__attribute__((__visibility__("hidden"))) long tutti_syscall(long nr, long a, long b, long c, long d, long e, long f);

static __inline long __syscall0(long n)
{
	return tutti_syscall(n, 0, 0, 0, 0, 0, 0);
}

static __inline long __syscall1(long n, long a)
{
	return tutti_syscall(n, a, 0, 0, 0, 0, 0);
}

static __inline long __syscall2(long n, long a, long b)
{
	return tutti_syscall(n, a, b, 0, 0, 0, 0);
}

static __inline long __syscall3(long n, long a, long b, long c)
{
	return tutti_syscall(n, a, b, c, 0, 0, 0);
}

static __inline long __syscall4(long n, long a, long b, long c, long d)
{
	return tutti_syscall(n, a, b, c, d, 0, 0);
}

static __inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
	return tutti_syscall(n, a, b, c, d, e, 0);
}

static __inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	return tutti_syscall(n, a, b, c, d, e, f);
}

/* System V IPC: x86-64 has no separate 64-bit flag. */
#define IPC_64 0
