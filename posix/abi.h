/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What crosses the system-call boundary: numbers, structures and flags of the Linux x86-64 ABI, as the C library in the
 * image was compiled for them. Only what the table in table.c uses. Source: Linux man-pages sections 2 and 7, x86-64 psABI.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* ---- system-call numbers ---- */
enum {
	NR_read = 0,
	NR_write = 1,
	NR_open = 2,
	NR_close = 3,
	NR_stat = 4,
	NR_fstat = 5,
	NR_lstat = 6,
	NR_poll = 7,
	NR_lseek = 8,
	NR_mmap = 9,
	NR_mprotect = 10,
	NR_munmap = 11,
	NR_brk = 12,
	NR_rt_sigaction = 13,
	NR_rt_sigprocmask = 14,
	NR_rt_sigreturn = 15,
	NR_ioctl = 16,
	NR_pread64 = 17,
	NR_pwrite64 = 18,
	NR_readv = 19,
	NR_writev = 20,
	NR_access = 21,
	NR_pipe = 22,
	NR_select = 23,
	NR_sched_yield = 24,
	NR_mremap = 25,
	NR_madvise = 28,
	NR_dup = 32,
	NR_dup2 = 33,
	NR_pause = 34,
	NR_nanosleep = 35,
	NR_getitimer = 36,
	NR_alarm = 37,
	NR_setitimer = 38,
	NR_getpid = 39,
	NR_clone = 56,
	NR_fork = 57,
	NR_vfork = 58,
	NR_exit = 60,
	NR_kill = 62,
	NR_uname = 63,
	NR_fcntl = 72,
	NR_fsync = 74,
	NR_fdatasync = 75,
	NR_getcwd = 79,
	NR_chdir = 80,
	NR_readlink = 89,
	NR_umask = 95,
	NR_gettimeofday = 96,
	NR_getrlimit = 97,
	NR_getrusage = 98,
	NR_sysinfo = 99,
	NR_times = 100,
	NR_getuid = 102,
	NR_getgid = 104,
	NR_geteuid = 107,
	NR_getegid = 108,
	NR_getppid = 110,
	NR_getpgrp = 111,
	NR_rt_sigpending = 127,
	NR_rt_sigtimedwait = 128,
	NR_rt_sigsuspend = 130,
	NR_sigaltstack = 131,
	NR_getpriority = 140,
	NR_setpriority = 141,
	NR_sched_setparam = 142,
	NR_sched_getparam = 143,
	NR_sched_setscheduler = 144,
	NR_sched_getscheduler = 145,
	NR_sched_get_priority_max = 146,
	NR_sched_get_priority_min = 147,
	NR_sched_rr_get_interval = 148,
	NR_prctl = 157,
	NR_arch_prctl = 158,
	NR_gettid = 186,
	NR_tkill = 200,
	NR_time = 201,
	NR_futex = 202,
	NR_sched_setaffinity = 203,
	NR_sched_getaffinity = 204,
	NR_getdents64 = 217,
	NR_set_tid_address = 218,
	NR_timer_create = 222,
	NR_timer_settime = 223,
	NR_timer_gettime = 224,
	NR_timer_getoverrun = 225,
	NR_timer_delete = 226,
	NR_clock_settime = 227,
	NR_clock_gettime = 228,
	NR_clock_getres = 229,
	NR_clock_nanosleep = 230,
	NR_exit_group = 231,
	NR_tgkill = 234,
	NR_openat = 257,
	NR_newfstatat = 262,
	NR_readlinkat = 267,
	NR_faccessat = 269,
	NR_ppoll = 271,
	NR_set_robust_list = 273,
	NR_get_robust_list = 274,
	NR_dup3 = 292,
	NR_preadv = 295,
	NR_pwritev = 296,
	NR_prlimit64 = 302,
	NR_getcpu = 309,
	NR_sched_setattr = 314,
	NR_sched_getattr = 315,
	NR_getrandom = 318,
	NR_membarrier = 324,
	NR_statx = 332,
	NR_faccessat2 = 439,
	NR_tutti_thread = 511, /* not Linux: a kernel thread with an application stack (libc/thread.c) */
	NR_MAX = 512,
};

/* ---- files ---- */
#define O_ACCMODE   03
#define O_RDONLY    00
#define O_WRONLY    01
#define O_RDWR	    02
#define O_CREAT	    0100
#define O_EXCL	    0200
#define O_TRUNC	    01000
#define O_APPEND    02000
#define O_NONBLOCK  04000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW  0400000
#define O_CLOEXEC   02000000
#define O_PATH	    010000000

#define AT_FDCWD	    (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_SYMLINK_FOLLOW   0x400
#define AT_NO_AUTOMOUNT	    0x800
#define AT_EMPTY_PATH	    0x1000

#define S_IFMT	0170000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define S_IFLNK 0120000

#define F_DUPFD		0
#define F_GETFD		1
#define F_SETFD		2
#define F_GETFL		3
#define F_SETFL		4
#define F_DUPFD_CLOEXEC 1030
#define FD_CLOEXEC	1

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

#define R_OK 4
#define W_OK 2
#define X_OK 1

#define ABI_PATH_MAX 4096
#define ABI_NAME_MAX 255
#define ABI_IOV_MAX  1024
#define ABI_PIPE_BUF 4096

struct abi_iovec {
	void *base;
	size_t len;
};

struct abi_timespec {
	int64_t sec;
	int64_t nsec;
};

struct abi_timeval {
	int64_t sec;
	int64_t usec;
};

struct abi_itimerspec {
	struct abi_timespec interval, value;
};

struct abi_itimerval {
	struct abi_timeval interval, value;
};

/* The part of struct sigevent that is read. */
struct abi_sigevent {
	uint64_t value;
	int32_t signo, notify, tid;
};

struct abi_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad0;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	struct abi_timespec atime, mtime, ctime;
	int64_t unused[3];
};
_Static_assert(sizeof(struct abi_stat) == 144, "struct stat");

struct abi_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};
_Static_assert(offsetof(struct abi_dirent64, name) == 19, "struct dirent64");

struct abi_pollfd {
	int32_t fd;
	int16_t events, revents;
};
#define POLLIN	   0x001
#define POLLOUT	   0x004
#define POLLERR	   0x008
#define POLLHUP	   0x010
#define POLLNVAL   0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100

/* ---- memory ---- */
#define PROT_READ     1
#define PROT_WRITE    2
#define PROT_EXEC     4
#define MAP_SHARED    0x01
#define MAP_PRIVATE   0x02
#define MAP_TYPE      0x0f
#define MAP_FIXED     0x10
#define MAP_ANONYMOUS 0x20
#define MAP_NORESERVE 0x4000
#define MAP_STACK     0x20000

/* ---- processes and threads ---- */
#define CLONE_VM	     0x00000100
#define CLONE_FS	     0x00000200
#define CLONE_FILES	     0x00000400
#define CLONE_SIGHAND	     0x00000800
#define CLONE_THREAD	     0x00010000
#define CLONE_SETTLS	     0x00080000
#define CLONE_PARENT_SETTID  0x00100000
#define CLONE_CHILD_CLEARTID 0x00200000
#define CLONE_CHILD_SETTID   0x01000000

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

struct abi_rlimit {
	uint64_t cur, max;
};
#define RLIM_INFINITY (~0ull)
enum { RLIMIT_STACK = 3, RLIMIT_CORE = 4, RLIMIT_NOFILE = 7, RLIMIT_COUNT = 16 };

struct abi_rusage {
	struct abi_timeval utime, stime;
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw,
		nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == 144, "struct rusage");

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3];
	uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t pad2;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit;
	uint32_t tail;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo");

struct abi_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
_Static_assert(sizeof(struct abi_utsname) == 390, "struct utsname");

/* ---- time ---- */
#define CLOCK_REALTIME		 0
#define CLOCK_MONOTONIC		 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID	 3
#define CLOCK_MONOTONIC_RAW	 4
#define CLOCK_REALTIME_COARSE	 5
#define CLOCK_MONOTONIC_COARSE	 6
#define CLOCK_BOOTTIME		 7
#define CLOCK_TAI		 11
#define CLOCK_REALTIME_ALARM	 8
#define CLOCK_BOOTTIME_ALARM	 9
#define TIMER_ABSTIME		 1
#define ITIMER_REAL		 0
#define SIGEV_SIGNAL		 0
#define SIGEV_NONE		 1
#define SIGEV_THREAD		 2
#define SIGEV_THREAD_ID		 4
#define NSEC_PER_SEC		 1000000000ull

/* ---- futex ---- */
#define FUTEX_WAIT	     0
#define FUTEX_WAKE	     1
#define FUTEX_REQUEUE	     3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAKE_OP	     5
#define FUTEX_LOCK_PI	     6
#define FUTEX_UNLOCK_PI	     7
#define FUTEX_TRYLOCK_PI     8
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_LOCK_PI2	     13
#define FUTEX_CMD_MASK	     0x7f
#define FUTEX_PRIVATE	     0x80
#define FUTEX_CLOCK_REALTIME 0x100
#define FUTEX_BITSET_ANY     0xffffffffu
/* Fields of FUTEX_WAKE_OP's last argument. */
#define FUTEX_OP_SET	   0
#define FUTEX_OP_ADD	   1
#define FUTEX_OP_OR	   2
#define FUTEX_OP_ANDN	   3
#define FUTEX_OP_XOR	   4
#define FUTEX_OP_ARG_SHIFT 8
#define FUTEX_OP_CMP_EQ	   0
#define FUTEX_OP_CMP_NE	   1
#define FUTEX_OP_CMP_LT	   2
#define FUTEX_OP_CMP_LE	   3
#define FUTEX_OP_CMP_GT	   4
#define FUTEX_OP_CMP_GE	   5
/* The word of a PI or robust lock. */
#define FUTEX_WAITERS	 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK	 0x3fffffffu

/* Robust lists, get_robust_list(2): bit 0 of a pointer to an entry says that its lock is a PI one. */
struct abi_robust_list_head {
	uintptr_t first;      /* an entry is a pointer to the next one, the last points to the head */
	int64_t futex_offset; /* from an entry to the lock's word */
	uintptr_t op_pending; /* entry of a lock that is being taken or given back, or 0 */
};
#define ROBUST_LIMIT 2048

/* ---- signals ---- */
enum {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIG_COUNT = 64,
};

#define SIG_DFL	    0ul
#define SIG_IGN	    1ul
#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

#define SA_SIGINFO   0x00000004u
#define SA_RESTORER  0x04000000u
#define SA_ONSTACK   0x08000000u
#define SA_RESTART   0x10000000u
#define SA_NODEFER   0x40000000u
#define SA_RESETHAND 0x80000000u

#define SI_USER	    0
#define SI_KERNEL   0x80
#define SI_TIMER    (-2)
#define SI_TKILL    (-6)
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define FPE_INTDIV  1
#define FPE_FLTINV  7
#define ILL_ILLOPN  2
#define TRAP_BRKPT  1
#define BUS_ADRALN  1

struct abi_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

struct abi_siginfo {
	int32_t signo, err, code, pad0;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
		};
		struct { /* SI_TIMER */
			int32_t timerid;
			int32_t overrun;
			uint64_t value;
		};
		uint64_t addr;
		uint64_t space[14];
	};
};
_Static_assert(sizeof(struct abi_siginfo) == 128, "siginfo_t");

#define SS_ONSTACK	1
#define SS_DISABLE	2
#define ABI_MINSIGSTKSZ 2048

struct abi_stack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};

/* Order of the general registers in mcontext_t. */
enum {
	UC_R8,
	UC_R9,
	UC_R10,
	UC_R11,
	UC_R12,
	UC_R13,
	UC_R14,
	UC_R15,
	UC_RDI,
	UC_RSI,
	UC_RBP,
	UC_RBX,
	UC_RDX,
	UC_RAX,
	UC_RCX,
	UC_RSP,
	UC_RIP,
	UC_EFL,
	UC_CSGSFS,
	UC_ERR,
	UC_TRAPNO,
	UC_OLDMASK,
	UC_CR2,
	UC_REGS,
};

struct abi_ucontext {
	uint64_t flags;
	uint64_t link;
	struct abi_stack stack;
	uint64_t regs[UC_REGS];
	uint64_t fpregs;
	uint64_t reserved[8];
	uint64_t sigmask[16];
	uint64_t fpregs_mem[64];
};
_Static_assert(offsetof(struct abi_ucontext, sigmask) == 296, "ucontext_t");
_Static_assert(sizeof(struct abi_ucontext) == 936, "ucontext_t");

/* ---- auxiliary vector ---- */
enum {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_MINSIGSTKSZ = 51,
};
