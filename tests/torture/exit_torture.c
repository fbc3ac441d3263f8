// SPDX-License-Identifier: BSD-3-Clause
// test: replay=12 cpus=1,2,4,8 sched=preempt,coop
/*
 * The end of threads against everything that others do to them at that moment: join, timed join, detach, cancel, signals,
 * changes of priority and affinity by a number that may be nobody's by now.
 *
 * Invariants: a joined thread's result is its own, or PTHREAD_CANCELED if it was cancelled; its clean-up handler and the destructor of its
 * thread-specific data run once each, before the join returns; its stack is its own to the end (a pattern); no thread is lost:
 * all that were made have ended when the program does.
 */
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

#include "torture.h"

#define CREATORS_MAX 8

struct life {
	uint64_t seed;
	pid_t tid;	    /* [a] 0: not begun */
	int cleaned, freed; /* [a] */
	int refs;	    /* [a] creator and thread */
	bool returns;	    /* [the thread] was not cancelled */
};

static pthread_key_t key;
static uint64_t created, gone;
static sem_t never;

static void put(struct life *l)
{
	if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		TORTURE_CHECK(l->cleaned == 1 && l->freed == 1);
		free(l);
		__atomic_fetch_add(&gone, 1, __ATOMIC_SEQ_CST);
	}
}

static void cleaned(void *arg)
{
	TORTURE_CHECK(__atomic_fetch_add(&((struct life *)arg)->cleaned, 1, __ATOMIC_SEQ_CST) == 0);
}

static void freed(void *arg)
{
	struct life *l = arg;

	TORTURE_CHECK(__atomic_fetch_add(&l->freed, 1, __ATOMIC_SEQ_CST) == 0);
	put(l);
}

/* The stack is this thread's: nothing of what it wrote changes. */
static void use_stack(uint64_t *rnd)
{
	volatile uint64_t words[400];
	uint64_t pattern = check_random(rnd);

	for (unsigned i = 0; i < 400; i++)
		words[i] = pattern + i;
	if (torture_below(rnd, 2))
		sched_yield();
	for (unsigned i = 0; i < 400; i++)
		TORTURE_CHECK(words[i] == pattern + i);
}

static void *live(void *arg)
{
	struct life *l = arg;
	uint64_t rnd = l->seed;
	struct timespec ts;

	/* until both are in place a cancellation waits */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	__atomic_store_n(&l->tid, gettid(), __ATOMIC_SEQ_CST);
	CHECK_OK(pthread_setspecific(key, l));
	pthread_cleanup_push(cleaned, l);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	switch (torture_below(&rnd, 6)) {
	case 0:
		break;
	case 1:
		sched_yield();
		break;
	case 2:
		ts = (struct timespec){ .tv_nsec = torture_below(&rnd, 50000) };
		nanosleep(&ts, NULL);
		break;
	case 3:
		for (unsigned i = torture_below(&rnd, 300); i; i--)
			check_pause();
		break;
	case 4:
		ts = check_after(CLOCK_REALTIME, (int64_t)torture_below(&rnd, 80000));
		sem_timedwait(&never, &ts);
		break;
	default:
		pthread_testcancel();
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	use_stack(&rnd);
	l->returns = true;
	pthread_cleanup_pop(1);
	if (torture_below(&rnd, 2))
		pthread_exit(l);
	return l;
}

/* What may hit it at any time, the end included: only ESRCH is an error that may come of it. */
static void meddle(struct life *l, uint64_t *rnd)
{
	pid_t tid = __atomic_load_n(&l->tid, __ATOMIC_SEQ_CST);
	int prio = 0, fifo = 1 + (int)torture_below(rnd, 99);
	cpu_set_t set;
	long r = 0;

	if (!tid)
		return;
	switch (torture_below(rnd, 4)) {
	case 0:
		CPU_ZERO(&set);
		CPU_SET(torture_below(rnd, (unsigned)check_cpus()), &set);
		r = sched_setaffinity(tid, sizeof(set), &set);
		break;
	case 1:
		r = syscall(SYS_sched_setscheduler, tid, SCHED_FIFO, &fifo);
		break;
	case 2:
		r = syscall(SYS_sched_setscheduler, tid, 0, &prio);
		break;
	default:
		r = syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	}
	TORTURE_CHECK(r == 0 || errno == ESRCH);
}

static void *creator(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	unsigned account = 0;

	while (torture_more(&account)) {
		struct life *l = calloc(1, sizeof(*l));
		bool cancelled = false;
		void *result = NULL;
		struct timespec ts;
		pthread_attr_t attr;
		pthread_t t;
		int r;

		CHECK(l);
		l->refs = 2;
		l->seed = check_random(&rnd) | 1;
		CHECK_OK(pthread_attr_init(&attr));
		if (torture_below(&rnd, 6) == 0)
			CHECK_OK(pthread_attr_setstacksize(&attr, 16384 + torture_below(&rnd, 5) * 4096));
		__atomic_fetch_add(&created, 1, __ATOMIC_SEQ_CST);
		CHECK_OK(pthread_create(&t, &attr, live, l));
		CHECK_OK(pthread_attr_destroy(&attr));
		if (torture_below(&rnd, 2))
			sched_yield();
		if (torture_below(&rnd, 2))
			meddle(l, &rnd);
		if (torture_below(&rnd, 2)) {
			CHECK_OK(pthread_cancel(t));
			cancelled = true;
		}
		if (torture_below(&rnd, 4) == 0) {
			CHECK_OK(pthread_detach(t));
			if (torture_below(&rnd, 2))
				meddle(l, &rnd);
			put(l);
			continue;
		}
		if (torture_below(&rnd, 4) == 0) {
			ts = check_after(CLOCK_REALTIME, (int64_t)torture_below(&rnd, 40000));
			r = pthread_timedjoin_np(t, &result, &ts);
			TORTURE_CHECK(r == 0 || r == ETIMEDOUT);
		} else {
			r = ETIMEDOUT;
		}
		if (r)
			CHECK_OK(pthread_join(t, &result));
		TORTURE_CHECK(result == (l->returns ? (void *)l : PTHREAD_CANCELED));
		TORTURE_CHECK(l->returns || cancelled);
		TORTURE_CHECK(l->cleaned == 1 && l->freed == 1);
		meddle(l, &rnd);
		put(l);
	}
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t t[CREATORS_MAX];
	int n = check_cpus() < CREATORS_MAX ? check_cpus() + 1 : CREATORS_MAX;

	torture_begin(argc, argv, 3000);
	n = n > CREATORS_MAX ? CREATORS_MAX : n;
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_OK(pthread_key_create(&key, freed));
	sem_init(&never, 0, 0);
	for (int i = 0; i < n; i++)
		t[i] = check_spawn(creator, (void *)(uintptr_t)i);
	for (int i = 0; i < n; i++)
		check_join(t[i]);
	while (__atomic_load_n(&gone, __ATOMIC_SEQ_CST) != __atomic_load_n(&created, __ATOMIC_SEQ_CST))
		sched_yield();
	return torture_end();
}
