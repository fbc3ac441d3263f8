// SPDX-License-Identifier: BSD-3-Clause
/*
 * The C library's view of a kernel thread: a thread structure as pthread_create() makes it, except that it is in no list,
 * so the program's threads neither wait for it nor count it. It is laid out at the end of the thread's mapping: slots for
 * thread-specific data last, below them the TLS block that __copy_tls() fills (size and alignment from PT_TLS), below
 * that the stack. The mapping is fresh, so everything else in it is zero. No locks; thread context.
 */
#include "pthread_impl.h"

#include <limits.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "libc/internal.h"

extern volatile size_t tsd_size __asm__("__pthread_tsd_size") weak;
extern void run_dtors(void) __asm__("__pthread_tsd_run_dtors") weak;
extern void orphan_files(void) __asm__("__do_orphaned_stdio_locks") weak;

static const volatile size_t *const volatile tsd_size_at = &tsd_size;
static void (*const volatile run_dtors_at)(void) = run_dtors;
static void (*const volatile orphan_files_at)(void) = orphan_files;

static size_t tsd_bytes(void)
{
	return tsd_size_at ? *tsd_size_at : 0;
}

size_t libc_tls_space(void)
{
	return __libc.can_do_threads ? __libc.tls_size + tsd_bytes() : 0;
}

void *libc_tls_build(char *map, size_t size, size_t guard, char **stack)
{
	unsigned char *tsd = (unsigned char *)map + size - tsd_bytes();
	unsigned char *mem = tsd - __libc.tls_size;
	struct pthread *td = __copy_tls(mem);

	td->self = td;
	td->next = td->prev = td;
	td->map_base = (unsigned char *)map;
	td->map_size = size;
	td->stack = mem;
	td->stack_size = (size_t)(mem - (unsigned char *)map) - guard;
	td->guard_size = guard;
	td->tsd = (void **)tsd;
	td->locale = &__libc.global_locale;
	td->detach_state = DT_DETACHED;
	td->robust_list.head = &td->robust_list.head;
	*stack = (char *)mem;
	return TP_ADJ(td);
}

int pthread_spin_unlock(pthread_spinlock_t *s) __attribute__((visibility("default")));

/*
 * What comes before is seen by whoever takes the lock next: a release store, which pairs with the compare-and-swap in musl's
 * pthread_spin_lock(), is all that an unlock needs. (musl's own is its a_store(), a full barrier, for the places where a look for
 * waiters follows. Nobody waits for a spin lock in his sleep.)
 */
int pthread_spin_unlock(pthread_spinlock_t *s)
{
	__atomic_store_n(s, 0, __ATOMIC_RELEASE);
	return 0;
}

int sem_wait(sem_t *sem) __attribute__((visibility("default")));

/* musl's, with the first step of each function that it calls in its place: a cancellation point, then one try. */
int sem_wait(sem_t *sem)
{
	int value;

	if (__pthread_self()->cancel)
		pthread_testcancel();
	value = sem->__val[0];
	if ((value & SEM_VALUE_MAX) && a_cas(sem->__val, value, value - 1) == value)
		return 0;
	return sem_timedwait(sem, NULL);
}

void libc_thread_begin(int tid)
{
	__pthread_self()->tid = tid;
}

void libc_thread_end(void (*free_heap)(void))
{
	struct pthread *self = __pthread_self();

	if (run_dtors_at)
		run_dtors_at();
	if (free_heap)
		free_heap();
	if (orphan_files_at)
		orphan_files_at();
	__unmapself(self->map_base, self->map_size);
	for (;;)
		;
}
