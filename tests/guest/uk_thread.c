// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/thread.h: a wake-up between announcement and yield is not lost, on whichever CPU it happens; time-outs are not early;
 * the state macros say what is; another thread's thread-local variables are reached.
 */
#include <uk/sched.h>
#include <uk/thread.h>

#include "check.h"

static struct uk_thread *left, *right;
static int turn, ended;
static __thread long mine = 5;
static long rounds;

static void wait_for(int me)
{
	struct uk_thread *self = uk_thread_current();

	for (;;) {
		uk_thread_block(self);
		if (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) == me)
			break;
		uk_sched_yield();
	}
	/* announced, but there is no need: a yield returns, because the wake-up takes the announcement back */
	uk_thread_wake(self);
	CHECK(uk_thread_is_runnable(self));
}

__attribute__((noreturn)) static void player(void *arg)
{
	int me = (int)(intptr_t)arg;
	struct uk_thread **other = me ? &left : &right;

	mine = 100 + me;
	for (long i = 0; i < rounds; i++) {
		wait_for(me);
		__atomic_store_n(&turn, !me, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(other, __ATOMIC_SEQ_CST))
			uk_sched_yield();
		uk_thread_wake(*other);
	}
	/* until the main thread has seen all there is to see */
	__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		uk_thread_block(uk_thread_current());
		if (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) >= 3)
			break;
		uk_sched_yield();
	}
	uk_thread_wake(uk_thread_current());
	__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
	uk_thread_exit();
}

static void time_outs(void)
{
	struct uk_thread *self = uk_thread_current();
	int64_t at = check_clock(CLOCK_MONOTONIC), until;

	while (check_clock(CLOCK_MONOTONIC) < at + 2000000) {
		uk_thread_block_timeout(self, at + 2000000 - check_clock(CLOCK_MONOTONIC));
		uk_sched_yield();
	}
	/* absolute; in the past: at once */
	uk_thread_block_until(self, 1);
	uk_sched_yield();
	CHECK(uk_thread_is_runnable(self));
	at = check_clock(CLOCK_MONOTONIC);
	until = at;
	uk_sched_thread_sleep(3000000);
	CHECK(check_clock(CLOCK_MONOTONIC) - until >= 3000000);
	/* woken before it sleeps */
	uk_thread_block(self);
	CHECK(uk_thread_is_blocked(self) && !uk_thread_is_exited(self));
	uk_thread_wake(self);
	uk_sched_yield();
}

int main(void)
{
	struct uk_thread *a, *b;

	rounds = check_rounds(3000);
	CHECK(uk_thread_current() && uk_sched_current());
	time_outs();
	a = uk_sched_thread_create(uk_sched_current(), player, 0, "left");
	b = uk_sched_thread_create(NULL, player, 1, "right");
	CHECK(a && b && a != b);
	__atomic_store_n(&left, a, __ATOMIC_SEQ_CST);
	__atomic_store_n(&right, b, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < 2)
		uk_sched_thread_sleep(100000);
	CHECK(!strcmp(tutti_thread_name(a), "left") && !tutti_thread_priv(a));
	CHECK(uk_thread_uktls_var(a, mine) == 100 && uk_thread_uktls_var(b, mine) == 101);
	CHECK(uk_thread_uktls_var(uk_thread_current(), mine) == 5);
	__atomic_store_n(&ended, 3, __ATOMIC_SEQ_CST);
	uk_thread_wake(a);
	uk_thread_wake(b);
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < 5)
		uk_sched_yield();
	return 0;
}
