// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 sched=preempt,coop timeout=60 replay=8
/*
 * tutti/rcu.h, promise by promise: a callback runs once, later, in the order of the calls of one thread; barrier() comes after callbacks
 * that were given before, from other threads too; synchronize() waits for a reader on another CPU, one that computes without a switch
 * included; a read section is seen as one, so is a section with a lock held; a callback may call again; many threads that
 * synchronize at once all return.
 */
#include <tutti/rcu.h>
#include <uk/spinlock.h>

#include "check.h"

#ifdef CHECK_REPLAY
enum { CALLS = 200, THREADS = 4, SYNCS = 5 };
#else
enum { CALLS = 2000, THREADS = 6, SYNCS = 20 };
#endif

struct numbered {
	struct tutti_rcu_head rcu;
	unsigned number, thread;
};

static struct numbered calls[THREADS][CALLS];
static unsigned next_of[THREADS], wrong_order, runs;

static void count(struct tutti_rcu_head *head)
{
	struct numbered *n = (struct numbered *)((char *)head - offsetof(struct numbered, rcu));

	wrong_order += next_of[n->thread]++ != n->number;
	__atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
}

static void *caller(void *arg)
{
	const unsigned thread = (unsigned)(uintptr_t)arg;

	/* callbacks of one CPU keep their order */
	check_pin(sched_getcpu());
	for (unsigned i = 0; i < CALLS; i++) {
		calls[thread][i].number = i;
		calls[thread][i].thread = thread;
		tutti_rcu_call(&calls[thread][i].rcu, count);
	}
	return arg;
}

static void test_calls(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = check_spawn(caller, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		check_join(threads[i]);
	tutti_rcu_barrier();
	CHECK_EQ(__atomic_load_n(&runs, __ATOMIC_RELAXED), THREADS * CALLS);
	CHECK_EQ(wrong_order, 0);
}

/* ---- a callback that calls again ---- */

static unsigned again_left = 5;

static void again(struct tutti_rcu_head *head)
{
	if (--again_left)
		tutti_rcu_call(head, again);
}

static void test_again(void)
{
	static struct tutti_rcu_head head;

	tutti_rcu_call(&head, again);
	for (unsigned i = 0; i < 5; i++)
		tutti_rcu_barrier();
	CHECK_EQ(again_left, 0);
}

/* ---- synchronize against a reader ---- */

static uint32_t inside, leave, left, go_on;

static void *long_reader(void *arg)
{
	tutti_rcu_read_lock();
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	/* no system call in here: it would sleep */
	while (!__atomic_load_n(&leave, __ATOMIC_ACQUIRE))
		check_pause();
	__atomic_store_n(&left, 1, __ATOMIC_RELAXED);
	tutti_rcu_read_unlock();
	/* and then computes on: only an interrupt shows that it has left */
	while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
		check_pause();
	return arg;
}

static void *releaser(void *arg)
{
	for (int i = 0; i < 20; i++)
		sched_yield();
	__atomic_store_n(&leave, 1, __ATOMIC_RELEASE);
	return arg;
}

static void test_synchronize(void)
{
	pthread_t reader, other;

	if (check_cpus() < 3)
		return; /* the reader, and in `coop` the releaser, need CPUs of their own */
	reader = check_spawn(long_reader, NULL);
	while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
		sched_yield();
	other = check_spawn(releaser, NULL);
	tutti_rcu_synchronize();
	CHECK_EQ(__atomic_load_n(&left, __ATOMIC_RELAXED), 1);
	__atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
	check_join(reader);
	check_join(other);
}

static void *synchronizer(void *arg)
{
	for (int i = 0; i < SYNCS; i++)
		tutti_rcu_synchronize();
	return arg;
}

static void test_many(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = check_spawn(synchronizer, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		check_join(threads[i]);
}

static void test_held(void)
{
	static struct uk_spinlock lock;

	CHECK(!tutti_rcu_read_held());
	tutti_rcu_read_lock();
	CHECK(tutti_rcu_read_held());
	tutti_rcu_read_lock();
	tutti_rcu_read_unlock();
	CHECK(tutti_rcu_read_held());
	tutti_rcu_read_unlock();
	CHECK(!tutti_rcu_read_held());
	uk_spin_init(&lock);
	uk_spin_lock(&lock);
	CHECK(tutti_rcu_read_held());
	uk_spin_unlock(&lock);
	CHECK(!tutti_rcu_read_held());
}

static void test_pointer(void)
{
	static int first = 1, second = 2;
	static int *p = &first;

	tutti_rcu_read_lock();
	CHECK_EQ(*tutti_rcu_dereference(p), 1);
	tutti_rcu_assign_pointer(p, &second);
	CHECK_EQ(*tutti_rcu_dereference(p), 2);
	tutti_rcu_read_unlock();
}

int main(void)
{
	test_held();
	test_pointer();
	test_calls();
	test_again();
	test_synchronize();
	test_many();
	return 0;
}
