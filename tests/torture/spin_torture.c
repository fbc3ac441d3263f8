// SPDX-License-Identifier: BSD-3-Clause
// test: replay=20 cpus=1,2,4,8 sched=preempt,coop timeout=120
/*
 * Spin locks by chance: threads, more than CPUs, take one to three of a few locks in the order of their addresses, waiting or trying, with
 * interrupts on, off, or off from the second lock on, and hold them for a while of random length.
 *
 * Invariants: whoever is inside is there alone (the owner's word, and two plain counters that must agree); preemption is off
 * inside by as many as locks are held, interrupts are what the form of the call says, and both are as before afterwards; trylock
 * fails on a lock that the thread holds; in the end the counters are what the threads have counted and every lock's word is 0.
 */
#include "torture.h"

#include <uk/spinlock.h>

enum { LOCKS = 4, THREADS = 10, NEST = 3 };

static struct {
	uk_spinlock lock;
	long owner, first, second; /* plain, under the lock */
} __attribute__((aligned(64))) place[LOCKS];

static long counted[THREADS][LOCKS];

/* Facts are gathered while locks are held and judged after: a check that fails prints, which may sleep. */
static const char *wrong_inside(long me, int which, unsigned held, bool off)
{
	const char *wrong = NULL;

	if (place[which].owner)
		wrong = "somebody else is inside";
	place[which].owner = me + 1;
	place[which].first++;
	if (percpu_read(preempt_count) != held)
		wrong = "preemption count inside";
	if (arch_irqs_disabled() != off)
		wrong = "interrupt flag inside";
	if (!uk_spin_is_locked(&place[which].lock))
		wrong = "held and not locked";
	return wrong;
}

static const char *wrong_leaving(long me, int which)
{
	const char *wrong = NULL;

	if (place[which].owner != me + 1)
		wrong = "somebody else came inside";
	place[which].owner = 0;
	if (place[which].first != ++place[which].second)
		wrong = "the counters disagree";
	return wrong;
}

static void hold(unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		__asm__ volatile("" ::: "memory");
}

/* From lock `which` on: take it, maybe another one inside, give it back. False: a trylock failed, nothing is held. */
static bool nested(long me, uint64_t *rnd, int which, unsigned held, bool off, const char **wrong)
{
	unsigned form = torture_below(rnd, 6), turns = torture_below(rnd, 64), try;
	int next = which + 1 + (int)torture_below(rnd, LOCKS);
	struct uk_spinlock *l = &place[which].lock;
	const char *w;
	unsigned long flags = 0;

	/* _irq forms turn interrupts on at the end: only where they were */
	if (off && (form == 1 || form == 4))
		form++;
	switch (form) {
	case 0:
		uk_spin_lock(l);
		break;
	case 1:
		uk_spin_lock_irq(l);
		break;
	case 2:
		uk_spin_lock_irqsave(l, flags);
		break;
	case 3:
		if (!uk_spin_trylock(l))
			return false;
		break;
	case 4:
		if (!uk_spin_trylock_irq(l))
			return false;
		break;
	default:
		if (!uk_spin_trylock_irqsave(l, flags))
			return false;
	}
	off = off || form % 3;
	w = wrong_inside(me, which, held + 1, off);
	*wrong = w ? w : *wrong;
	counted[me][which]++;
	try = form % 3 ? 0 : (unsigned)uk_spin_trylock(l);
	if (try)
		*wrong = "trylock of a lock that is held";
	hold(turns);
	if (next < LOCKS && held + 1 < NEST)
		nested(me, rnd, next, held + 1, off, wrong);
	w = wrong_leaving(me, which);
	*wrong = w ? w : *wrong;
	if (form % 3 == 0)
		uk_spin_unlock(l);
	else if (form % 3 == 1)
		uk_spin_unlock_irq(l);
	else
		uk_spin_unlock_irqrestore(l, flags);
	return true;
}

static void *worker(void *arg)
{
	long me = (long)arg;
	uint64_t rnd = torture_stream((unsigned)me);
	unsigned mine = 0;

	while (torture_more(&mine)) {
		const char *wrong = NULL;
		bool got = nested(me, &rnd, (int)torture_below(&rnd, LOCKS), 0, false, &wrong);

		if (!wrong && arch_irqs_disabled())
			wrong = "interrupts are off afterwards";
		if (!wrong && percpu_read(preempt_count))
			wrong = "preemption is off afterwards";
		if (wrong)
			torture_fail("%s", wrong);
		if (!got || torture_below(&rnd, 16) == 0)
			sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];

	torture_begin(argc, argv, check_cpus() > 2 ? 8000 : 40000);
	for (long i = 0; i < THREADS; i++)
		t[i] = check_spawn(worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (int l = 0; l < LOCKS; l++) {
		long sum = 0;

		for (int i = 0; i < THREADS; i++)
			sum += counted[i][l];
		TORTURE_CHECK(place[l].first == sum && place[l].second == sum && place[l].lock.word == 0);
	}
	return torture_end();
}
