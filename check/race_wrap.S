/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the C library that order memory or by which memory changes hands, as a program calls them (-Wl,--wrap in
 * check/flags.mk, the same list): they are not instrumented, so what a late access (race.c) must not outlive is said here. The
 * flag of this CPU is cleared, then it goes on to the function with all arguments as they were. If the thread is
 * moved in between, another CPU loses a chance to find something, and the own CPU's late access is not believed any more,
 * because the thread is on another one.
 */
#define LATE_STRIDE_SHIFT 7 /* sizeof(struct race_cpu): checked in race.c */

	.macro wrap name:req
	.section .text.__wrap_\name, "ax", @progbits
	.globl __wrap_\name
	.hidden __wrap_\name
	.type __wrap_\name, @function
__wrap_\name:
	movl	%gs:40, %r11d		/* percpu.idx */
	shlq	$LATE_STRIDE_SHIFT, %r11
	leaq	race_cpus(%rip), %r10
	movl	$0, (%r10, %r11)
	jmp	__real_\name
	.size __wrap_\name, . - __wrap_\name
	.endm

	.irp name, pthread_create, pthread_join, pthread_mutex_lock, pthread_mutex_trylock, pthread_mutex_timedlock
	wrap \name
	.endr
	.irp name, pthread_mutex_unlock, pthread_cond_wait, pthread_cond_timedwait, pthread_cond_signal, pthread_cond_broadcast
	wrap \name
	.endr
	.irp name, pthread_rwlock_rdlock, pthread_rwlock_tryrdlock, pthread_rwlock_timedrdlock, pthread_rwlock_wrlock
	wrap \name
	.endr
	.irp name, pthread_rwlock_trywrlock, pthread_rwlock_timedwrlock, pthread_rwlock_unlock, pthread_spin_lock
	wrap \name
	.endr
	.irp name, pthread_spin_trylock, pthread_spin_unlock, pthread_barrier_wait, pthread_once, sem_post, sem_wait, sem_trywait
	wrap \name
	.endr
	.irp name, sem_timedwait, mtx_lock, mtx_trylock, mtx_timedlock, mtx_unlock, cnd_wait, cnd_timedwait, cnd_signal
	wrap \name
	.endr
	.irp name, cnd_broadcast, thrd_create, thrd_join, call_once, flockfile, ftrylockfile, funlockfile
	wrap \name
	.endr
	.irp name, malloc, calloc, realloc, free, posix_memalign, aligned_alloc, memalign
	wrap \name
	.endr

	.section .note.GNU-stack, "", @progbits
