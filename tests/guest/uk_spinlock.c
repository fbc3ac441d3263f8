// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35 sched=preempt,coop
/*
 * uk/spinlock.h: every function and macro. Mutual exclusion between threads on all CPUs through each way to take the
 * lock; results of the trylock forms; what happens to interrupts and to the preemption count in each. A waiter that comes while
 * others wait has its turn after them (see also spin_fairness.c and spin_torture.c).
 */
#include "check.h"

#include <uk/spinlock.h>

#define THREADS 4
#define ROUNDS	20000

static uk_spinlock lock = UK_SPINLOCK_INITIALIZER();
static struct uk_spinlock other;
static long counter, inside;

static unsigned preempt(void)
{
	return percpu_read(preempt_count);
}

static void section(void)
{
	/* not atomic on purpose: only the lock keeps this together */
	inside++;
	counter++;
	__asm__ volatile("pause" ::: "memory");
	if (*(volatile long *)&inside != 1)
		__atomic_store_n(&counter, -1000000000, __ATOMIC_RELAXED);
	inside--;
}

static void *worker(void *arg)
{
	unsigned long flags;

	for (long i = 0; i < ROUNDS; i++) {
		switch ((i + (long)arg) % 6) {
		case 0:
			uk_spin_lock(&lock);
			section();
			uk_spin_unlock(&lock);
			break;
		case 1:
			uk_spin_lock_irq(&lock);
			section();
			uk_spin_unlock_irq(&lock);
			break;
		case 2:
			uk_spin_lock_irqsave(&lock, flags);
			section();
			uk_spin_unlock_irqrestore(&lock, flags);
			break;
		case 3:
			while (!uk_spin_trylock(&lock))
				sched_yield();
			section();
			uk_spin_unlock(&lock);
			break;
		case 4:
			while (!uk_spin_trylock_irq(&lock))
				sched_yield();
			section();
			uk_spin_unlock_irq(&lock);
			break;
		default:
			while (!uk_spin_trylock_irqsave(&lock, flags))
				sched_yield();
			section();
			uk_spin_unlock_irqrestore(&lock, flags);
		}
	}
	return NULL;
}

/* Facts are gathered while the lock is held and judged after: a check that fails prints, which may sleep. */
static void states(void)
{
	unsigned p0 = preempt(), p;
	unsigned long flags;
	bool off, is;
	int got;

	CHECK(!arch_irqs_disabled());
	other.word = 77;
	uk_spin_init(&other);
	CHECK(!uk_spin_is_locked(&other));

	uk_spin_lock(&other);
	uk_spin_assert_held(&other);
	p = preempt();
	off = arch_irqs_disabled();
	is = uk_spin_is_locked(&other);
	got = uk_spin_trylock(&other);
	uk_spin_unlock(&other);
	CHECK(p == p0 + 1 && !off && is && !got && preempt() == p0 && !uk_spin_is_locked(&other));

	got = uk_spin_trylock(&other);
	p = preempt();
	uk_spin_unlock(&other);
	CHECK(got && p == p0 + 1 && preempt() == p0);

	uk_spin_lock(&other);
	spin_unlock_no_resched(&other);
	CHECK(preempt() == p0 && !uk_spin_is_locked(&other));

	/* a queue that nobody serves at the moment: free, and not for who does not wait */
	other.word = 1u << 16;
	got = uk_spin_trylock(&other);
	CHECK(!got && !uk_spin_is_locked(&other) && preempt() == p0);
	uk_spin_init(&other);

	uk_spin_lock_irq(&other);
	off = arch_irqs_disabled();
	p = preempt();
	uk_spin_unlock_irq(&other);
	CHECK(off && p == p0 + 1 && !arch_irqs_disabled() && preempt() == p0);

	got = uk_spin_trylock_irq(&other);
	off = arch_irqs_disabled();
	uk_spin_unlock_irq(&other);
	CHECK(got && off && !arch_irqs_disabled() && preempt() == p0);

	/* refused: interrupts are on again, the count is as before */
	uk_spin_lock(&other);
	got = uk_spin_trylock_irq(&other);
	off = arch_irqs_disabled();
	p = preempt();
	uk_spin_unlock(&other);
	CHECK(!got && !off && p == p0 + 1 && preempt() == p0);

	uk_spin_lock_irqsave(&other, flags);
	off = arch_irqs_disabled();
	uk_spin_unlock_irqrestore(&other, flags);
	CHECK(off && !arch_irqs_disabled() && preempt() == p0);

	/* inside a section with interrupts off they stay off */
	arch_irq_disable();
	uk_spin_lock_irqsave(&other, flags);
	uk_spin_unlock_irqrestore(&other, flags);
	off = arch_irqs_disabled();
	got = uk_spin_trylock_irqsave(&other, flags);
	is = uk_spin_is_locked(&other);
	uk_spin_unlock_irqrestore(&other, flags);
	off = off && arch_irqs_disabled();
	arch_irq_enable();
	CHECK(off && got && is && preempt() == p0);

	uk_spin_lock(&other);
	got = uk_spin_trylock_irqsave(&other, flags);
	off = arch_irqs_disabled();
	uk_spin_unlock(&other);
	CHECK(!got && !off && preempt() == p0);
}

int main(void)
{
	pthread_t t[THREADS];

	states();
	for (long i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&t[i], NULL, worker, (void *)i));
	for (int i = 0; i < THREADS; i++)
		CHECK_OK(pthread_join(t[i], NULL));
	CHECK_EQ(counter, (long)THREADS * ROUNDS);
	states();
	return 0;
}
