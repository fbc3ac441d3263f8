/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls of the host's kernel: the only instructions by which the host platform leaves its process. All of them are in
 * hostcall.S, whose addresses are the ones that system call dispatch lets through. Numbers and structures are those of
 * x86-64 Linux; results are its results (-errno on error). Any context; none of them touches thread-local storage.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

long hostcall(long nr, long a, long b, long c, long d, long e, long f);
/*
 * A new thread of this process on the stack whose top is `stack`, running fn(arg), which must not return. Returns its id or
 * -errno. The id is stored at *tid before the thread runs.
 */
long hostcall_clone(unsigned long flags, uintptr_t stack, int *tid, void (*fn)(void *), void *arg);
/* Return address of signal handlers. */
void hostcall_sigreturn(void);
/* Bounds of what may use the instruction. */
extern char hostcall_start[], hostcall_end[];

/* Base addresses of FS and GS on processors or kernels without the instructions. Preserve all registers but rax, rcx, r11. */
uintptr_t hostcall_get_fs(void);
void hostcall_set_fs(uintptr_t base);
void hostcall_set_gs(uintptr_t base);

#define HOST_read	       0
#define HOST_write	       1
#define HOST_open	       2
#define HOST_close	       3
#define HOST_fstat	       5
#define HOST_poll	       7
#define HOST_lseek	       8
#define HOST_mmap	       9
#define HOST_mprotect	       10
#define HOST_munmap	       11
#define HOST_rt_sigaction      13
#define HOST_rt_sigprocmask    14
#define HOST_pread64	       17
#define HOST_sched_yield       24
#define HOST_madvise	       28
#define HOST_getpid	       39
#define HOST_exit	       60
#define HOST_fcntl	       72
#define HOST_ftruncate	       77
#define HOST_sigaltstack       131
#define HOST_prctl	       157
#define HOST_arch_prctl	       158
#define HOST_gettid	       186
#define HOST_futex	       202
#define HOST_sched_setaffinity 203
#define HOST_sched_getaffinity 204
#define HOST_timer_create      222
#define HOST_timer_settime     223
#define HOST_clock_gettime     228
#define HOST_clock_nanosleep   230
#define HOST_exit_group	       231
#define HOST_tgkill	       234
#define HOST_process_vm_readv  310
#define HOST_getrandom	       318
#define HOST_memfd_create      319

#define HOST_PROT_NONE		 0
#define HOST_PROT_READ		 1
#define HOST_PROT_WRITE		 2
#define HOST_PROT_EXEC		 4
#define HOST_MAP_SHARED		 0x01
#define HOST_MAP_PRIVATE	 0x02
#define HOST_MAP_FIXED		 0x10
#define HOST_MAP_ANONYMOUS	 0x20
#define HOST_MAP_NORESERVE	 0x4000
#define HOST_MAP_POPULATE	 0x8000
#define HOST_MAP_FIXED_NOREPLACE 0x100000
