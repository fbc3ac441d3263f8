// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 cpus=1,2,4 sched=preempt,coop
/*
 * PI locks as futex(2) has them: whom the word names, every error, time-outs of both clocks, deadlock found through several
 * locks, an owner's death, mutual exclusion. (Who runs first because of them: futex_inherit.c.)
 */
#include <signal.h>

#include "check.h"
#include "futex.h"

enum { FIGHTERS = 6, CHAIN = 4 };

static _Atomic uint32_t lock, chain[CHAIN + 1], go, tid_of_dead, tid_of_holder;

static void wait_for_waiter(_Atomic uint32_t *word)
{
	while (!(atomic_load(word) & FUTEX_WAITERS))
		sched_yield();
}

static void *note_tid(void *arg)
{
	atomic_store(&tid_of_dead, futex_tid());
	return arg;
}

static void single(void)
{
	const uint32_t me = futex_tid();

	CHECK_EQ(futex_unlock_pi(&lock), -EPERM);
	CHECK_EQ(futex_lock_pi(&lock, NULL), 0);
	CHECK_EQ(atomic_load(&lock), me);
	CHECK_EQ(futex_lock_pi(&lock, NULL), -EDEADLK);
	CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EDEADLK);
	CHECK_EQ(futex_unlock_pi(&lock), 0);
	CHECK_EQ(atomic_load(&lock), 0);
	CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(atomic_load(&lock), me);
	atomic_fetch_or(&lock, FUTEX_WAITERS); /* a waiter that gave up leaves the bit */
	CHECK_EQ(futex_unlock_pi(&lock), 0);
	CHECK_EQ(atomic_load(&lock), 0);
	/* what a dead owner left: the new one can see it */
	atomic_store(&lock, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(atomic_load(&lock), me | FUTEX_OWNER_DIED);
	CHECK_EQ(futex_unlock_pi(&lock), 0);
	CHECK_EQ(atomic_load(&lock), 0);
	check_join(check_spawn(note_tid, NULL));
	atomic_store(&lock, atomic_load(&tid_of_dead));
	CHECK_EQ(futex_lock_pi(&lock, NULL), -ESRCH);
	CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -ESRCH);
	CHECK_EQ(futex_unlock_pi(&lock), -EPERM);
	atomic_store(&lock, FUTEX_TID_MASK);
	CHECK_EQ(futex_lock_pi(&lock, NULL), -ESRCH);
	atomic_store(&lock, 0);
}

static void *hold(void *arg)
{
	CHECK_EQ(futex_lock_pi(&lock, NULL), 0);
	atomic_store(&tid_of_holder, futex_tid());
	atomic_store(&go, 1);
	futex_wake(&go, 1);
	while (atomic_load(&go) != 2)
		futex_wait(&go, 1);
	CHECK_EQ(pi_unlock(&lock), 0);
	return arg;
}

static void *want(void *arg)
{
	CHECK_EQ(futex_lock_pi(&lock, NULL), 0);
	CHECK_EQ(atomic_load(&lock) & FUTEX_TID_MASK, futex_tid());
	CHECK_EQ(pi_unlock(&lock), 0);
	return arg;
}

static void *sleeper(void *arg)
{
	long r;

	while ((r = futex_wait(&lock, 0)) == -EAGAIN)
		sched_yield();
	CHECK_EQ(r, 0);
	return arg;
}

static void held_by_another(void)
{
	pthread_t t, waiter;
	struct timespec at;
	long n;

	atomic_store(&go, 0);
	t = check_spawn(hold, NULL);
	while (atomic_load(&go) != 1)
		futex_wait(&go, 0);
	CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EAGAIN);
	CHECK_EQ(futex_unlock_pi(&lock), -EPERM);
	at = (struct timespec){ 0, 1 };
	CHECK_EQ(futex_lock_pi(&lock, &at), -ETIMEDOUT);
	CHECK_EQ(futex(&lock, FUTEX_LOCK_PI2, 0, &at, NULL, 0), -ETIMEDOUT);
	at = check_after(CLOCK_REALTIME, 3000000);
	CHECK_EQ(futex_lock_pi(&lock, &at), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
	at = check_after(CLOCK_REALTIME, 3000000);
	CHECK_EQ(futex(&lock, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, &at, NULL, 0), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_REALTIME) >= (int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
	at = check_after(CLOCK_MONOTONIC, 3000000);
	CHECK_EQ(futex(&lock, FUTEX_LOCK_PI2, 0, &at, NULL, 0), -ETIMEDOUT);
	CHECK(check_clock(CLOCK_MONOTONIC) >= (int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
	/* Both kinds of waiting do not mix. (The bit may still be there from us: the kernel's answer says when he sleeps.) */
	waiter = check_spawn(want, NULL);
	while ((n = futex_wake(&lock, 1)) == 0)
		sched_yield();
	CHECK_EQ(n, -EINVAL);
	CHECK_EQ(futex(&go, FUTEX_REQUEUE, 0, (void *)1, &lock, 0), -EINVAL);
	CHECK_EQ(futex(&lock, FUTEX_REQUEUE, 0, (void *)1, &go, 0), -EINVAL);
	CHECK_EQ(futex(&go, FUTEX_WAKE_OP, 0, (void *)1, &lock, WAKE_OP(OP_OR, 0, CMP_EQ, 0)), -EINVAL);
	atomic_store(&go, 2);
	futex_wake(&go, 1);
	check_join(t);
	check_join(waiter);
	CHECK_EQ(atomic_load(&lock), 0);

	/* The word is the truth: with a waiter in the kernel, the program writes another owner. */
	atomic_store(&go, 0);
	t = check_spawn(hold, NULL);
	while (atomic_load(&go) != 1)
		futex_wait(&go, 0);
	waiter = check_spawn(want, NULL);
	wait_for_waiter(&lock);
	atomic_store(&lock, futex_tid() | FUTEX_WAITERS);
	CHECK_EQ(futex_unlock_pi(&lock), 0);
	check_join(waiter);
	CHECK_EQ(atomic_load(&lock), 0);
	CHECK_EQ(pi_lock(&lock), 0); /* the holder would not let go of what is not his */
	atomic_store(&lock, atomic_load(&tid_of_holder));
	atomic_store(&go, 2);
	futex_wake(&go, 1);
	check_join(t);
	CHECK_EQ(atomic_load(&lock), 0);

	t = check_spawn(sleeper, NULL);
	while ((n = futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0)) == 0) {
		CHECK_EQ(pi_unlock(&lock), 0);
		sched_yield();
	}
	CHECK_EQ(n, -EINVAL);
	CHECK_EQ(futex_wake(&lock, 1), 1);
	check_join(t);
}

/* Thread i has lock i and wants lock i + 1. */
static void *link_of_chain(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	CHECK_EQ(futex_lock_pi(&chain[i], NULL), 0);
	atomic_fetch_add(&go, 1);
	CHECK_EQ(futex_lock_pi(&chain[i + 1], NULL), 0);
	CHECK_EQ(pi_unlock(&chain[i + 1]), 0);
	CHECK_EQ(pi_unlock(&chain[i]), 0);
	return NULL;
}

static void deadlock(void)
{
	pthread_t t[CHAIN];

	atomic_store(&go, 0);
	CHECK_EQ(futex_lock_pi(&chain[CHAIN], NULL), 0);
	for (uintptr_t i = CHAIN; i-- > 0;) {
		t[i] = check_spawn(link_of_chain, (void *)i);
		wait_for_waiter(&chain[i + 1]);
	}
	for (int i = 0; i < CHAIN; i++) {
		CHECK_EQ(futex_lock_pi(&chain[i], NULL), -EDEADLK);
		CHECK_EQ(futex(&chain[i], FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EAGAIN); /* it would not have waited */
	}
	CHECK_EQ(pi_unlock(&chain[CHAIN]), 0);
	for (int i = 0; i < CHAIN; i++)
		check_join(t[i]);
	for (int i = 0; i <= CHAIN; i++)
		CHECK_EQ(atomic_load(&chain[i]), 0);
}

static void *die_with_it(void *arg)
{
	CHECK_EQ(futex_lock_pi(&lock, NULL), 0);
	atomic_store(&go, 1);
	futex_wake(&go, 1);
	wait_for_waiter(&lock);
	return arg;
}

static void *inherit(void *arg)
{
	CHECK_EQ(futex_lock_pi(&lock, NULL), 0);
	CHECK_EQ(atomic_load(&lock) & ~FUTEX_WAITERS, futex_tid() | FUTEX_OWNER_DIED);
	CHECK_EQ(futex_unlock_pi(&lock), 0);
	return arg;
}

static void death(void)
{
	pthread_t t, heir;

	atomic_store(&go, 0);
	t = check_spawn(die_with_it, NULL);
	while (atomic_load(&go) != 1)
		futex_wait(&go, 0);
	heir = check_spawn(inherit, NULL);
	check_join(heir);
	check_join(t);
	CHECK_EQ(atomic_load(&lock), 0);
}

static long counter, rounds;
static int inside;
static _Atomic long signals, times;

static void on_signal(int n)
{
	(void)n;
	atomic_fetch_add(&signals, 1);
}

/* Every third try has a time limit; a signal that comes meanwhile must not show. */
static void *fight(void *arg)
{
	uint64_t rng = 77 + (uintptr_t)arg;

	for (long n = 0; n < rounds;) {
		long r;

		if ((uintptr_t)arg % 3 == 0) {
			struct timespec at = check_after(CLOCK_REALTIME, (int64_t)(check_random(&rng) % 200000));

			r = futex_lock_pi(&lock, &at);
			CHECK(r == 0 || r == -ETIMEDOUT);
			if (r) {
				atomic_fetch_add(&times, 1);
				n++;
				continue;
			}
		} else {
			r = pi_lock(&lock);
			CHECK_EQ(r, 0);
		}
		CHECK_EQ(atomic_load(&lock) & ~FUTEX_WAITERS, futex_tid());
		CHECK_EQ(inside++, 0);
		counter++;
		if (check_random(&rng) % 16 == 0)
			sched_yield();
		CHECK_EQ(--inside, 0);
		CHECK_EQ(pi_unlock(&lock), 0);
		n++;
	}
	return NULL;
}

static void exclusion(void)
{
	struct sigaction act = { .sa_handler = on_signal }; /* without SA_RESTART */
	pthread_t t[FIGHTERS];

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	rounds = check_rounds(800);
	counter = 0;
	for (uintptr_t i = 0; i < FIGHTERS; i++)
		t[i] = check_spawn(fight, (void *)i);
	for (int n = 0; n < 60; n++) {
		CHECK_OK(pthread_kill(t[n % FIGHTERS], SIGUSR1));
		sched_yield();
	}
	for (int i = 0; i < FIGHTERS; i++)
		check_join(t[i]);
	CHECK_EQ(counter + atomic_load(&times), FIGHTERS * rounds);
	CHECK_EQ(atomic_load(&lock) & FUTEX_TID_MASK, 0);
}

int main(void)
{
	single();
	held_by_another();
	deadlock();
	death();
	exclusion();
	return 0;
}
