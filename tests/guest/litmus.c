// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2
/*
 * The orders of memory accesses that tutti's code relies on, hammered on two CPUs in the manner of litmus7 (Alglave, Maranget, Sarkar,
 * Sewell: "Litmus: running tests against hardware", 2011). Each test is two short pieces of code that start at the same moment on
 * variables of 0, and an outcome that must never be seen:
 *
 *   store buffering     each stores, then loads what the other stores, with an exchange or a fence between: not both loads see 0.
 *                       Sleeper and waker of the scheduler, shootdown and idle CPU.
 *   halted flag         the same as a handshake (plat/host/cpu.c): "I halt", look for work; "here is work", exchange of the flag. Not
 *                       both "no work" and "was not halted": that is a lost wake-up.
 *   message passing     data, flag with release; flag with acquire, data: not the flag alone. Every publication.
 *   unlock by a byte    the same where the flag is one byte of a word that the other side changes by compare-and-swap: spin locks.
 *   sequence count      two words under tutti_seqcount: no mixture, no old word with a new number.
 *   coherence of link   exchange against compare-and-swap of one word (sync/spinlock.c: link and PASSED): one of them comes first and
 *                       both know which.
 *
 * That the method can fail is shown by store buffering without the exchange: x86-64 may and does let both loads see 0. On Linux
 * (tests/host/litmus.c) the program ends only when it has seen that; in an emulator it may not happen and is only told.
 */
#include "check.h"

#include <tutti/seqlock.h>

#ifndef LITMUS_TURNS
#define LITMUS_TURNS 3000
#endif
#ifndef LITMUS_WEAK
#define LITMUS_WEAK 0 /* turns in which the weak variant has to show itself, 0: it does not have to */
#endif
#define PLACES 64 /* variables are used again after so many turns, so that they begin in different caches */

static struct place {
	long x __attribute__((aligned(64)));
	long y __attribute__((aligned(64)));
	uint32_t word __attribute__((aligned(64)));
	struct tutti_seqcount count __attribute__((aligned(64)));
} places[PLACES];
static struct {
	long r __attribute__((aligned(64)));
} out[2];
static long met __attribute__((aligned(64)));

#define LOAD(v, order)	   __atomic_load_n(&(v), __ATOMIC_##order)
#define STORE(v, n, order) __atomic_store_n(&(v), (n), __ATOMIC_##order)

struct litmus {
	const char *name;
	long (*run[2])(struct place *p);
	bool (*bad)(long r0, long r1);
};

/* ---- store buffering ---- */

static long sb_weak_0(struct place *p)
{
	STORE(p->x, 1, RELEASE);
	return LOAD(p->y, ACQUIRE);
}

static long sb_weak_1(struct place *p)
{
	STORE(p->y, 1, RELEASE);
	return LOAD(p->x, ACQUIRE);
}

static long sb_exchange_0(struct place *p)
{
	__atomic_exchange_n(&p->x, 1, __ATOMIC_SEQ_CST);
	return LOAD(p->y, SEQ_CST);
}

static long sb_exchange_1(struct place *p)
{
	__atomic_exchange_n(&p->y, 1, __ATOMIC_SEQ_CST);
	return LOAD(p->x, SEQ_CST);
}

static long sb_fence_0(struct place *p)
{
	STORE(p->x, 1, RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return LOAD(p->y, RELAXED);
}

static long sb_fence_1(struct place *p)
{
	STORE(p->y, 1, RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return LOAD(p->x, RELAXED);
}

static long sb_store_0(struct place *p)
{
	STORE(p->x, 1, SEQ_CST);
	return LOAD(p->y, SEQ_CST);
}

static long sb_store_1(struct place *p)
{
	STORE(p->y, 1, SEQ_CST);
	return LOAD(p->x, SEQ_CST);
}

static bool both_0(long r0, long r1)
{
	return r0 == 0 && r1 == 0;
}

/* ---- halted flag: x is "halted", y is "work" ---- */

static long halt_sleeper(struct place *p)
{
	STORE(p->x, 1, SEQ_CST);
	return LOAD(p->y, SEQ_CST);
}

static long halt_waker(struct place *p)
{
	__atomic_fetch_or(&p->y, 1, __ATOMIC_SEQ_CST);
	return __atomic_exchange_n(&p->x, 0, __ATOMIC_SEQ_CST);
}

/* ---- message passing ---- */

static long mp_send(struct place *p)
{
	STORE(p->x, 1, RELAXED);
	STORE(p->y, 1, RELEASE);
	return 0;
}

static long mp_receive(struct place *p)
{
	long flag = LOAD(p->y, ACQUIRE);

	return flag << 1 | LOAD(p->x, RELAXED);
}

static bool flag_alone(long r0, long r1)
{
	(void)r0;
	return r1 == 2;
}

static long unlock_byte(struct place *p)
{
	/* what is above the byte belongs to others */
	__atomic_fetch_or(&p->word, 0x50001u, __ATOMIC_RELAXED);
	STORE(p->x, 1, RELAXED);
	STORE(*(uint8_t *)&p->word, 0, RELEASE);
	return LOAD(p->word, RELAXED) >> 16 == 5 || LOAD(p->word, RELAXED) >> 16 == 6;
}

static long lock_word(struct place *p)
{
	uint32_t w = 0x50000;
	bool got = __atomic_compare_exchange_n(&p->word, &w, 0x60000, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);

	return (long)got << 1 | LOAD(p->x, RELAXED);
}

static bool lost_or_early(long r0, long r1)
{
	return r0 != 1 || r1 == 2;
}

/* ---- sequence count ---- */

static long seq_write(struct place *p)
{
	tutti_seqcount_write_begin(&p->count);
	tutti_seq_store(&p->x, 1);
	tutti_seq_store(&p->y, 1);
	tutti_seqcount_write_end(&p->count);
	return 0;
}

/* Once, without waiting: 7 if the look has to be repeated. */
static long seq_read(struct place *p)
{
	uint32_t seq = LOAD(p->count.seq, ACQUIRE);
	long y = tutti_seq_load(&p->y), x = tutti_seq_load(&p->x);

	return seq & 1 || tutti_seqcount_read_retry(&p->count, seq) ? 7 : (long)(seq / 2) << 2 | x << 1 | y;
}

static bool mixture(long r0, long r1)
{
	(void)r0;
	/* number 0 with 0 and 0, or the next number with 1 and 1 (which is 7, too) */
	return r1 != 0 && r1 != 7;
}

/* ---- link and PASSED ---- */

static long link_exchange(struct place *p)
{
	return __atomic_exchange_n(&p->x, 1, __ATOMIC_ACQ_REL);
}

static long link_pass(struct place *p)
{
	long none = 0;

	return __atomic_compare_exchange_n(&p->x, &none, 9, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? 9 : none;
}

static bool both_or_none(long r0, long r1)
{
	return !(r0 == 9 && r1 == 9) && !(r0 == 0 && r1 == 1);
}

static const struct litmus tests[] = {
	{ "store buffering, exchange", { sb_exchange_0, sb_exchange_1 }, both_0 },
	{ "store buffering, fence", { sb_fence_0, sb_fence_1 }, both_0 },
	{ "store buffering, seq_cst store", { sb_store_0, sb_store_1 }, both_0 },
	{ "halted flag", { halt_sleeper, halt_waker }, both_0 },
	{ "message passing", { mp_send, mp_receive }, flag_alone },
	{ "unlock by a byte", { unlock_byte, lock_word }, lost_or_early },
	{ "sequence count", { seq_write, seq_read }, mixture },
	{ "link and PASSED", { link_exchange, link_pass }, both_or_none },
};
static const struct litmus weak = { "store buffering, nothing between", { sb_weak_0, sb_weak_1 }, both_0 };

/* ---- the hammer ---- */

static const struct litmus *current;
static long turns, seen, outcomes[2][2]; /* of the last test: r0 and r1, zero or not */

/* Both threads leave it at the same moment, as far as that is possible. */
static void meet(long *mine)
{
	long goal = *mine += 2, spins = 0;

	__atomic_fetch_add(&met, 1, __ATOMIC_SEQ_CST);
	while (LOAD(met, ACQUIRE) < goal)
		if (++spins % 2000 == 0)
			sched_yield();
}

static void *side(void *arg)
{
	long me = (long)arg, mine = 0;

	check_pin((int)me);
	for (long i = 0; i < turns; i++) {
		struct place *p = &places[i % PLACES];
		long r;

		meet(&mine);
		r = current->run[me](p);
		out[me].r = r;
		meet(&mine);
		if (me)
			continue;
		seen += current->bad(out[0].r, out[1].r);
		outcomes[out[0].r != 0][out[1].r != 0]++;
		STORE(p->x, 0, RELAXED);
		STORE(p->y, 0, RELAXED);
		STORE(p->word, 0, RELAXED);
		STORE(p->count.seq, 0, RELAXED);
	}
	return NULL;
}

static void hammer(const struct litmus *test, long n)
{
	pthread_t other;

	current = test;
	turns = n;
	seen = 0;
	met = 0;
	memset(outcomes, 0, sizeof(outcomes));
	other = check_spawn(side, (void *)1);
	check_join(check_spawn(side, (void *)0));
	check_join(other);
	printf("%-34s %7ld of %ld   (0,0) %ld (0,n) %ld (n,0) %ld (n,n) %ld\n", test->name, seen, n, outcomes[0][0],
	       outcomes[0][1], outcomes[1][0], outcomes[1][1]);
}

int main(void)
{
	cpu_set_t set;
	long n = 0;

	CHECK(sched_getaffinity(0, sizeof(set), &set) >= 0);
	if (!CPU_ISSET(0, &set) || !CPU_ISSET(1, &set)) {
		printf("two CPUs, 0 and 1, are wanted\n");
		return 77;
	}
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		hammer(&tests[i], check_rounds(LITMUS_TURNS));
		if (seen)
			check_failed(__FILE__, __LINE__, "%s: an outcome that must not be, %ld times", tests[i].name,
				     seen);
	}
	do {
		hammer(&weak, LITMUS_TURNS);
		n += turns;
	} while (!seen && n < LITMUS_WEAK);
	if (LITMUS_WEAK && !seen)
		check_failed(__FILE__, __LINE__, "the hammer is too soft: what may happen did not in %ld turns", n);
	return 0;
}
