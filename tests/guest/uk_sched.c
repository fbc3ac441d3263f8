// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/sched.h: threads with no, one and two arguments, their private pointer and destructor, libc in them; termination of one that
 * yields, sleeps, is blocked, and its destructors; walking over threads that come and go; a small stack size.
 */
#include <uk/sched.h>

#include "check.h"

static int ran, destroyed;
static char token[3];

static void dtor(struct uk_thread *t)
{
	CHECK(t == uk_thread_current() && tutti_thread_priv(t) == &token[1]);
	__atomic_fetch_add(&destroyed, 1, __ATOMIC_SEQ_CST);
}

__attribute__((noreturn)) static void with_none(void)
{
	void *p = malloc(100);

	CHECK(p);
	snprintf(p, 100, "%p", p);
	free(p);
	CHECK(tutti_thread_priv(uk_thread_current()) == &token[0]);
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
	uk_sched_thread_exit();
}

__attribute__((noreturn)) static void with_one(void *a)
{
	CHECK(a == &token[2]);
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
	uk_sched_thread_exit();
}

__attribute__((noreturn)) static void with_two(void *a, void *b)
{
	CHECK(a == &token[0] && b == &token[1]);
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
	uk_sched_thread_exit();
}

static void until(int *what, int n)
{
	while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < n)
		uk_sched_yield();
	CHECK_EQ(__atomic_load_n(what, __ATOMIC_SEQ_CST), n);
}

static void creation(void)
{
	struct uk_sched *s = uk_sched_current();

	ran = destroyed = 0;
	CHECK(uk_sched_thread_create_fn0(s, with_none, 0, 0, false, false, "none", &token[0], NULL));
	CHECK(uk_sched_thread_create_fn1(s, with_one, &token[2], 16384, 4096, true, true, NULL, &token[1], dtor));
	CHECK(uk_sched_thread_create_fn2(s, with_two, &token[0], &token[1], 0, 0, false, false, "two", &token[1],
					 dtor));
	until(&ran, 3);
	until(&destroyed, 2);
}

enum { YIELDS, SLEEPS, BLOCKS, WAYS };
static int alive;

__attribute__((noreturn)) static void victim(void *way)
{
	__atomic_fetch_add(&alive, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		switch ((intptr_t)way) {
		case YIELDS:
			uk_sched_yield();
			break;
		case SLEEPS:
			uk_sched_thread_sleep(1000000000000);
			break;
		case BLOCKS:
			uk_thread_block(uk_thread_current());
			uk_sched_yield();
		}
	}
}

static void termination(void)
{
	for (int i = 0; i < 6 * WAYS; i++) {
		struct uk_thread *t;

		alive = destroyed = 0;
		t = uk_sched_thread_create_fn1(NULL, victim, (void *)(intptr_t)(i % WAYS), 0, 0, false, false, "victim",
					       &token[1], dtor);
		CHECK(t);
		/* it has begun, or not yet */
		if (i % 2)
			until(&alive, 1);
		uk_sched_thread_terminate(t);
		until(&destroyed, 1);
	}
}

static void *comes_and_goes(void *arg)
{
	return arg;
}

static void walking(void)
{
	struct uk_thread *t, *tmp = NULL;
	bool found = false;
	int n;

	for (int i = 0; i < 20; i++) {
		pthread_t p = check_spawn(comes_and_goes, NULL);

		n = 0;
		found = false;
		uk_sched_foreach_thread(uk_sched_current(), t)
		{
			found |= t == uk_thread_current();
			CHECK(strlen(tutti_thread_name(t)) < 24);
			CHECK(++n < 100);
		}
		CHECK(found);
		check_join(p);
		uk_sched_foreach_thread_safe(uk_sched_current(), t, tmp) if (t == uk_thread_current()) break;
		CHECK(t == uk_thread_current());
	}
	CHECK(uk_sched_idle_thread(uk_sched_current(), 0) && !uk_sched_idle_thread(uk_sched_current(), 100000));
	uk_sched_dumpk_threads(0, uk_sched_current());
}

static void *leaves(void *arg)
{
	(void)arg;
	uk_sched_thread_exit();
}

/* A thread that is terminated ends once: its destructors may yield, and get to their ends. */
static pthread_key_t key;
static struct uk_thread *to_end;
static int cleaned;

static void cleans(void *value)
{
	CHECK(value == &cleaned);
	uk_sched_yield();
	uk_sched_thread_sleep(1000);
	__atomic_store_n(&cleaned, 1, __ATOMIC_SEQ_CST);
}

static void *waits_for_its_end(void *arg)
{
	CHECK_OK(pthread_setspecific(key, &cleaned));
	__atomic_store_n(&to_end, uk_thread_current(), __ATOMIC_SEQ_CST);
	for (;;)
		uk_sched_yield();
	return arg;
}

static void destructors(void)
{
	pthread_t t;

	CHECK_OK(pthread_key_create(&key, cleans));
	t = check_spawn(waits_for_its_end, NULL);
	while (!__atomic_load_n(&to_end, __ATOMIC_SEQ_CST))
		uk_sched_yield();
	uk_sched_thread_terminate(to_end);
	CHECK(!check_join(t) && __atomic_load_n(&cleaned, __ATOMIC_SEQ_CST));
}

int main(void)
{
	creation();
	termination();
	walking();
	destructors();
	/* a pthread too */
	CHECK(!check_join(check_spawn(leaves, &ran)));
	return 0;
}
