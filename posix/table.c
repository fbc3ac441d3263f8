// SPDX-License-Identifier: BSD-3-Clause
/*
 * The system-call surface: one table. A number that is not in it gives -ENOSYS; a debug build names each such number once.
 * Some calls are in it with -ENOSYS or another constant answer on purpose, because libc asks for them and lives without:
 * they are not worth a message.
 *
 * posix_syscall() is called by syscall_entry.S on the thread's kernel stack with interrupts and preemption on; `regs` is
 * {nr, a .. f} on that stack. The table is constant; the once-bits are atomic.
 */
#include "plat/plat.h"
#include "posix/posix.h"

static long sys_nosys(const long *a)
{
	(void)a;
	return -ENOSYS;
}

/* `args`: how many arguments the call has. */
#define CALL(nr, handler, args) [NR_##nr] = sys_##handler

static posix_handler *const table[NR_MAX] = {
	/* files */
	CALL(read, read, 3),
	CALL(write, write, 3),
	CALL(readv, readv, 3),
	CALL(writev, writev, 3),
	CALL(pread64, pread64, 4),
	CALL(pwrite64, pwrite64, 4),
	CALL(preadv, preadv, 5),
	CALL(pwritev, pwritev, 5),
	CALL(open, open, 3),
	CALL(openat, openat, 4),
	CALL(close, close, 1),
	CALL(lseek, lseek, 3),
	CALL(fstat, fstat, 2),
	CALL(stat, stat, 2),
	CALL(lstat, lstat, 2),
	CALL(newfstatat, newfstatat, 4),
	CALL(statx, nosys, 5),
	CALL(access, access, 2),
	CALL(faccessat, faccessat, 3),
	CALL(faccessat2, faccessat, 4),
	CALL(getdents64, getdents64, 3),
	CALL(getcwd, getcwd, 2),
	CALL(chdir, chdir, 1),
	CALL(readlink, readlink, 3),
	CALL(readlinkat, readlinkat, 4),
	CALL(fcntl, fcntl, 3),
	CALL(ioctl, ioctl, 3),
	CALL(dup, dup, 1),
	CALL(dup2, dup2, 2),
	CALL(dup3, dup3, 3),
	CALL(fsync, fsync, 1),
	CALL(fdatasync, fsync, 1),
	CALL(poll, poll, 3),
	CALL(ppoll, ppoll, 5),
	CALL(select, select, 5),
	CALL(umask, umask, 1),
	CALL(pipe, nosys, 1),

	/* memory */
	CALL(mmap, mmap, 6),
	CALL(munmap, munmap, 2),
	CALL(mprotect, mprotect, 3),
	CALL(madvise, madvise, 3),
	CALL(brk, nosys, 1),
	CALL(mremap, nosys, 5),

	/* threads and the process */
	CALL(futex, futex, 6),
	CALL(clone, clone, 5),
	CALL(fork, nosys, 0),
	CALL(vfork, nosys, 0),
	CALL(exit, exit, 1),
	CALL(exit_group, exit_group, 1),
	CALL(set_tid_address, set_tid_address, 1),
	CALL(gettid, gettid, 0),
	CALL(getpid, getpid, 0),
	CALL(getppid, getppid, 0),
	CALL(getpgrp, getpid, 0),
	CALL(getuid, getid, 0),
	CALL(geteuid, getid, 0),
	CALL(getgid, getid, 0),
	CALL(getegid, getid, 0),
	CALL(sched_yield, sched_yield, 0),
	CALL(sched_setaffinity, sched_setaffinity, 3),
	CALL(sched_getaffinity, sched_getaffinity, 3),
	CALL(sched_setscheduler, sched_setscheduler, 3),
	CALL(sched_setparam, sched_setparam, 2),
	CALL(sched_getscheduler, sched_getscheduler, 1),
	CALL(sched_getparam, sched_getparam, 2),
	CALL(sched_setattr, sched_setattr, 3),
	CALL(sched_getattr, sched_getattr, 4),
	CALL(sched_get_priority_max, sched_get_priority_max, 1),
	CALL(sched_get_priority_min, sched_get_priority_min, 1),
	CALL(sched_rr_get_interval, sched_rr_get_interval, 2),
	CALL(getpriority, getpriority, 2),
	CALL(setpriority, setpriority, 3),
	CALL(getcpu, getcpu, 3),
	CALL(uname, uname, 1),
	CALL(sysinfo, sysinfo, 1),
	CALL(prlimit64, prlimit64, 4),
	CALL(getrlimit, getrlimit, 2),
	CALL(getrusage, getrusage, 2),
	CALL(arch_prctl, arch_prctl, 2),
	CALL(prctl, nosys, 5),
	CALL(set_robust_list, set_robust_list, 2),
	CALL(get_robust_list, get_robust_list, 3),
	CALL(getrandom, getrandom, 3),
	CALL(membarrier, membarrier, 2),
	CALL(tutti_thread, tutti_thread, 5),

	/* time */
	CALL(nanosleep, nanosleep, 2),
	CALL(clock_nanosleep, clock_nanosleep, 4),
	CALL(clock_gettime, clock_gettime, 2),
	CALL(clock_getres, clock_getres, 2),
	CALL(gettimeofday, gettimeofday, 2),
	CALL(time, time, 1),
	CALL(times, times, 1),
	CALL(clock_settime, clock_settime, 2),
	CALL(timer_create, timer_create, 3),
	CALL(timer_settime, timer_settime, 4),
	CALL(timer_gettime, timer_gettime, 2),
	CALL(timer_getoverrun, timer_getoverrun, 1),
	CALL(timer_delete, timer_delete, 1),
	CALL(setitimer, setitimer, 3),
	CALL(getitimer, getitimer, 2),
	CALL(alarm, alarm, 1),

	/* signals; rt_sigreturn is posix_signal_return in syscall_entry.S, never a call */
	CALL(tkill, tkill, 2),
	CALL(tgkill, tgkill, 3),
	CALL(kill, kill, 2),
	CALL(rt_sigaction, rt_sigaction, 4),
	CALL(rt_sigprocmask, rt_sigprocmask, 4),
	CALL(rt_sigpending, rt_sigpending, 2),
	CALL(rt_sigsuspend, rt_sigsuspend, 2),
	CALL(rt_sigtimedwait, rt_sigtimedwait, 4),
	CALL(pause, pause, 0),
	CALL(sigaltstack, sigaltstack, 2),
};

static __noinline long unknown_call(unsigned long nr)
{
	static uint64_t named[NR_MAX / 64];
	unsigned long i = nr < NR_MAX ? nr : NR_MAX - 1;

	if (config_debug &&
	    !(__atomic_fetch_or(&named[i / 64], 1ull << (i % 64), __ATOMIC_RELAXED) & (1ull << (i % 64))))
		kwarn("system call %lu is not there: ENOSYS", nr);
	return -ENOSYS;
}

long posix_syscall(const long *regs)
{
	unsigned long nr = (unsigned long)regs[0];

	if (unlikely(nr >= NR_MAX || !table[nr]))
		return unknown_call(nr);
	return table[nr](regs + 1);
}
