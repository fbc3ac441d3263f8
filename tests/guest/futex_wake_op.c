// SPDX-License-Identifier: BSD-3-Clause
// test: replay=5 cpus=1,2,4
/*
 * FUTEX_WAKE_OP: every operation and comparison against a table worked out here; the counts of both words; more sleepers
 * than the kernel wakes in one go; the operation is atomic against others and against the program's own.
 */
#include "check.h"
#include "futex.h"

enum { ADDERS = 4, SLEEPERS = 40 };

static uint32_t expected(int op, uint32_t arg, uint32_t old)
{
	if (op & OP_ARG_SHIFT)
		arg = 1u << (arg & 31);
	switch (op & 7) {
	case OP_SET:
		return arg;
	case OP_ADD:
		return old + arg;
	case OP_OR:
		return old | arg;
	case OP_ANDN:
		return old & ~arg;
	default:
		return old ^ arg;
	}
}

static bool holds(int cmp, int32_t old, int32_t arg)
{
	return cmp == CMP_EQ   ? old == arg
	       : cmp == CMP_NE ? old != arg
	       : cmp == CMP_LT ? old < arg
	       : cmp == CMP_LE ? old <= arg
	       : cmp == CMP_GT ? old > arg
			       : old >= arg;
}

static _Atomic uint32_t first, second, returned;

static void *sleep_on(void *arg)
{
	_Atomic uint32_t *word = arg;
	long r;

	while ((r = futex_wait(word, atomic_load(word))) == -EAGAIN)
		;
	CHECK_EQ(r, 0);
	atomic_fetch_add(&returned, 1);
	return NULL;
}

/* The comparison decides whether the second word's sleeper is woken: one on each word, all pairs of operation and comparison. */
static void results(void)
{
	static const int32_t values[] = { 0, 1, -1, 5, 2047, -2048, INT32_MAX, INT32_MIN };
	static const int32_t args[] = { 0, 1, 5, 31, 2047, -1, -2048 };
	_Atomic uint32_t word, nobody = 0;

	for (int op = 0; op <= (OP_XOR | OP_ARG_SHIFT); op++) {
		if ((op & 7) > OP_XOR)
			continue;
		for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++)
			for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++) {
				if ((op & OP_ARG_SHIFT) && (args[i] < 0 || args[i] > 31))
					continue;
				atomic_store(&word, (uint32_t)values[v]);
				CHECK_EQ(futex(&nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &word,
					       WAKE_OP(op, args[i], CMP_EQ, 0)),
					 0);
				CHECK_EQ(atomic_load(&word), expected(op, (uint32_t)args[i], (uint32_t)values[v]));
			}
	}
	CHECK_EQ(futex(&nobody, FUTEX_WAKE_OP, 1, (void *)1, &word, WAKE_OP(5, 0, CMP_EQ, 0)), -ENOSYS);
	CHECK_EQ(futex(&nobody, FUTEX_WAKE_OP, 1, (void *)1, &word, WAKE_OP(OP_SET, 0, 6, 0)), -ENOSYS);
}

static void comparisons(void)
{
	static const int32_t values[] = { 4, 5, 6, -1 };
	pthread_t t;

	for (int cmp = CMP_EQ; cmp <= CMP_GE; cmp++)
		for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
			long n;

			atomic_store(&second, (uint32_t)values[v]);
			t = check_spawn(sleep_on, (void *)&second);
			/* OR 0 leaves the value: nobody is disturbed until the sleeper is counted */
			if (holds(cmp, values[v], 5)) {
				while ((n = futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &second,
						  WAKE_OP(OP_OR, 0, cmp, 5))) == 0)
					sched_yield();
				CHECK_EQ(n, 1);
			} else {
				for (int i = 0; i < 20; i++) {
					CHECK_EQ(futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &second,
						       WAKE_OP(OP_OR, 0, cmp, 5)),
						 0);
					sched_yield();
				}
				while ((n = futex_wake(&second, 1)) == 0)
					sched_yield();
				CHECK_EQ(n, 1);
			}
			check_join(t);
		}
}

/* Crowds on both words: the limits hold, and all that is allowed is woken though it takes several goes. */
static void crowds(void)
{
	pthread_t t[2 * SLEEPERS];
	long count = 0, n;

	atomic_store(&returned, 0);
	atomic_store(&second, 0);
	for (int i = 0; i < 2 * SLEEPERS; i++)
		t[i] = check_spawn(sleep_on, (void *)(i % 2 ? &second : &first));
	while (count < 6) {
		n = futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &second, WAKE_OP(OP_ADD, 0, CMP_EQ, 0));
		CHECK(n >= 0 && n <= 2);
		count += n;
		if (n == 0)
			sched_yield();
	}
	while (count < 2 * SLEEPERS) {
		n = futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1000, (void *)1000, &second,
			  WAKE_OP(OP_ADD, 0, CMP_EQ, 0));
		CHECK(n >= 0);
		count += n;
		if (n == 0)
			sched_yield();
	}
	CHECK_EQ(count, 2 * SLEEPERS);
	for (int i = 0; i < 2 * SLEEPERS; i++)
		check_join(t[i]);
	CHECK_EQ(atomic_load(&returned), 2 * SLEEPERS);
}

static _Atomic uint32_t sum;
static long rounds;

static void *add(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		if ((uintptr_t)arg % 2)
			CHECK_EQ(futex(&first, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &sum,
				       WAKE_OP(OP_ADD, 3, CMP_LT, 0)),
				 0);
		else
			atomic_fetch_add(&sum, 3);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[ADDERS];

	results();
	comparisons();
	crowds();
	rounds = check_rounds(3000);
	for (uintptr_t i = 0; i < ADDERS; i++)
		t[i] = check_spawn(add, (void *)i);
	for (int i = 0; i < ADDERS; i++)
		check_join(t[i]);
	CHECK_EQ(atomic_load(&sum), 3 * ADDERS * rounds);
	return 0;
}
