// SPDX-License-Identifier: BSD-3-Clause
/*
 * Threads, their end, the end of the program, and what a program asks about itself and the machine.
 *
 * There is one process, number 1, and its threads. clone() makes a thread and nothing else. As a system call is a
 * function call here, the child cannot return from it: `stack` holds the function and its argument, and the child begins by
 * calling it (libc/clone.c is the only caller).
 *
 * Concurrency: `threads` counts application threads, atomically; the last one's exit() ends the program. cpu_gone adds up
 * the CPU time of threads that ended. A thread's struct posix_thread lives until the last reference to its uk_thread is
 * dropped (thread_attr.release), so a sender that found the thread may use it. At exit the order is: robust locks, PI locks,
 * then store 0 to *clear_tid and wake its waiters, after which the application may unmap the thread's stack and TLS; the kernel does not touch them
 * any more. Memory: slab; a thread that cannot be made gives -EAGAIN.
 */
#include <arch/context.h>
#include <arch/paging.h>
#include <arch/uaccess.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "posix/futex.h"
#include "posix/posix.h"
#include "posix/syscall.h"
#include "sync/percpu.h"

#define STACK_LIMIT (8ul << 20)
#define FILES_LIMIT 1024ul

static struct slab_cpu thread_cpus[CONFIG_MAX_CPUS] = SLAB_CPUS;
static struct slab_cache thread_cache = SLAB_CACHE_CPUS("posix_thread", struct posix_thread, thread_cpus);

static struct {
	int threads;	   /* [a] application threads alive */
	uint64_t cpu_gone; /* [a] ns */
	int exiting;	   /* [a] exit_group() has begun */
} process;

struct posix_thread *posix_thread_new(const struct posix_thread *parent)
{
	struct posix_thread *pt = slab_alloc(&thread_cache);

	if (!pt)
		return NULL;
	memset(pt, 0, sizeof(*pt));
	posix_sigqueue_init(&pt->queue);
	list_init(&pt->pi_held);
	pt->pi_boost = THREAD_PRIO_NONE;
	if (parent)
		pt->mask = parent->mask;
	return pt;
}

void posix_thread_bind(struct posix_thread *pt, struct uk_thread *t, bool counted)
{
	pt->thread = t;
	pt->counted = counted;
	if (counted)
		__atomic_fetch_add(&process.threads, 1, __ATOMIC_RELAXED);
}

void posix_thread_free(void *pt)
{
	if (pt)
		slab_free(&thread_cache, pt);
}

/* ---- clone and exit ---- */

static void child_main(void *arg)
{
	uintptr_t *start = arg;
	int (*fn)(void *) = (int (*)(void *))start[0];

	tutti_syscall(NR_exit, fn((void *)start[1]), 0, 0, 0, 0, 0);
}

long sys_clone(const long *a)
{
	const unsigned long needed = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	unsigned long flags = (unsigned long)a[0];
	uintptr_t stack = (uintptr_t)a[1];
	uint32_t *ptid = ARG_PTR(a, 2), *ctid = ARG_PTR(a, 3);
	struct uk_thread *t;
	struct posix_thread *pt;
	struct thread_attr attr = {
		.name = "pthread",
		.fn = child_main,
		.arg = (void *)stack,
		.app_sp = ALIGN_DOWN(stack, 16ul) - 8,
		.release = posix_thread_free,
	};
	int tid;

	if ((flags & needed) != needed)
		return -ENOSYS;
	if (!stack)
		return -EINVAL;
	pt = posix_thread_new(current_thread()->posix);
	if (!pt)
		return -EAGAIN;
	attr.posix = pt;
	attr.tp = flags & CLONE_SETTLS ? (uintptr_t)a[4] : arch_get_tp();
	t = thread_create(&attr);
	if (!t) {
		posix_thread_free(pt);
		return -EAGAIN;
	}
	tid = t->tid;
	/* As in Linux, a bad address here is nobody's error: the thread exists. */
	if (flags & CLONE_PARENT_SETTID)
		(void)arch_user_store32(ptid, (uint32_t)tid);
	if (flags & CLONE_CHILD_SETTID)
		(void)arch_user_store32(ctid, (uint32_t)tid);
	if (flags & CLONE_CHILD_CLEARTID)
		t->clear_tid = ctid;
	posix_thread_bind(pt, t, true);
	thread_start(t);
	return tid;
}

/* name, fn, arg, stack pointer, thread pointer: a kernel thread that may make system calls. Its id or -EAGAIN. */
long sys_tutti_thread(const long *a)
{
	struct posix_thread *pt = posix_thread_new(NULL);
	struct thread_attr attr = {
		.name = ARG_PTR(a, 0),
		.fn = (void (*)(void *))ARG_PTR(a, 1),
		.arg = ARG_PTR(a, 2),
		.app_sp = (uintptr_t)a[3],
		.tp = (uintptr_t)a[4],
		.posix = pt,
		.release = posix_thread_free,
	};
	struct uk_thread *t = pt ? thread_create(&attr) : NULL;
	int tid;

	if (!t) {
		posix_thread_free(pt);
		return -EAGAIN;
	}
	tid = t->tid;
	pt->mask = ~0ull; /* signals are the program's */
	posix_thread_bind(pt, t, false);
	thread_start(t);
	return tid;
}

void posix_unmap_and_exit(uintptr_t base, size_t size)
{
	const long status[1] = { 0 };

	/* While its list is there, and nobody else's memory in its place. */
	posix_robust_thread_ends();
	mm_munmap(base, size);
	sys_exit(status);
	__builtin_unreachable();
}

long sys_exit(const long *a)
{
	struct uk_thread *t = current_thread();
	struct posix_thread *pt = t->posix;
	uint32_t *clear = t->clear_tid;

	if (pt->counted && __atomic_sub_fetch(&process.threads, 1, __ATOMIC_ACQ_REL) == 0)
		posix_exit_group(ARG_INT(a, 0));
	posix_signal_thread_ends();
	__atomic_fetch_add(&process.cpu_gone, posix_thread_cpu_ns(t), __ATOMIC_RELAXED);
	posix_robust_thread_ends();
	posix_futex_pi_thread_ends();
	if (clear) {
		t->clear_tid = NULL;
		if (!arch_user_store32(clear, 0))
			posix_futex_wake((uintptr_t)clear, 1, FUTEX_BITSET_ANY);
	}
	thread_exit();
}

void posix_exit_group(int status)
{
	struct mm_stats st;

	if (__atomic_exchange_n(&process.exiting, 1, __ATOMIC_ACQ_REL)) {
		/* Somebody else is ending the machine, and it is his status that counts. */
		for (;;) {
			thread_prepare_block();
			thread_block();
		}
	}
	mm_stats(&st);
	plat_log('P', "%llu", (unsigned long long)st.heap_resident_peak);
	plat_exit(status & 0xff);
}

long sys_exit_group(const long *a)
{
	posix_exit_group(ARG_INT(a, 0));
}

long sys_set_tid_address(const long *a)
{
	struct uk_thread *t = current_thread();

	t->clear_tid = ARG_PTR(a, 0);
	return t->tid;
}

long sys_gettid(const long *a)
{
	(void)a;
	return current_thread()->tid;
}

long sys_getpid(const long *a)
{
	(void)a;
	return 1;
}

long sys_getppid(const long *a)
{
	(void)a;
	return 0;
}

/* The only user and group is 0. */
long sys_getid(const long *a)
{
	(void)a;
	return 0;
}

long sys_arch_prctl(const long *a)
{
	uint64_t tp;

	switch (ARG_INT(a, 0)) {
	case ARCH_SET_FS:
		arch_set_tp((uintptr_t)a[1]);
		return 0;
	case ARCH_GET_FS:
		tp = arch_get_tp();
		return posix_copy_out(ARG_PTR(a, 1), &tp, sizeof(tp));
	}
	return -EINVAL;
}

/* Barriers between the threads of this process: on x86 an interrupt or a switch is one; this release keeps to the registrations. */
long sys_membarrier(const long *a)
{
	(void)a;
	return -ENOSYS;
}

/* ---- accounting and the machine ---- */

static uint64_t other_cpu_ns(const struct uk_thread *t)
{
	uint64_t ns = __atomic_load_n(&t->run_ns, __ATOMIC_RELAXED);
	uint64_t start = __atomic_load_n(&t->run_start, __ATOMIC_RELAXED);
	uint64_t now = plat_monotonic_ns();

	/* Of another thread that runs: exact to one switch. */
	if (__atomic_load_n(&t->on_cpu, __ATOMIC_RELAXED) && now > start)
		ns += now - start;
	return ns;
}

uint64_t posix_thread_cpu_ns(struct uk_thread *t)
{
	if (t == current_thread())
		return thread_run_ns();
	return other_cpu_ns(t);
}

static void add_cpu_ns(struct uk_thread *t, void *arg)
{
	if (t->posix)
		*(uint64_t *)arg += posix_thread_cpu_ns(t);
}

uint64_t posix_process_cpu_ns(void)
{
	uint64_t ns = __atomic_load_n(&process.cpu_gone, __ATOMIC_RELAXED);

	thread_foreach(add_cpu_ns, &ns);
	return ns;
}

long sys_getrusage(const long *a)
{
	struct abi_rusage ru;
	struct mm_stats st;
	uint64_t ns = 0;

	switch (ARG_INT(a, 0)) {
	case 0:
		ns = posix_process_cpu_ns();
		break;
	case 1:
		ns = posix_thread_cpu_ns(current_thread());
		break;
	case -1:
		break;
	default:
		return -EINVAL;
	}
	memset(&ru, 0, sizeof(ru));
	ru.utime.sec = (int64_t)(ns / NSEC_PER_SEC);
	ru.utime.usec = (int64_t)(ns % NSEC_PER_SEC / 1000);
	if (ARG_INT(a, 0) == 0) {
		mm_stats(&st);
		ru.maxrss = (int64_t)((st.heap_resident_peak + st.app_resident) / 1024);
		ru.minflt = (int64_t)st.faults;
	}
	return posix_copy_out(ARG_PTR(a, 1), &ru, sizeof(ru));
}

static long get_limit(unsigned which, struct abi_rlimit *lim)
{
	if (which >= RLIMIT_COUNT)
		return -EINVAL;
	lim->cur = lim->max = which == RLIMIT_STACK    ? STACK_LIMIT
			      : which == RLIMIT_NOFILE ? FILES_LIMIT
			      : which == RLIMIT_CORE   ? 0
						       : RLIM_INFINITY;
	return 0;
}

long sys_prlimit64(const long *a)
{
	struct abi_rlimit lim, new;
	long r = get_limit((unsigned)a[1], &lim);

	if (r)
		return r;
	if (ARG_INT(a, 0) != 0 && ARG_INT(a, 0) != 1)
		return -ESRCH;
	if (a[2]) {
		if (posix_copy_in(&new, ARG_PTR(a, 2), sizeof(new)))
			return -EFAULT;
		if (new.cur > new.max)
			return -EINVAL;
		/* Limits are the machine's; asking for no more than there is succeeds. */
		if (new.cur > lim.max)
			return -EPERM;
	}
	return a[3] ? posix_copy_out(ARG_PTR(a, 3), &lim, sizeof(lim)) : 0;
}

long sys_getrlimit(const long *a)
{
	struct abi_rlimit lim;
	long r = get_limit((unsigned)a[0], &lim);

	return r ? r : posix_copy_out(ARG_PTR(a, 1), &lim, sizeof(lim));
}

long sys_uname(const long *a)
{
	static const struct abi_utsname uts = {
		.sysname = "Linux", /* programs ask which system calls there are, not whose they are */
		.nodename = "tutti",
		.release = "6.1.0-tutti",
		.version = "tutti",
		.machine = "x86_64",
		.domainname = "(none)",
	};

	return posix_copy_out(ARG_PTR(a, 0), &uts, sizeof(uts));
}

long sys_sysinfo(const long *a)
{
	struct abi_sysinfo si;
	struct frame_stats fs;

	memset(&si, 0, sizeof(si));
	frame_stats(&fs);
	si.uptime = (int64_t)(plat_monotonic_ns() / NSEC_PER_SEC);
	si.totalram = fs.total;
	si.freeram = fs.free;
	si.procs = (uint16_t)thread_count();
	si.mem_unit = PAGE_SIZE;
	return posix_copy_out(ARG_PTR(a, 0), &si, sizeof(si));
}

long sys_getrandom(const long *a)
{
	char *dst = ARG_PTR(a, 0);
	size_t len = MIN(ARG_SIZE(a, 1), (size_t)INT32_MAX), done = 0;
	uint8_t chunk[256];

	if (a[2] & ~7l)
		return -EINVAL;
	while (done < len) {
		size_t n = MIN(len - done, sizeof(chunk));

		posix_random_bytes(chunk, n);
		if (posix_copy_out(dst + done, chunk, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (done >= 4096 && posix_signal_pending())
			break;
	}
	memset(chunk, 0, sizeof(chunk));
	return (long)done;
}
