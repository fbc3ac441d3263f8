// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=vm,host cpus=1,2 timeout=60
/*
 * Promise: the lock validator says nothing about programs that are right. What is unusual here: locks of several objects on the heap held
 * together, trylock against the order, a sleeping lock tried for with a spin lock held, deep recursion, a lock that changes from writer
 * to reader, waits that give the lock up, what one thread takes and another gives back where that is allowed.
 */
#include <stdlib.h>
#include <tutti/completion.h>
#include <tutti/condition.h>
#include <tutti/rcu.h>
#include <uk/mutex.h>
#include <uk/rwlock.h>
#include <uk/semaphore.h>
#include <uk/wait.h>

#include "check.h"

enum { DEEP = 20 };

struct outer {
	struct uk_mutex lock;
	long n;
};
struct inner {
	struct uk_mutex lock;
	struct uk_rwlock rwlock;
	long n;
};

static struct uk_spinlock spin;
static struct uk_mutex a = UK_MUTEX_INITIALIZER(a), b = UK_MUTEX_INITIALIZER(b);
static struct uk_mutex before = UK_MUTEX_INITIALIZER(before);
static struct uk_mutex again = UK_MUTEX_INITIALIZER_RECURSIVE(again);
static struct uk_rwlock rw = UK_RWLOCK_INITIALIZER(rw, 0);
static struct uk_rwlock rw_again = UK_RWLOCK_INITIALIZER(rw_again, UK_RWLOCK_CONFIG_WRITE_RECURSE);
static struct uk_semaphore units;
static struct tutti_condition changed;
static struct tutti_completion done;
static struct uk_waitq queue;
static bool flag, told;

static __attribute__((noinline)) void outer_init(struct outer *o)
{
	uk_mutex_init(&o->lock);
}

static __attribute__((noinline)) void inner_init(struct inner *i)
{
	uk_mutex_init(&i->lock);
	uk_rwlock_init(&i->rwlock);
}

static __attribute__((noinline)) void inner_lock(struct inner *i)
{
	uk_mutex_lock(&i->lock);
}

static __attribute__((noinline)) void outer_lock(struct outer *o)
{
	uk_mutex_lock(&o->lock);
}

/* Two kinds of objects, always in one order. */
static void nested(struct outer *o, struct inner *i)
{
	outer_lock(o);
	inner_lock(i);
	uk_rwlock_rlock(&i->rwlock);
	o->n = i->n + 1;
	uk_rwlock_runlock(&i->rwlock);
	uk_mutex_unlock(&i->lock);
	uk_mutex_unlock(&o->lock);
}

static void on_the_heap(void)
{
	struct outer *o = calloc(1, sizeof(*o));
	struct inner *i = calloc(1, sizeof(*i));

	CHECK(o && i);
	outer_init(o);
	inner_init(i);
	nested(o, i);
	/* never initialised by a call: where they are taken first is what they are known by */
	o->lock = (struct uk_mutex)UK_MUTEX_INITIALIZER(o->lock);
	i->lock = (struct uk_mutex)UK_MUTEX_INITIALIZER(i->lock);
	nested(o, i);
	free(i);
	free(o);
}

static void tried(void)
{
	uk_mutex_lock(&a);
	uk_mutex_lock(&b);
	uk_mutex_unlock(&a);
	/* nobody waits in a trylock */
	CHECK(uk_mutex_trylock(&a));
	uk_mutex_unlock(&b);
	uk_mutex_unlock(&a);
	for (int i = 0; i < 2; i++) {
		static struct uk_mutex under = UK_MUTEX_INITIALIZER(under);
		static struct uk_rwlock rw_under = UK_RWLOCK_INITIALIZER(rw_under, 0);

		uk_spin_lock(&spin);
		CHECK(uk_mutex_trylock(&under));
		CHECK(tutti_rwlock_try_wlock(&rw_under));
		uk_spin_unlock(&spin);
		sched_yield();
		uk_spin_lock(&spin);
		uk_mutex_unlock(&under);
		uk_spin_unlock(&spin);
		uk_rwlock_wunlock(&rw_under);
	}
}

static void recursive(void)
{
	for (int i = 0; i < DEEP; i++) {
		uk_mutex_lock(&again);
		uk_rwlock_wlock(&rw_again);
	}
	for (int i = 0; i < DEEP; i++) {
		uk_mutex_unlock(&again);
		uk_rwlock_wunlock(&rw_again);
	}
	CHECK(!uk_mutex_is_locked(&again) && !tutti_rwlock_is_locked(&rw_again));
	uk_rwlock_wlock(&rw);
	tutti_rwlock_downgrade(&rw);
	uk_mutex_lock(&a);
	uk_mutex_unlock(&a);
	uk_rwlock_runlock(&rw);
}

static void *helper(void *arg)
{
	uk_mutex_lock(&a);
	flag = true;
	tutti_condition_signal(&changed);
	uk_mutex_unlock(&a);
	uk_semaphore_up(&units);
	tutti_completion_complete(&done);
	uk_spin_lock(&spin);
	told = true;
	uk_spin_unlock(&spin);
	uk_waitq_wake_up(&queue);
	return arg;
}

static void waits(void)
{
	pthread_t t;
	bool seen;

	uk_mutex_lock(&before);
	uk_mutex_lock(&a);
	uk_mutex_unlock(&before);
	t = check_spawn(helper, NULL);
	/* the mutex is free meanwhile, whatever was locked before it */
	while (!flag)
		tutti_condition_wait(&changed, &a);
	uk_mutex_unlock(&a);
	uk_mutex_lock(&before);
	uk_semaphore_down(&units);
	tutti_completion_wait(&done);
	uk_mutex_unlock(&before);
	uk_spin_lock(&spin);
	uk_waitq_wait_event_locked(&queue, told, uk_spin_lock, uk_spin_unlock, &spin);
	seen = told;
	uk_spin_unlock(&spin);
	CHECK(seen);
	check_join(t);
}

static void read_sections(void)
{
	static struct uk_mutex m = UK_MUTEX_INITIALIZER(m);

	tutti_rcu_read_lock();
	uk_spin_lock(&spin);
	tutti_rcu_read_lock();
	uk_spin_unlock(&spin);
	CHECK(uk_mutex_trylock(&m));
	tutti_rcu_read_unlock();
	tutti_rcu_read_unlock();
	tutti_rcu_synchronize();
	uk_mutex_unlock(&m);
}

static void *all(void *arg)
{
	on_the_heap();
	tried();
	recursive();
	read_sections();
	return arg;
}

int main(void)
{
	uk_semaphore_init(&units, 0);
	tutti_condition_init(&changed);
	tutti_completion_init(&done);
	uk_waitq_init(&queue);
	all(NULL);
	check_join(check_spawn(all, NULL));
	waits();
	return 0;
}
