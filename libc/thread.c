// SPDX-License-Identifier: BSD-3-Clause
/*
 * Kernel threads with a C library under them (start.h), and the thread functions that musl leaves to assembly.
 *
 * clone() here does not return twice, since a system call is a function call: the child's stack holds the function and
 * its argument, and the child starts in it (posix/process.c). A call made on the kernel stack goes to posix_syscall()
 * directly; on an application stack through tutti_syscall(). No state, no locks; thread context. No memory: -ENOMEM with
 * nothing left behind.
 */
#include <arch/paging.h>
#include <stdarg.h>
#include <stdint.h>

#include "alloc/allocator.h"
#include "lib/util.h"
#include "libc/internal.h"
#include "libc/start.h"
#include "posix/posix.h"
#include "posix/syscall.h"
#include "sync/percpu.h"

int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) __attribute__((visibility("hidden")));
int __set_thread_area(void *tp) __attribute__((visibility("hidden")));
int vfork(void) __attribute__((visibility("default")));

int __set_thread_area(void *tp)
{
	return (int)tutti_syscall(NR_arch_prctl, ARCH_SET_FS, (long)tp, 0, 0, 0, 0);
}

int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	uintptr_t *top = (uintptr_t *)ALIGN_DOWN((uintptr_t)stack, 16ul) - 2;
	int *ptid, *ctid;
	void *tp;
	va_list ap;

	va_start(ap, arg);
	ptid = va_arg(ap, int *);
	tp = va_arg(ap, void *);
	ctid = va_arg(ap, int *);
	va_end(ap);
	top[0] = (uintptr_t)fn;
	top[1] = (uintptr_t)arg;
	return (int)tutti_syscall(NR_clone, flags, (long)top, (long)ptid, (long)ctid, (long)tp, 0);
}

/* There is one process. The result goes the way that errno needs. */
long __syscall_ret(unsigned long r) __attribute__((visibility("hidden")));
int vfork(void)
{
	return (int)__syscall_ret((unsigned long)tutti_syscall(NR_vfork, 0, 0, 0, 0, 0, 0));
}

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	const long regs[] = { nr, a, b, c, d, e, f };
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (here > percpu_read(kstack_base) && here <= percpu_read(kstack_top))
		return posix_syscall(regs);
	return tutti_syscall(nr, a, b, c, d, e, f);
}

/* At the top of the new thread's stack. */
struct start {
	void (*fn)(void *);
	void *arg;
};

static void thread_main(void *arg)
{
	struct start s = *(struct start *)arg;
	const struct tutti_allocator *heap = allocator_chosen();

	libc_thread_begin((int)tutti_syscall(NR_gettid, 0, 0, 0, 0, 0, 0));
	s.fn(s.arg);
	libc_thread_end(heap ? heap->thread_exit : NULL);
}

int libc_thread_create(const char *name, void (*fn)(void *), void *arg, size_t stack)
{
	size_t space = libc_tls_space(), size;
	struct start *s;
	char *sp;
	void *tp;
	long map, r;

	if (!space)
		return -EAGAIN;
	size = PAGE_SIZE + ALIGN_UP(stack + sizeof(*s) + space, PAGE_SIZE);
	map = call(NR_mmap, 0, (long)size, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map < 0)
		return -ENOMEM;
	r = call(NR_mprotect, map + (long)PAGE_SIZE, (long)(size - PAGE_SIZE), PROT_READ | PROT_WRITE, 0, 0, 0);
	if (!r) {
		tp = libc_tls_build((char *)map, size, PAGE_SIZE, &sp);
		s = (struct start *)(ALIGN_DOWN((uintptr_t)sp, 16ul) - sizeof(*s));
		s->fn = fn;
		s->arg = arg;
		r = call(NR_tutti_thread, (long)name, (long)thread_main, (long)s, (long)s, (long)tp, 0);
	}
	if (r < 0)
		call(NR_munmap, map, (long)size, 0, 0, 0, 0);
	return (int)r;
}
