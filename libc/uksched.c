// SPDX-License-Identifier: BSD-3-Clause
/*
 * Unikraft's interface to threads and the scheduler (uk/thread.h, uk/sched.h), on top of tutti's.
 *
 * It stands here and not in sched/ because its threads may use libc: they are those of libc_thread_create(). Creation hands
 * function, arguments, private pointer and destructor over in a structure on the creator's stack, and waits until the new thread has
 * taken them and said who it is: so the creator gets a struct uk_thread, and nothing is left behind if there is no memory.
 *
 * Everything that sleeps or takes a kernel lock runs on the kernel stack (sched_on_kstack()), because programs call this on their
 * own. uk_block_until and uk_iterator of a thread belong to itself; `uk_end` is set by others, then the thread is woken, so that a thread
 * between uk_thread_block() and the yield does not sleep on it: it looks after its announcement (thread_prepare_block() is a full barrier),
 * the other one sets it before thread_wake(). Thread context but for wake, flags and names; no memory of its own.
 */
#include <arch/context.h>
#include <uk/sched.h>
#include <uk/thread.h>

#include "lib/errno.h"
#include "lib/util.h"
#include "libc/start.h"
#include "alloc/allocator.h"
#include "libc/internal.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "posix/syscall.h"
#include "sched/sched.h"
#include "sync/percpu.h"

#define STACK_DEFAULT 65536ul

struct uk_sched {
	int unused;
};
static struct uk_sched the_scheduler;

void pthread_exit(void *result) __attribute__((noreturn, weak, visibility("default")));

/* ---- asking ---- */

struct uk_sched *uk_sched_current(void)
{
	return &the_scheduler;
}

struct uk_thread *uk_thread_current(void)
{
	return current_thread();
}

unsigned int tutti_thread_flags(const struct uk_thread *t)
{
	const unsigned has = UK_THREADF_ECTX | UK_THREADF_AUXSP | (t->posix ? UK_THREADF_UKTLS : 0);

	switch (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE)) {
	case THREAD_RUNNING:
		return has | UK_THREADF_RUNNABLE;
	case THREAD_EXITED:
		return has | UK_THREADF_EXITED;
	}
	return has;
}

const char *tutti_thread_name(const struct uk_thread *t)
{
	return t->name;
}

void *tutti_thread_priv(const struct uk_thread *t)
{
	return t->uk_priv;
}

void *tutti_thread_tls_(const struct uk_thread *t, const void *mine)
{
	const uintptr_t tp = t == current_thread() ? arch_get_tp() : t->ctx.fs_base;

	return (char *)tp + ((uintptr_t)mine - arch_get_tp());
}

const struct uk_thread *uk_sched_idle_thread(struct uk_sched *s, unsigned int proc_id)
{
	(void)s;
	return thread_idle_of(proc_id);
}

static long next_on_kstack(void *t, void *unused)
{
	struct uk_thread *self = current_thread(), *next;

	(void)unused;
	next = thread_next(t ? ((struct uk_thread *)t)->tid : 0);
	if (self->uk_iterator)
		thread_put(self->uk_iterator);
	self->uk_iterator = next;
	return (long)next;
}

struct uk_thread *tutti_sched_next_thread(struct uk_thread *t)
{
	return (struct uk_thread *)sched_on_kstack(next_on_kstack, t, NULL);
}

static void dump_one(struct uk_thread *t, void *level)
{
	const unsigned flags = tutti_thread_flags(t);

	plat_log(*(char *)level, "thread %d %s: %s, cpu %d, priority %d", t->tid, t->name,
		 flags & UK_THREADF_EXITED     ? "exited"
		 : flags & UK_THREADF_RUNNABLE ? "runnable"
					       : "blocked",
		 __atomic_load_n(&t->last_cpu, __ATOMIC_RELAXED), thread_prio(t));
}

static long dump_on_kstack(void *level, void *unused)
{
	(void)unused;
	thread_foreach(dump_one, level);
	return 0;
}

void uk_sched_dumpk_threads(int klvl, struct uk_sched *s)
{
	char level = klvl >= 3 ? 'W' : 'L';

	(void)s;
	sched_on_kstack(dump_on_kstack, &level, NULL);
}

/* ---- blocking ---- */

static void announce(struct uk_thread *t, uint64_t until)
{
	UK_CHECK(t == current_thread());
	t->uk_block_until = until;
	thread_prepare_block();
}

void uk_thread_block(struct uk_thread *thread)
{
	announce(thread, UINT64_MAX);
}

void uk_thread_block_timeout(struct uk_thread *thread, __nsec nsec)
{
	announce(thread, posix_deadline_in((uint64_t)MAX(nsec, 0)));
}

void uk_thread_block_until(struct uk_thread *thread, __snsec until)
{
	announce(thread, until > 0 ? (uint64_t)until : UINT64_MAX);
}

static long wake_on_kstack(void *t, void *unused)
{
	(void)unused;
	thread_wake(t);
	return 0;
}

void uk_thread_wake(struct uk_thread *thread)
{
	sched_on_kstack(wake_on_kstack, thread, NULL);
}

static bool is_to_end(const struct uk_thread *self)
{
	return __atomic_load_n(&self->uk_end, __ATOMIC_SEQ_CST);
}

static long yield_on_kstack(void *arg, void *unused)
{
	struct uk_thread *self = arg;

	(void)unused;
	if (__atomic_load_n(&self->state, __ATOMIC_RELAXED) != THREAD_BLOCKING) {
		thread_yield();
	} else if (is_to_end(self) || (self->posix && posix_signal_pending())) {
		/* the handler runs on the way back; to the caller it is a spurious wake-up */
		thread_cancel_block();
	} else {
		thread_block_until(self->uk_block_until);
	}
	return 0;
}

void uk_sched_yield(void)
{
	struct uk_thread *self = current_thread();

	sched_on_kstack(yield_on_kstack, self, NULL);
	if (unlikely(is_to_end(self)))
		uk_sched_thread_exit();
}

static long sleep_on_kstack(void *self, void *until)
{
	thread_prepare_block();
	if (is_to_end(self) || (((struct uk_thread *)self)->posix && posix_signal_pending()))
		thread_cancel_block();
	else
		thread_block_until((uint64_t)until);
	return 0;
}

void uk_sched_thread_sleep(__nsec nsec)
{
	const uint64_t until = posix_deadline_in((uint64_t)MAX(nsec, 0));
	struct uk_thread *self = current_thread();

	do {
		sched_on_kstack(sleep_on_kstack, self, (void *)until);
		if (unlikely(is_to_end(self)))
			uk_sched_thread_exit();
	} while (plat_monotonic_ns() < until);
}

/* ---- life ---- */

/* On the creator's stack until the new thread has taken it. */
struct creation {
	void *fn;
	void *args[2];
	unsigned count;
	void *priv;
	uk_thread_dtor_t dtor;
	struct uk_thread *creator;
	struct uk_thread *created; /* [a] all is taken */
};

static long taken_on_kstack(void *arg, void *unused)
{
	struct creation *c = arg;
	struct uk_thread *creator = c->creator;

	(void)unused;
	/* The creator is there: it waits for `created`. *c may be gone as soon as that is set. */
	thread_get(creator);
	__atomic_store_n(&c->created, current_thread(), __ATOMIC_SEQ_CST);
	thread_wake(creator);
	thread_put(creator);
	return 0;
}

static void uk_thread_main(void *arg)
{
	const struct creation c = *(struct creation *)arg;
	struct uk_thread *self = current_thread();

	self->uk_priv = c.priv;
	self->uk_dtor = c.dtor;
	sched_on_kstack(taken_on_kstack, arg, NULL);
	if (c.count == 0)
		((void (*)(void))c.fn)();
	else if (c.count == 1)
		((void (*)(void *))c.fn)(c.args[0]);
	else
		((void (*)(void *, void *))c.fn)(c.args[0], c.args[1]);
	uk_sched_thread_exit();
}

static long await_on_kstack(void *arg, void *unused)
{
	struct creation *c = arg;

	(void)unused;
	for (;;) {
		thread_prepare_block();
		if (__atomic_load_n(&c->created, __ATOMIC_SEQ_CST))
			break;
		thread_block();
	}
	thread_cancel_block();
	return 0;
}

static struct uk_thread *create(struct creation c, size_t stack_len, const char *name)
{
	c.creator = current_thread();
	if (libc_thread_create(name ? name : "", uk_thread_main, &c, stack_len ? stack_len : STACK_DEFAULT) < 0)
		return NULL;
	sched_on_kstack(await_on_kstack, &c, NULL);
	return c.created;
}

struct uk_thread *uk_sched_thread_create_fn0(struct uk_sched *s, uk_thread_fn0_t fn0, size_t stack_len,
					     size_t auxstack_len, bool no_uktls, bool no_ectx, const char *name,
					     void *priv, uk_thread_dtor_t dtor)
{
	(void)s, (void)auxstack_len, (void)no_uktls, (void)no_ectx;
	return create((struct creation){ .fn = (void *)fn0, .priv = priv, .dtor = dtor }, stack_len, name);
}

struct uk_thread *uk_sched_thread_create_fn1(struct uk_sched *s, uk_thread_fn1_t fn1, void *argp, size_t stack_len,
					     size_t auxstack_len, bool no_uktls, bool no_ectx, const char *name,
					     void *priv, uk_thread_dtor_t dtor)
{
	(void)s, (void)auxstack_len, (void)no_uktls, (void)no_ectx;
	return create(
		(struct creation){ .fn = (void *)fn1, .args = { argp, NULL }, .count = 1, .priv = priv, .dtor = dtor },
		stack_len, name);
}

struct uk_thread *uk_sched_thread_create_fn2(struct uk_sched *s, uk_thread_fn2_t fn2, void *argp0, void *argp1,
					     size_t stack_len, size_t auxstack_len, bool no_uktls, bool no_ectx,
					     const char *name, void *priv, uk_thread_dtor_t dtor)
{
	(void)s, (void)auxstack_len, (void)no_uktls, (void)no_ectx;
	return create(
		(struct creation){
			.fn = (void *)fn2, .args = { argp0, argp1 }, .count = 2, .priv = priv, .dtor = dtor },
		stack_len, name);
}

void uk_sched_thread_exit(void)
{
	const struct tutti_allocator *heap = allocator_chosen();
	struct uk_thread *self = current_thread();
	const struct posix_thread *pt = self->posix;
	const uk_thread_dtor_t dtor = self->uk_dtor;

	if (!pt)
		thread_exit();
	/* Before destructors run: they may yield. */
	__atomic_store_n(&self->uk_end, false, __ATOMIC_RELAXED);
	if (pt->counted) {
		if (pthread_exit)
			pthread_exit(NULL);
		/* without pthread_create() there is only the main thread */
		tutti_syscall(NR_exit, 0, 0, 0, 0, 0, 0);
	}
	self->uk_dtor = NULL;
	if (dtor)
		dtor(self);
	libc_thread_end(heap ? heap->thread_exit : NULL);
}

void uk_sched_thread_terminate(struct uk_thread *thread)
{
	if (thread == current_thread())
		uk_sched_thread_exit();
	/* Full barrier before the wake-up; pairs with the announcement in announce() and sleep_on_kstack(). */
	__atomic_store_n(&thread->uk_end, true, __ATOMIC_SEQ_CST);
	uk_thread_wake(thread);
}
