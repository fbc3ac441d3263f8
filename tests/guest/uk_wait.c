// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * uk/wait.h, uk/wait_types.h, uk/isr/wait.h: every form; no wake-up is lost between two threads that hand a turn to and fro;
 * wake_up_one wakes one after the other; results of the deadline forms; conditions under a spin lock and a mutex.
 */
#include "check.h"

#include <uk/isr/wait.h>
#include <uk/mutex.h>
#include <uk/wait.h>

enum { THREADS = 4, ROUNDS = 2000 };

static DEFINE_WAIT_QUEUE(queue);
static struct uk_waitq made, here = __WAIT_QUEUE_INITIALIZER(here);
static struct uk_mutex mutex = UK_MUTEX_INITIALIZER(mutex);
static uk_spinlock spin = UK_SPINLOCK_INITIALIZER();
static long turn, tokens, taken;
static int flag;

static int64_t now(void)
{
	return check_clock(CLOCK_MONOTONIC);
}

static long read_turn(void)
{
	return __atomic_load_n(&turn, __ATOMIC_SEQ_CST);
}

/* Each round in another form. */
static void *player(void *arg)
{
	long me = (long)arg, rounds = check_rounds(ROUNDS);

	for (long r = 0; r < rounds; r++) {
		long mine = 2 * r + me;

		switch (r % 5) {
		case 0:
			CHECK_EQ(uk_waitq_wait_event(&queue, read_turn() == mine), 0);
			break;
		case 1:
			while (uk_waitq_wait_event_deadline(&queue, read_turn() == mine, now() + 20000))
				;
			break;
		case 2:
			uk_mutex_lock(&mutex);
			CHECK_EQ(uk_waitq_wait_event_mutex(&queue, read_turn() == mine, &mutex), 0);
			uk_mutex_unlock(&mutex);
			break;
		case 3:
			uk_spin_lock(&spin);
			CHECK_EQ(uk_waitq_wait_event_locked(&queue, read_turn() == mine, uk_spin_lock, uk_spin_unlock,
							    &spin),
				 0);
			uk_spin_unlock(&spin);
			break;
		default:
			uk_mutex_lock(&mutex);
			while (read_turn() != mine)
				uk_waitq_wait_locked(&queue, uk_mutex_lock, uk_mutex_unlock, &mutex);
			uk_mutex_unlock(&mutex);
		}
		/* the last form has no condition of its own: what it waits for changes with its lock held */
		uk_mutex_lock(&mutex);
		__atomic_store_n(&turn, mine + 1, __ATOMIC_SEQ_CST);
		if (r % 2)
			uk_waitq_wake_up(&queue);
		else
			uk_waitq_wake_up_isr(&queue);
		uk_mutex_unlock(&mutex);
	}
	return NULL;
}

static bool take(void)
{
	long n = __atomic_load_n(&tokens, __ATOMIC_SEQ_CST);

	while (n > 0)
		if (__atomic_compare_exchange_n(&tokens, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* One wake-up for each token. */
static void *consumer(void *arg)
{
	(void)arg;
	for (;;) {
		uk_waitq_wait_event(&made, __atomic_load_n(&flag, __ATOMIC_SEQ_CST) || take());
		if (__atomic_load_n(&flag, __ATOMIC_SEQ_CST))
			return NULL;
		if (__atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST) == check_rounds(ROUNDS)) {
			__atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
			uk_waitq_wake_up(&made);
		}
	}
}

static void by_hand(void)
{
	DEFINE_WAIT(me);
	struct uk_waitq_entry other;

	uk_waitq_entry_init(&other, current_thread());
	CHECK(uk_waitq_empty(&here));
	uk_waitq_add(&here, &me);
	uk_waitq_add(&here, &me);
	uk_waitq_add(&here, &other);
	CHECK(!uk_waitq_empty(&here));
	uk_waitq_remove(&here, &me);
	uk_waitq_remove(&here, &me);
	CHECK(!uk_waitq_empty(&here));
	uk_waitq_remove(&here, &other);
	CHECK(uk_waitq_empty(&here));
	uk_waitq_add_waiter(&here, &me);
	CHECK(!uk_waitq_empty(&here));
	uk_waitq_wake_up_one(&here);
	uk_waitq_remove_waiter(&here, &me);
	CHECK(uk_waitq_empty(&here));
}

static void deadlines(void)
{
	int64_t start = now();
	bool told = false;

	CHECK_EQ(uk_waitq_wait_event_deadline(&here, told, start + 2000000), 1);
	CHECK(now() >= start + 2000000);
	CHECK_EQ(uk_waitq_wait_event_deadline(&here, told, 1), 1);
	CHECK_EQ(uk_waitq_wait_event_deadline(&here, told, -1), 1);
	CHECK_EQ(uk_waitq_wait_event_deadline(&here, !told, 1), 0);
	/* a condition that becomes true by the deadline counts */
	CHECK_EQ(uk_waitq_wait_event_deadline(&here, now() >= start + 4000000, start + 4000000), 0);
	uk_spin_lock(&spin);
	CHECK_EQ(uk_waitq_wait_event_deadline_locked(&here, told, now() + 100000, uk_spin_lock, uk_spin_unlock, &spin),
		 1);
	uk_spin_unlock(&spin);
	CHECK(uk_waitq_empty(&here));
}

int main(void)
{
	pthread_t t[THREADS];

	uk_waitq_init(&made);
	by_hand();
	deadlines();
	for (long i = 0; i < 2; i++)
		t[i] = check_spawn(player, (void *)i);
	for (int i = 0; i < 2; i++)
		check_join(t[i]);
	CHECK_EQ(turn, 2 * check_rounds(ROUNDS));
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(consumer, NULL);
	for (long i = 0; i < check_rounds(ROUNDS); i++) {
		__atomic_fetch_add(&tokens, 1, __ATOMIC_SEQ_CST);
		uk_waitq_wake_up_one(&made);
		if (i % 16 == 0)
			sched_yield();
	}
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	CHECK_EQ(taken, check_rounds(ROUNDS));
	CHECK_EQ(tokens, 0);
	CHECK(uk_waitq_empty(&made) && uk_waitq_empty(&queue));
	return 0;
}
