// SPDX-License-Identifier: BSD-3-Clause
// host: sanitize=address,undefined
/*
 * Exhaustive model checker for the scheduler's protocols (sched/sched.c, sched/thread.c) on x86-TSO.
 *
 * Each process is a small program over shared bytes and has a FIFO store buffer; a plain store enters it, a locked
 * instruction waits until it is empty, and a flush of one entry is a step of its own. All interleavings are
 * enumerated. A model fails if an assertion breaks or if a state without a successor is not a good end: that is a
 * lost wake-up. Every protocol is also run with single ingredients taken out; each such mutation must be refuted,
 * or the checker proves nothing.
 *
 *  wake    sleeper, its CPU's idle loop, two wakers: prepare/check/block against store/wake; on_cpu; halted and
 *          IPI.
 *  steal   an enqueuer on a busy CPU that switches once or never, an idling third CPU: idle bit against nr_queued,
 *          busy queue lock.
 *  affine  thread_set_affinity() against a waker that chose the excluded CPU, and that CPU, which picks or never
 *          looks again. requeue thread_set_affinity() against the excluded CPU that runs, preempts and picks the
 *          thread.
 *  params  a change of priority against an enqueuer, and against a CPU that picks the thread and goes on with it.
 *  urgent  a real-time thread that is queued because all CPUs run such, against one that turns to something less urgent.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARS  12
#define PROCS 3
#define BUF   4
#define ENDED 99

struct st {
	uint8_t v[VARS];
	struct {
		uint8_t pc, r, n, var[BUF], val[BUF];
	} p[PROCS];
	uint8_t bad; /* an assertion broke */
};

enum { BLOCKED, STEP, END };

static int mutation;

static uint8_t ld(const struct st *s, int p, int var)
{
	for (int i = s->p[p].n - 1; i >= 0; i--)
		if (s->p[p].var[i] == var)
			return s->p[p].val[i];
	return s->v[var];
}

/* One store per step, so a buffer with a free slot is checked for once before each step. */
static void put(struct st *s, int p, int var, uint8_t val)
{
	int n = s->p[p].n++;

	s->p[p].var[n] = (uint8_t)var;
	s->p[p].val[n] = val;
}

/* Start of a locked instruction. */
#define LOCKED         \
	if (s->p[p].n) \
	return BLOCKED
#define GO(x) return s->p[p].pc = (x), STEP
#define ASSERT(x)                   \
	do {                        \
		if (!(x))           \
			s->bad = 1; \
	} while (0)

/* ---- wake ---- */
enum { COND, STATE, ONCPU, LOCK, NQ, HALTED, CURIDLE, IPI, DONE };
enum { RUN, BLKING, BLKD };

static int wake_waker(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		put(s, p, COND, 1);
		GO(1);
	case 1: /* cmpxchg BLOCKING -> RUNNING; M1: look without a locked instruction first */
		if (mutation == 1 && ld(s, p, STATE) == RUN)
			return END;
		LOCKED;
		if (s->v[STATE] == BLKING) {
			s->v[STATE] = RUN;
			return END;
		}
		if (s->v[STATE] != BLKD)
			return END;
		GO(2);
	case 2: /* cmpxchg BLOCKED -> RUNNING; M2: a plain store (two wakers may both take it over) */
		if (mutation == 2) {
			put(s, p, STATE, RUN);
			GO(3);
		}
		LOCKED;
		if (s->v[STATE] != BLKD)
			GO(1);
		s->v[STATE] = RUN;
		GO(3);
	case 3: /* M3: does not wait for on_cpu */
		if (mutation != 3 && ld(s, p, ONCPU))
			return BLOCKED;
		GO(4);
	case 4:
		LOCKED;
		if (s->v[LOCK])
			return BLOCKED;
		s->v[LOCK] = 1;
		GO(5);
	case 5:
		ASSERT(ld(s, p, NQ) == 0);    /* never queued twice */
		ASSERT(ld(s, p, ONCPU) == 0); /* I2 */
		put(s, p, NQ, 1);
		GO(6);
	case 6:
		s->p[p].r = ld(s, p, CURIDLE);
		GO(7);
	case 7:
		put(s, p, LOCK, 0);
		GO(s->p[p].r ? 8 : 20);
	case 8: /* M4: test instead of exchange */
		if (mutation == 4) {
			s->p[p].r = ld(s, p, HALTED);
			GO(s->p[p].r ? 9 : 20);
		}
		LOCKED;
		s->p[p].r = s->v[HALTED];
		s->v[HALTED] = 0;
		GO(s->p[p].r ? 9 : 20);
	case 9:
		LOCKED; /* the IPI is an uncached store, after all before it */
		s->v[IPI] = 1;
		GO(20);
	default:
		return END;
	}
}

static int wake_cpu(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* M5: announces without a barrier */
		if (mutation == 5) {
			put(s, p, STATE, BLKING);
			GO(1);
		}
		LOCKED;
		s->v[STATE] = BLKING;
		GO(1);
	case 1:
		GO(ld(s, p, COND) ? 2 : 3);
	case 2:
		LOCKED;
		s->v[STATE] = RUN;
		s->v[DONE] = 1;
		return END;
	case 3: /* schedule(true) */
		LOCKED;
		if (s->v[LOCK])
			return BLOCKED;
		s->v[LOCK] = 1;
		GO(4);
	case 4: /* M6: BLOCKED whatever came in between */
		LOCKED;
		if (s->v[STATE] != BLKING && mutation != 6)
			GO(5);
		s->v[STATE] = BLKD;
		GO(6);
	case 5: /* woken meanwhile: check again */
		put(s, p, LOCK, 0);
		GO(0);
	case 6:
		put(s, p, CURIDLE, 1);
		GO(7);
	case 7:
		put(s, p, LOCK, 0);
		GO(8);
	case 8:
		put(s, p, ONCPU, 0);
		GO(9);
	case 9: /* idle loop */
		GO(ld(s, p, NQ) ? 13 : 10);
	case 10: /* M7: plain store */
		if (mutation == 7) {
			put(s, p, HALTED, 1);
			GO(11);
		}
		LOCKED;
		s->v[HALTED] = 1;
		GO(11);
	case 11: /* M8: halts without the second look */
		GO(ld(s, p, NQ) && mutation != 8 ? 13 : 12);
	case 12: /* hlt */
		if (!s->v[IPI])
			return BLOCKED;
		s->v[IPI] = 0;
		put(s, p, HALTED, 0);
		GO(9);
	case 13:
		put(s, p, HALTED, 0);
		GO(14);
	case 14:
		LOCKED;
		if (s->v[LOCK])
			return BLOCKED;
		s->v[LOCK] = 1;
		GO(15);
	case 15:
		if (!ld(s, p, NQ))
			GO(7);
		put(s, p, NQ, 0);
		GO(16);
	case 16:
		put(s, p, ONCPU, 1);
		GO(17);
	case 17:
		put(s, p, CURIDLE, 0);
		GO(18);
	case 18:
		put(s, p, LOCK, 0);
		GO(0);
	default:
		return END;
	}
}

static int wake_step(struct st *s, int p)
{
	return p == 0 ? wake_cpu(s, p) : wake_waker(s, p);
}

static void wake_start(struct st *s)
{
	s->v[ONCPU] = 1;
}

static int wake_good(const struct st *s)
{
	return s->v[DONE];
}

/* ---- steal ---- */
/* SNQ: threads in the queue of busy CPU B; SNEW: how many E has queued so far. */
enum { SLOCK, SNQ, SIDLE, SHALTED, SIPI, STAKEN, SLAST, SNEW };

/* Queues two threads on CPU B. */
static int steal_enqueuer(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		LOCKED;
		if (s->v[SLOCK])
			return BLOCKED;
		s->v[SLOCK] = 1;
		GO(1);
	case 1:
		put(s, p, SNQ, (uint8_t)(ld(s, p, SNQ) + 1));
		s->v[SNEW]++;
		GO(2);
	case 2: /* the full barrier; M1: a plain store */
		if (mutation != 1)
			LOCKED;
		if (mutation == 1)
			put(s, p, SLAST, 1);
		else
			s->v[SLAST] = 1;
		GO(3);
	case 3: /* M2: does not look at the idle mask */
		s->p[p].r = mutation == 2 ? 0 : ld(s, p, SIDLE);
		GO(4);
	case 4:
		put(s, p, SLOCK, 0);
		GO(s->p[p].r ? 5 : 7);
	case 5:
		LOCKED;
		s->p[p].r = s->v[SIDLE];
		s->v[SIDLE] = 0;
		GO(s->p[p].r ? 6 : 7);
	case 6:
		LOCKED;
		if (s->v[SHALTED])
			s->v[SIPI] = 1;
		s->v[SHALTED] = 0;
		GO(7);
	case 7:
		if (s->v[SNEW] < 2)
			GO(0);
		return END;
	default:
		return END;
	}
}

/* CPU C: idles, steals. */
static int steal_idler(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* M3: shows itself with a plain store */
		if (mutation == 3) {
			put(s, p, SIDLE, 1);
			GO(2);
		}
		LOCKED;
		s->v[SIDLE] = 1;
		GO(1);
	case 1:
		LOCKED;
		s->v[SHALTED] = 1;
		GO(3);
	case 2: /* of M3 */
		put(s, p, SHALTED, 1);
		GO(3);
	case 3: /* M5: does not look whether it is still shown as idle */
		GO(ld(s, p, SIDLE) || mutation == 5 ? 4 : 7);
	case 4:
		GO(ld(s, p, SNQ) ? 5 : 9);
	case 5: /* trylock; M4: busy counts as nothing found */
		LOCKED;
		if (s->v[SLOCK])
			GO(mutation == 4 ? 9 : 7);
		s->v[SLOCK] = 1;
		GO(6);
	case 6: /* takes one, if it is still there, and goes on looking */
		if (ld(s, p, SNQ)) {
			put(s, p, SNQ, (uint8_t)(ld(s, p, SNQ) - 1));
			s->v[STAKEN]++;
		}
		GO(10);
	case 7:
		put(s, p, SHALTED, 0);
		GO(8);
	case 8:
		LOCKED;
		s->v[SIDLE] = 0;
		GO(0);
	case 9: /* hlt */
		if (!s->v[SIPI])
			return BLOCKED;
		s->v[SIPI] = 0;
		GO(7);
	case 10:
		put(s, p, SLOCK, 0);
		GO(7);
	default:
		return END;
	}
}

/* CPU B: its thread blocks at some time, and the next one runs on for ever. */
static int steal_busy(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		if (!ld(s, p, SNQ))
			return BLOCKED;
		LOCKED;
		if (s->v[SLOCK])
			return BLOCKED;
		s->v[SLOCK] = 1;
		GO(1);
	case 1:
		if (ld(s, p, SNQ)) {
			put(s, p, SNQ, (uint8_t)(ld(s, p, SNQ) - 1));
			s->v[STAKEN]++;
		}
		GO(2);
	case 2:
		put(s, p, SLOCK, 0);
		return END;
	default:
		return END;
	}
}

static int steal_step(struct st *s, int p)
{
	return p == 0 ? steal_enqueuer(s, p) : p == 1 ? steal_idler(s, p) : steal_busy(s, p);
}

static void steal_start(struct st *s)
{
	(void)s;
}

/* C idles with nothing left to take, and whoever queues next will find it: its bit is set. */
static int steal_good(const struct st *s)
{
	return s->v[STAKEN] == 2 && s->v[SNQ] == 0 && s->p[1].pc == 9 && s->v[SIDLE];
}

static int steal_optional(const struct st *s, int p)
{
	return p == 2 && s->p[2].pc == 0;
}

/* ---- affine and requeue ---- */
/*
 * Thread T; CPU 1 (mask bit AMASK) is to be excluded. ARQ: T is in CPU 1's queue. ARET: thread_set_affinity() has
 * returned. ARUNS: T runs on CPU 1. AELSE: how often T was queued elsewhere.
 */
enum { AMASK, ALOCK, ARQ, ALAST, AONCPU, ARET, ARUNS, AELSE };

/* thread_set_affinity() */
static int set_affinity(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* M1: plain store */
		if (mutation == 1) {
			put(s, p, AMASK, 0);
			GO(1);
		}
		LOCKED;
		s->v[AMASK] = 0;
		GO(1);
	case 1:
		GO(ld(s, p, ALAST) == 1 ? 2 : 7);
	case 2:
		LOCKED;
		if (s->v[ALOCK])
			return BLOCKED;
		s->v[ALOCK] = 1;
		GO(3);
	case 3: /* M4: does not look into the queue */
		GO(ld(s, p, ARQ) && mutation != 4 ? 4 : 6);
	case 4: /* in the middle of its switch away; M5: leaves such a one alone */
		if (ld(s, p, AONCPU)) {
			if (mutation == 5)
				GO(6);
			return BLOCKED;
		}
		GO(5);
	case 5:
		put(s, p, ARQ, 0);
		s->v[AELSE]++;
		GO(6);
	case 6:
		put(s, p, ALOCK, 0);
		GO(7);
	case 7: /* M2: does not wait for a running one */
		GO(ld(s, p, AONCPU) && mutation != 2 ? 8 : 9);
	case 8: /* sleeps and looks again; CPU 1 gets on by itself or by the IPI */
		if (ld(s, p, ALAST) == 1 && ld(s, p, AONCPU))
			return BLOCKED;
		GO(1);
	case 9:
		s->v[ARET] = 1;
		ASSERT(!s->v[ARUNS]);
		return END;
	default:
		return END;
	}
}

/* A waker that chose CPU 1 while it was allowed. */
static int affine_waker(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		LOCKED;
		if (s->v[ALOCK])
			return BLOCKED;
		s->v[ALOCK] = 1;
		GO(1);
	case 1:
		put(s, p, ARQ, 1);
		GO(2);
	case 2: /* M3: without a barrier */
		if (mutation != 3)
			LOCKED;
		if (mutation == 3)
			put(s, p, ALAST, 1);
		else
			s->v[ALAST] = 1;
		GO(3);
	case 3:
		GO(ld(s, p, AMASK) ? 5 : 4);
	case 4:
		put(s, p, ARQ, 0);
		s->v[AELSE]++;
		GO(5);
	case 5:
		put(s, p, ALOCK, 0);
		return END;
	default:
		return END;
	}
}

/* CPU 1: runs T (starts at 4) or something else (starts at 0, from where it need not go on: `coop`). */
static int affine_cpu(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* schedule() of another thread: picks T if it is there */
		if (!ld(s, p, ARQ))
			return BLOCKED;
		LOCKED;
		if (s->v[ALOCK])
			return BLOCKED;
		s->v[ALOCK] = 1;
		GO(1);
	case 1:
		if (!ld(s, p, ARQ))
			GO(12);
		put(s, p, ARQ, 0);
		GO(2);
	case 2:
		put(s, p, AONCPU, 1);
		s->v[ARUNS] = 1;
		ASSERT(!s->v[ARET]);
		GO(3);
	case 3:
		put(s, p, ALOCK, 0);
		GO(4);
	case 4: /* T runs; preempted by its slice or by the IPI */
		LOCKED;
		if (s->v[ALOCK])
			return BLOCKED;
		s->v[ALOCK] = 1;
		GO(5);
	case 5: /* M6: requeues without a look at the mask */
		s->v[ARUNS] = 0;
		GO(ld(s, p, AMASK) || mutation == 6 ? 6 : 9);
	case 6:
		put(s, p, ARQ, 1);
		GO(7);
	case 7:
		put(s, p, ALOCK, 0);
		GO(8);
	case 8:
		put(s, p, AONCPU, 0);
		GO(0);
	case 9:
		put(s, p, ALOCK, 0);
		GO(10);
	case 10:
		put(s, p, AONCPU, 0);
		GO(11);
	case 11:
		s->v[AELSE]++;
		return END;
	case 12:
		put(s, p, ALOCK, 0);
		GO(0);
	default:
		return END;
	}
}

static int affine_step(struct st *s, int p)
{
	return p == 0 ? set_affinity(s, p) : p == 1 ? affine_waker(s, p) : affine_cpu(s, p);
}

static int requeue_step(struct st *s, int p)
{
	return p == 0 ? set_affinity(s, p) : p == 1 ? END : affine_cpu(s, p);
}

static void affine_start(struct st *s)
{
	s->v[AMASK] = 1;
}

static void requeue_start(struct st *s)
{
	s->v[AMASK] = s->v[ALAST] = s->v[AONCPU] = s->v[ARUNS] = 1;
	s->p[2].pc = 4;
}

/* In the end: moved exactly once, and not left behind in the queue of CPU 1. */
static int affine_good(const struct st *s)
{
	return s->v[ARET] && !s->v[ARUNS] && s->v[AELSE] == 1 && !s->v[ARQ];
}

/* CPU 1 need not look at its queue ever again. */
static int affine_optional(const struct st *s, int p)
{
	return p == 2 && s->p[2].pc == 0;
}

/* ---- params ---- */
/* PWORD: new parameters; PKEY: those the thread is queued or runs under (new 1, old 0; 2: neither); PONRQ, PLAST: on_rq, last_cpu name the queue; PCUR: it runs. */
enum { PWORD, PLOCK, PONRQ, PKEY, PCUR, PLAST };

/* sched_params_changed() */
static int params_changer(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* M1: plain store */
		if (mutation == 1) {
			put(s, p, PWORD, 1);
			GO(1);
		}
		LOCKED;
		s->v[PWORD] = 1;
		GO(1);
	case 1: /* which queue: on_rq, else last_cpu. M4: gives up if it is not queued */
		GO(ld(s, p, PONRQ) ? 2 : 5);
	case 5:
		if (!ld(s, p, PLAST) || mutation == 4)
			return END;
		GO(2);
	case 2:
		LOCKED;
		if (s->v[PLOCK])
			return BLOCKED;
		s->v[PLOCK] = 1;
		GO(3);
	case 3:
		if (ld(s, p, PONRQ) || ld(s, p, PCUR))
			put(s, p, PKEY, ld(s, p, PWORD));
		GO(4);
	case 4:
		put(s, p, PLOCK, 0);
		return END;
	default:
		return END;
	}
}

/* enqueue_on(); the lock's section is not what orders the two: it may be over before the changer's begins */
static int params_enqueuer(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		LOCKED;
		if (s->v[PLOCK])
			return BLOCKED;
		s->v[PLOCK] = 1;
		GO(1);
	case 1:
		put(s, p, PKEY, ld(s, p, PWORD));
		GO(2);
	case 2:
		put(s, p, PONRQ, 1);
		GO(3);
	case 3: /* the full barrier; M2: a plain store */
		if (mutation == 2) {
			put(s, p, PLAST, 1);
			GO(4);
		}
		LOCKED;
		s->v[PLAST] = 1;
		GO(4);
	case 4: /* M3: does not look again */
		if (mutation != 3 && ld(s, p, PKEY) != ld(s, p, PWORD))
			put(s, p, PKEY, ld(s, p, PWORD));
		GO(5);
	case 5:
		put(s, p, PLOCK, 0);
		return END;
	default:
		return END;
	}
}

/* Picks it. */
static int params_cpu(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		if (!ld(s, p, PONRQ))
			return BLOCKED;
		LOCKED;
		if (s->v[PLOCK])
			return BLOCKED;
		s->v[PLOCK] = 1;
		GO(1);
	case 1:
		put(s, p, PONRQ, 0);
		GO(2);
	case 2: /* M5: current is set after the lock */
		if (mutation == 5)
			GO(4);
		put(s, p, PCUR, 1);
		GO(3);
	case 3:
		put(s, p, PLOCK, 0);
		return END;
	case 4:
		put(s, p, PLOCK, 0);
		GO(5);
	case 5:
		put(s, p, PCUR, 1);
		return END;
	default:
		return END;
	}
}

static int params_step(struct st *s, int p)
{
	return p == 0 ? params_changer(s, p) : p == 1 ? params_enqueuer(s, p) : params_cpu(s, p);
}

static void params_start(struct st *s)
{
	s->v[PKEY] = 2;
}

static int params_good(const struct st *s)
{
	return s->v[PKEY] == 1;
}

static int params_optional(const struct st *s, int p)
{
	return p == 2 && s->p[2].pc == 0;
}

/* ---- urgent ---- */
/* UFAIR: CPU A runs something less urgent; UQUEUED: T waits on CPU B; UCOUNT: rt_queued; URUNS: how often T came to A. */
enum { UFAIR, ULOCK, UQUEUED, UCOUNT, URUNS };

/* Found A as urgent as T, and queues it on B. */
static int urgent_enqueuer(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0:
		LOCKED;
		if (s->v[ULOCK])
			return BLOCKED;
		s->v[ULOCK] = 1;
		GO(1);
	case 1:
		put(s, p, UQUEUED, 1);
		GO(2);
	case 2: /* M2: counts with a plain store */
		if (mutation == 2) {
			put(s, p, UCOUNT, 1);
			GO(3);
		}
		LOCKED;
		s->v[UCOUNT] = 1;
		GO(3);
	case 3: /* M3: does not look again */
		GO(mutation != 3 && ld(s, p, UFAIR) ? 4 : 6);
	case 4:
		put(s, p, UQUEUED, 0);
		GO(5);
	case 5:
		LOCKED;
		s->v[UCOUNT] = 0;
		s->v[URUNS]++;
		GO(6);
	case 6:
		put(s, p, ULOCK, 0);
		return END;
	default:
		return END;
	}
}

/* CPU A. */
static int urgent_cpu(struct st *s, int p)
{
	switch (s->p[p].pc) {
	case 0: /* M1: a plain store */
		if (mutation == 1) {
			put(s, p, UFAIR, 1);
			GO(1);
		}
		LOCKED;
		s->v[UFAIR] = 1;
		GO(1);
	case 1: /* M4: does not pull */
		if (!ld(s, p, UCOUNT) || mutation == 4)
			return END;
		GO(2);
	case 2: /* M5: a busy lock counts as nothing there */
		LOCKED;
		if (s->v[ULOCK]) {
			if (mutation == 5)
				return END;
			return BLOCKED;
		}
		s->v[ULOCK] = 1;
		GO(3);
	case 3:
		if (ld(s, p, UQUEUED)) {
			put(s, p, UQUEUED, 0);
			s->v[URUNS]++;
		}
		GO(4);
	case 4:
		put(s, p, ULOCK, 0);
		return END;
	default:
		return END;
	}
}

static int urgent_step(struct st *s, int p)
{
	return p == 0 ? urgent_enqueuer(s, p) : p == 1 ? urgent_cpu(s, p) : END;
}

static int urgent_good(const struct st *s)
{
	return s->v[URUNS] == 1 && !s->v[UQUEUED];
}

static int none_optional(const struct st *s, int p)
{
	(void)s;
	(void)p;
	return 0;
}

/* ---- search ---- */
struct model {
	const char *name;
	unsigned mutations; /* bits */
	int (*step)(struct st *, int);
	void (*start)(struct st *);
	int (*good)(const struct st *);
	int (*optional)(const struct st *, int); /* the process may stop here for good */
};

#define TABLE (1u << 21)
static struct st *table, *stack;
static uint8_t *used;
static unsigned states, top;

static void visit(const struct st *s)
{
	const unsigned char *b = (const unsigned char *)s;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(*s); i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	for (h = (h ^ h >> 32) % TABLE; used[h]; h = (h + 1) % TABLE)
		if (!memcmp(&table[h], s, sizeof(*s)))
			return;
	used[h] = 1;
	table[h] = *s;
	stack[top++] = *s;
	if (++states > TABLE / 4 * 3) {
		fprintf(stderr, "table full\n");
		exit(2);
	}
}

static int flush_one(struct st *s, int p)
{
	if (!s->p[p].n)
		return 0;
	s->v[s->p[p].var[0]] = s->p[p].val[0];
	s->p[p].n--;
	for (int i = 0; i < s->p[p].n; i++) {
		s->p[p].var[i] = s->p[p].var[i + 1];
		s->p[p].val[i] = s->p[p].val[i + 1];
	}
	s->p[p].var[s->p[p].n] = 0;
	s->p[p].val[s->p[p].n] = 0;
	return 1;
}

/* 1: every run ends well. */
static int explore(const struct model *m)
{
	struct st s;

	memset(used, 0, TABLE);
	states = top = 0;
	memset(&s, 0, sizeof(s));
	m->start(&s);
	visit(&s);
	while (top) {
		struct st cur = stack[--top];
		int moved = 0;

		if (cur.bad)
			return 0;
		for (int p = 0; p < PROCS; p++) {
			s = cur;
			if (s.p[p].n < BUF && s.p[p].pc != ENDED) {
				int r = m->step(&s, p);

				if (r != BLOCKED) {
					if (r == END)
						s.p[p].pc = ENDED;
					/* buffers that were emptied by a locked store leave no trace */
					for (int i = s.p[p].n; i < BUF; i++)
						s.p[p].var[i] = s.p[p].val[i] = 0;
					moved |= !m->optional(&cur, p);
					visit(&s);
				}
			}
			s = cur;
			if (flush_one(&s, p)) {
				moved = 1;
				visit(&s);
			}
		}
		if (!moved && !m->good(&cur))
			return 0;
	}
	return 1;
}

int main(void)
{
	static const struct model models[] = {
		{ "wake", 0x1fe, wake_step, wake_start, wake_good, none_optional },
		{ "steal", 0x3e, steal_step, steal_start, steal_good, steal_optional },
		{ "affine", 0x1e, affine_step, affine_start, affine_good, affine_optional },
		{ "requeue", 0x74, requeue_step, requeue_start, affine_good, affine_optional },
		{ "params", 0x3e, params_step, params_start, params_good, params_optional },
		{ "urgent", 0x3e, urgent_step, steal_start, urgent_good, none_optional },
	};
	int failed = 0;

	table = malloc(TABLE * sizeof(*table));
	stack = malloc(TABLE * sizeof(*stack));
	used = malloc(TABLE);
	for (unsigned i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		for (mutation = 0; mutation < 16; mutation++) {
			int ok;

			if (mutation && !(models[i].mutations >> mutation & 1))
				continue;
			ok = explore(&models[i]);
			printf("%s mutation %d: %s, %u states\n", models[i].name, mutation, ok ? "holds" : "refuted",
			       states);
			failed |= ok != (mutation == 0);
		}
	}
	free(table);
	free(stack);
	free(used);
	puts(failed ? "FAILED" : "ok");
	return failed;
}
