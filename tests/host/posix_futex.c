// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=posix/futex.c posix/futex_pi.c cflags=-Itests/host/fake,-D_GNU_SOURCE sanitize=address,undefined,thread timeout=120
/*
 * The futex code with host threads for CPUs and threads: sleeping and waking are a mutex and a condition per thread, a
 * thread structure is freed with its last reference (so a late wake-up is a use after free), signals come at random.
 *
 * The accounting is exact: as many waits return 0 as wakes have counted. Promises: no wake-up is lost (a counted semaphore with time-outs and signals hands on every token), none is swallowed by a
 * time-out, a requeued waiter is found by wakes on its new word and by its own time-out, and at the end no waiter is left
 * on any list (a wake finds nobody). Errors are those of futex(2).
 *
 * PI: priorities are numbers here, so inheritance can be looked at: along a chain of three locks, back when a waiter gives up,
 * and at a hand-over; the order of waiters; mutual exclusion with time-outs, deadlocks, ends of owners, after which nobody has a boost.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "fake_plat/expect.h"
#include "lib/errno.h"
#include "mm/slab.h"
#include "posix/futex.h"
#include "posix/posix.h"

#define THREADS	    6
#define ROUNDS	    1500
#define VISITORS    3000
#define GATE_ROUNDS 400

/* ---- the machine ---- */

struct host_thread {
	struct uk_thread t;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t random;
	struct posix_thread pt;
	int base, boost; /* priorities */
};

#define TIDS 64

static struct {
	pthread_mutex_t lock;
	struct uk_thread *by_tid[TIDS]; /* [lock] */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static long states; /* [a] */

static __thread struct host_thread *me;

uint64_t plat_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void thread_begin(uint64_t seed)
{
	pthread_condattr_t a;

	me = calloc(1, sizeof(*me));
	me->random = seed * 2654435761u + 1;
	me->t.refs = 1;
	me->t.posix = &me->pt;
	me->pt.thread = &me->t;
	me->pt.pi_boost = me->boost = THREAD_PRIO_NONE;
	me->base = 120;
	list_init(&me->pt.pi_held);
	pthread_mutex_lock(&table.lock);
	for (me->t.tid = 1; table.by_tid[me->t.tid]; me->t.tid++)
		EXPECT(me->t.tid < TIDS - 1);
	table.by_tid[me->t.tid] = &me->t;
	pthread_mutex_unlock(&table.lock);
	pthread_mutex_init(&me->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&me->cond, &a);
	percpu_write(current, &me->t);
}

struct uk_thread *thread_get(struct uk_thread *t)
{
	EXPECT(__atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED) > 0);
	return t;
}

void thread_put(struct uk_thread *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(t);
}

struct uk_thread *thread_find(int tid)
{
	struct uk_thread *t;

	pthread_mutex_lock(&table.lock);
	t = tid > 0 && tid < TIDS ? table.by_tid[tid] : NULL;
	if (t)
		thread_get(t);
	pthread_mutex_unlock(&table.lock);
	return t;
}

int thread_prio(const struct uk_thread *t)
{
	const struct host_thread *h = (const struct host_thread *)t;

	return MIN(__atomic_load_n(&h->base, __ATOMIC_RELAXED), __atomic_load_n(&h->boost, __ATOMIC_RELAXED));
}

void thread_set_boost(struct uk_thread *t, int prio)
{
	EXPECT(fake_preempt_count() > 0);
	__atomic_store_n(&((struct host_thread *)t)->boost, prio, __ATOMIC_RELAXED);
}

void *slab_alloc(struct slab_cache *c)
{
	__atomic_fetch_add(&states, 1, __ATOMIC_RELAXED);
	return malloc(c->size);
}

void slab_free(struct slab_cache *c, void *obj)
{
	(void)c;
	__atomic_fetch_sub(&states, 1, __ATOMIC_RELAXED);
	free(obj);
}

static void thread_end(void)
{
	posix_futex_pi_thread_ends();
	EXPECT_EQ(me->boost, THREAD_PRIO_NONE);
	pthread_mutex_lock(&table.lock);
	table.by_tid[me->t.tid] = NULL;
	pthread_mutex_unlock(&table.lock);
	thread_put(&me->t);
}

/* Now and then a pause where a window might be. */
static void chaos(void)
{
	struct timespec ts = { 0, 30000 };

	if (next_random(&me->random) % 8 == 0)
		nanosleep(&ts, NULL);
}

static void set_state(struct host_thread *h, int s)
{
	__atomic_store_n(&h->t.state, s, __ATOMIC_SEQ_CST);
}

void thread_prepare_block(void)
{
	chaos();
	set_state(me, THREAD_BLOCKING);
}

void thread_cancel_block(void)
{
	set_state(me, THREAD_RUNNING);
}

void thread_wake(struct uk_thread *t)
{
	struct host_thread *h = (struct host_thread *)t;

	EXPECT(fake_preempt_count() <= 1); /* 1: a PI lock's hand-over, its spin lock not held */
	chaos();
	pthread_mutex_lock(&h->lock);
	set_state(h, THREAD_RUNNING);
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
}

bool thread_block_until(uint64_t deadline)
{
	/* A lost wake-up shows as a thread that sleeps for longer than anybody should. */
	uint64_t until = deadline == UINT64_MAX ? plat_monotonic_ns() + 60 * NSEC_PER_SEC : deadline;
	struct timespec ts = { (time_t)(until / NSEC_PER_SEC), (long)(until % NSEC_PER_SEC) };
	bool late = false;

	EXPECT_EQ(fake_preempt_count(), 0);
	pthread_mutex_lock(&me->lock);
	while (!late && __atomic_load_n(&me->t.state, __ATOMIC_SEQ_CST) == THREAD_BLOCKING)
		late = pthread_cond_timedwait(&me->cond, &me->lock, &ts) == ETIMEDOUT;
	set_state(me, THREAD_RUNNING);
	pthread_mutex_unlock(&me->lock);
	EXPECT(!late || deadline != UINT64_MAX);
	return late;
}

static __thread bool signals_on, signal_now;

bool posix_signal_pending(void)
{
	return signal_now || (signals_on && next_random(&me->random) % 64 == 0);
}

int arch_user_load32(const uint32_t *src, uint32_t *value)
{
	if ((uintptr_t)src < 4096)
		return -EFAULT;
	*value = __atomic_load_n(src, __ATOMIC_SEQ_CST);
	chaos();
	return 0;
}

int arch_user_cmpxchg32(uint32_t *dst, uint32_t expected, uint32_t desired, uint32_t *old)
{
	if ((uintptr_t)dst < 4096)
		return -EFAULT;
	*old = expected;
	__atomic_compare_exchange_n(dst, old, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	chaos();
	return 0;
}

int posix_timespec_in(const struct abi_timespec *user, uint64_t *ns)
{
	*ns = (uint64_t)user->sec * NSEC_PER_SEC + (uint64_t)user->nsec;
	return 0;
}

uint64_t posix_deadline_in(uint64_t ns)
{
	return plat_monotonic_ns() + ns;
}

uint64_t posix_deadline_at(int clock, uint64_t ns)
{
	EXPECT(clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME); /* one clock */
	return ns;
}

/* ---- the tests ---- */

static long futex(uint32_t *addr, int op, uint32_t val, void *timeout, uint32_t *addr2, uint32_t val3)
{
	const long a[6] = { (long)addr, op, (long)val, (long)timeout, (long)addr2, (long)val3 };

	return sys_futex(a);
}

static long requeue(uint32_t *from, uint32_t *to, int wake, int move)
{
	return futex(from, FUTEX_REQUEUE, (uint32_t)wake, (void *)(long)move, to, 0);
}

static struct {
	uint32_t tokens[2];
	atomic_long taken, given, timeouts, interrupted;
	uint32_t gate[2];
	atomic_int left;
	atomic_long waits_ended, waits_woken;
} s;

static void give(uint32_t *sem)
{
	__atomic_fetch_add(sem, 1, __ATOMIC_SEQ_CST);
	EXPECT(futex(sem, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
	s.given++;
}

/* Take a token, trying for ever; part of the tries has a time limit. */
static void take(uint32_t *sem)
{
	for (;;) {
		uint32_t v = __atomic_load_n(sem, __ATOMIC_SEQ_CST);
		struct abi_timespec ts = { 0, 20000 };
		long r;

		if (v) {
			if (__atomic_compare_exchange_n(sem, &v, v - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				break;
			continue;
		}
		r = futex(sem, FUTEX_WAIT, 0, next_random(&me->random) % 4 ? NULL : &ts, NULL, 0);
		EXPECT(r == 0 || r == -EAGAIN || r == -ETIMEDOUT || r == -ERESTART || r == -ERESTART_NOHAND);
		if (r == -ETIMEDOUT)
			s.timeouts++;
		if (r == -ERESTART || r == -ERESTART_NOHAND) {
			s.interrupted++;
			/* a wake-up may have been for us: not lost, because the value is looked at again */
		}
	}
	s.taken++;
}

/* Tokens go round through two semaphores: each thread takes from one and gives to the other. */
static void *token_thread(void *arg)
{
	long i = (long)arg;

	thread_begin((uint64_t)i + 1);
	signals_on = true;
	for (int r = 0; r < ROUNDS; r++) {
		take(&s.tokens[(i + r) % 2]);
		give(&s.tokens[(i + r + 1) % 2]);
	}
	thread_end();
	return NULL;
}

static void *gate_thread(void *arg)
{
	struct abi_timespec ts = { 0, 100000 };
	long i = (long)arg;

	thread_begin((uint64_t)i + 100);
	for (int r = 0; r < GATE_ROUNDS; r++) {
		uint32_t v = __atomic_load_n(&s.gate[0], __ATOMIC_SEQ_CST);
		bool limited = (i + r) % 3 == 0;
		long ret;

		ret = futex(&s.gate[0], FUTEX_WAIT, v, limited ? &ts : NULL, NULL, 0);
		EXPECT(ret == 0 || ret == -EAGAIN || (limited && ret == -ETIMEDOUT));
		s.waits_ended++;
		s.waits_woken += ret == 0;
	}
	s.left++;
	thread_end();
	return NULL;
}

/* Waits once and is gone: whoever wakes it must not need it afterwards. */
static void *visitor_thread(void *arg)
{
	uint32_t *word = arg;
	long r;

	thread_begin((uintptr_t)&r);
	r = futex(word, FUTEX_WAIT, 0, NULL, NULL, 0);
	EXPECT(r == 0 || r == -EAGAIN);
	thread_end();
	return NULL;
}

static void test_visitors(void)
{
	for (int i = 0; i < VISITORS; i++) {
		struct timespec ts = { 0, (long)(next_random(&me->random) % 100000) };
		uint32_t word = 0;
		pthread_t t;

		EXPECT_EQ(pthread_create(&t, NULL, visitor_thread, &word), 0);
		nanosleep(&ts, NULL);
		__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
		EXPECT(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
		pthread_join(t, NULL);
	}
}

static void run(void *(*fn)(void *), pthread_t *t)
{
	for (long i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&t[i], NULL, fn, (void *)i), 0);
}

static void join(pthread_t *t)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void test_errors(void)
{
	uint32_t word = 5;
	struct abi_timespec ts = { 0, 1000 };

	EXPECT_EQ(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), -EAGAIN);
	EXPECT_EQ(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 5, &ts, NULL, 0), -ETIMEDOUT);
	EXPECT_EQ(futex(&word, FUTEX_WAIT_BITSET, 5, &ts, NULL, 1), -ETIMEDOUT);
	EXPECT_EQ(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), -EINVAL);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), -EINVAL);
	EXPECT_EQ(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 5, NULL, NULL, 0), -EINVAL);
	EXPECT_EQ(futex((uint32_t *)16, FUTEX_WAIT, 0, NULL, NULL, 0), -EFAULT);
	EXPECT_EQ(futex((uint32_t *)16, FUTEX_CMP_REQUEUE, 0, NULL, &word, 0), -EFAULT);
	EXPECT_EQ(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 6), -EAGAIN);
	EXPECT_EQ(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 5), 0);
	EXPECT_EQ(requeue(&word, &word, -1, 0), -EINVAL);
	EXPECT_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	EXPECT_EQ(futex(&word, 2, 1, NULL, NULL, 0), -ENOSYS);
	EXPECT_EQ(futex(&word, 11, 1, NULL, &word, 0), -ENOSYS);
	EXPECT_EQ(futex(&word, 12, 1, NULL, &word, 0), -ENOSYS);
	EXPECT_EQ(futex((uint32_t *)16, FUTEX_LOCK_PI, 0, NULL, NULL, 0), -EFAULT);
	EXPECT_EQ(futex((uint32_t *)16, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), -EFAULT);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_OP, 1, NULL, (uint32_t *)16, 0), -EFAULT);
	EXPECT_EQ(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), -ENOSYS);
}

/* A call that no handler ended is made again: the span goes on, and does not begin anew. */
static void test_restart(void)
{
	struct abi_timespec ts = { 0, 1000000 }, hour = { 3600, 0 };
	uint32_t word = 5;

	signal_now = true;
	EXPECT_EQ(futex(&word, FUTEX_WAIT, 5, &ts, NULL, 0), -ERESTART_NOHAND);
	EXPECT_EQ(futex(&word, FUTEX_WAIT, 5, &hour, NULL, 0), -ERESTART_NOHAND);
	signal_now = false;
	EXPECT_EQ(futex(&word, FUTEX_WAIT, 5, &hour, NULL, 0), -ETIMEDOUT);
	EXPECT_EQ(me->pt.sleep_deadline, 0);
}

/* ---- WAKE_OP: a semaphore whose give() is one call ---- */

static void *op_thread(void *arg)
{
	long i = (long)arg;

	thread_begin((uint64_t)i + 200);
	signals_on = true;
	for (int r = 0; r < ROUNDS / 2; r++) {
		take(&s.tokens[(i + r) % 2]);
		/* tokens[x] += 1, wake one there whatever it was; nobody sleeps on the first word */
		EXPECT(futex(&s.gate[1], FUTEX_WAKE_OP, 1, (void *)1, &s.tokens[(i + r + 1) % 2],
			     (uint32_t)FUTEX_OP_ADD << 28 | FUTEX_OP_CMP_GE << 24 | 1 << 12) >= 0);
		s.given++;
	}
	thread_end();
	return NULL;
}

/* ---- PI ---- */

static uint32_t pi_word[4];
static struct host_thread *links[3];
static atomic_int links_done;

static uint32_t pi_now(int i)
{
	return __atomic_load_n(&pi_word[i], __ATOMIC_SEQ_CST);
}

static long pi_lock(uint32_t *word, void *until)
{
	return futex(word, FUTEX_LOCK_PI, 0, until, NULL, 0);
}

static long pi_unlock(uint32_t *word)
{
	return futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

static void until_prio(struct uk_thread *t, int prio)
{
	while (thread_prio(t) != prio)
		sched_yield();
}

/* Link i, of base priority 118 - 4i, has lock i + 1 and waits for lock i. */
static void *link_thread(void *arg)
{
	long i = (long)arg;

	thread_begin((uint64_t)i + 300);
	me->base = 118 - 4 * (int)i;
	EXPECT_EQ(pi_lock(&pi_word[i + 1], NULL), 0);
	__atomic_store_n(&links[i], me, __ATOMIC_RELEASE);
	EXPECT_EQ(pi_lock(&pi_word[i], NULL), 0);
	EXPECT_EQ(pi_now((int)i) & FUTEX_TID_MASK, me->t.tid);
	EXPECT_EQ(pi_unlock(&pi_word[i]), 0);
	EXPECT_EQ(pi_unlock(&pi_word[i + 1]), 0);
	links_done++;
	thread_end();
	return NULL;
}

static void test_chain(void)
{
	struct uk_thread *mine = &me->t, *t[3];
	pthread_t p[3];

	EXPECT_EQ(pi_lock(&pi_word[0], NULL), 0);
	for (long i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_create(&p[i], NULL, link_thread, (void *)i), 0);
		until_prio(mine,
			   118 - 4 * (int)i); /* it waits, and we have its priority, through all that are before it */
		t[i] = thread_get(&__atomic_load_n(&links[i], __ATOMIC_ACQUIRE)->t);
	}
	EXPECT_EQ(thread_prio(t[0]), 110);
	EXPECT_EQ(thread_prio(t[1]), 110);
	EXPECT_EQ(pi_lock(&pi_word[3], NULL), -EDEADLK);
	EXPECT_EQ(futex(&pi_word[3], FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EAGAIN);
	EXPECT_EQ(thread_prio(mine), 110);
	/* One at the far end that changes its mind, by a call of its own and by whoever sets priorities. */
	__atomic_store_n(&links[2]->base, 20, __ATOMIC_RELAXED);
	posix_futex_pi_prio_changed(t[2]);
	EXPECT_EQ(thread_prio(mine), 20);
	EXPECT_EQ(thread_prio(t[0]), 20);
	__atomic_store_n(&links[2]->base, 130, __ATOMIC_RELAXED);
	posix_futex_pi_prio_changed(t[2]);
	EXPECT_EQ(thread_prio(mine), 114);
	EXPECT_EQ(thread_prio(t[0]), 114);
	EXPECT_EQ(thread_prio(t[1]), 114);
	EXPECT_EQ(thread_prio(t[2]), 130);
	EXPECT_EQ(pi_unlock(&pi_word[0]), 0);
	EXPECT_EQ(thread_prio(mine), 120);
	for (int i = 0; i < 3; i++) {
		pthread_join(p[i], NULL);
		thread_put(t[i]);
	}
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(pi_now(i) & FUTEX_TID_MASK, 0);
	EXPECT_EQ(states, 0);
}

/* Waits for word 0 with a priority, for a time or for ever, and notes when it had its turn. */
struct turn {
	int prio;
	bool gives_up;
	int place;
	uint32_t word; /* as it was given */
};
static atomic_int places;

static void *turn_thread(void *arg)
{
	struct turn *turn = arg;
	uint64_t at = plat_monotonic_ns() + 30000000;
	struct abi_timespec ts = { (int64_t)(at / NSEC_PER_SEC), (int64_t)(at % NSEC_PER_SEC) };

	thread_begin((uint64_t)turn->prio + 400);
	me->base = turn->prio;
	if (turn->gives_up) {
		EXPECT_EQ(pi_lock(&pi_word[0], &ts), -ETIMEDOUT);
	} else {
		EXPECT_EQ(pi_lock(&pi_word[0], NULL), 0);
		turn->word = pi_now(0);
		turn->place = ++places;
		EXPECT_EQ(pi_unlock(&pi_word[0]), 0);
	}
	thread_end();
	return NULL;
}

static void test_order(void)
{
	/* Each more urgent than those before it, so that it can be seen to wait. Equal ones: the test on one CPU, futex_inherit. */
	static struct turn turns[] = {
		{ .prio = 119 }, { .prio = 115 }, { .prio = 90 }, { .prio = 50, .gives_up = true }
	};
	pthread_t p[ARRAY_SIZE(turns)];

	places = 0;
	EXPECT_EQ(pi_lock(&pi_word[0], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		EXPECT_EQ(pthread_create(&p[i], NULL, turn_thread, &turns[i]), 0);
		until_prio(&me->t, turns[i].prio);
	}
	until_prio(&me->t, 90); /* the last one gave up */
	EXPECT_EQ(pi_unlock(&pi_word[0]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
		pthread_join(p[i], NULL);
	EXPECT_EQ(turns[2].place, 1);
	EXPECT_EQ(turns[1].place, 2);
	EXPECT_EQ(turns[0].place, 3);
	EXPECT_EQ(thread_prio(&me->t), 120);
	EXPECT_EQ(states, 0);
}

/* Waits on a word of its own until it may end. */
static void *bystander_thread(void *arg)
{
	struct host_thread **where = arg;
	uint32_t *until = &s.gate[1];

	thread_begin(450);
	__atomic_store_n(where, me, __ATOMIC_RELEASE);
	while (!__atomic_load_n(until, __ATOMIC_SEQ_CST))
		EXPECT(futex(until, FUTEX_WAIT, 0, NULL, NULL, 0) <= 0);
	thread_end();
	return NULL;
}

/* With a waiter in the kernel the program writes another owner into the word: the next call moves state and boost there, and back. */
static void test_follow(void)
{
	struct turn turn = { .prio = 90 };
	struct host_thread *other = NULL, *now;
	pthread_t p, q;

	s.gate[1] = 0;
	places = 0;
	EXPECT_EQ(pthread_create(&q, NULL, bystander_thread, &other), 0);
	while (!(now = __atomic_load_n(&other, __ATOMIC_ACQUIRE)))
		sched_yield();
	EXPECT_EQ(pi_lock(&pi_word[0], NULL), 0);
	EXPECT_EQ(pthread_create(&p, NULL, turn_thread, &turn), 0);
	until_prio(&me->t, 90);
	EXPECT(pi_now(0) & FUTEX_WAITERS);
	__atomic_store_n(&pi_word[0], (uint32_t)now->t.tid, __ATOMIC_SEQ_CST);
	EXPECT_EQ(futex(&pi_word[0], FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), -EAGAIN);
	EXPECT_EQ(pi_now(0), (uint32_t)now->t.tid | FUTEX_WAITERS);
	EXPECT_EQ(thread_prio(&now->t), 90);
	EXPECT_EQ(thread_prio(&me->t), 120);
	EXPECT_EQ(pi_unlock(&pi_word[0]), -EPERM);
	__atomic_store_n(&pi_word[0], (uint32_t)me->t.tid, __ATOMIC_SEQ_CST);
	EXPECT_EQ(pi_unlock(&pi_word[0]), 0);
	EXPECT_EQ(thread_prio(&now->t), 120);
	EXPECT_EQ(thread_prio(&me->t), 120);
	pthread_join(p, NULL);
	EXPECT_EQ(turn.place, 1);
	__atomic_store_n(&s.gate[1], 1, __ATOMIC_SEQ_CST);
	EXPECT(futex(&s.gate[1], FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
	pthread_join(q, NULL);
	EXPECT_EQ(pi_now(0), 0);
	EXPECT_EQ(states, 0);
}

/* FUTEX_WAITERS stands in the word from the first waiter on, and after a hand-over if there is another one. */
static void test_bits(void)
{
	static struct turn turns[] = { { .prio = 100 }, { .prio = 99 } };
	pthread_t p[ARRAY_SIZE(turns)];

	places = 0;
	EXPECT_EQ(pi_lock(&pi_word[0], NULL), 0);
	EXPECT_EQ(pi_now(0), (uint32_t)me->t.tid);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		EXPECT_EQ(pthread_create(&p[i], NULL, turn_thread, &turns[i]), 0);
		until_prio(&me->t, turns[i].prio);
		EXPECT_EQ(pi_now(0), (uint32_t)me->t.tid | FUTEX_WAITERS);
	}
	EXPECT_EQ(pi_unlock(&pi_word[0]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
		pthread_join(p[i], NULL);
	EXPECT_EQ(turns[1].place, 1);
	EXPECT_EQ(turns[1].word & FUTEX_WAITERS, FUTEX_WAITERS);
	EXPECT_EQ(turns[0].word & FUTEX_WAITERS, 0);
}

static long pi_counter[2];
static atomic_long pi_taken[2], pi_deaths, pi_heard;

/* Takes one lock or both, in any order; ends with them now and then, and another thread takes its place. */
static void *pi_thread(void *arg)
{
	long i = (long)arg;
	bool dead = false;

	thread_begin((uint64_t)i + 500);
	signals_on = true;
	for (int r = 0; r < ROUNDS; r++) {
		bool have[2] = { false, false };

		if (dead) {
			thread_begin((uint64_t)(i + r) + 600);
			signals_on = true;
			dead = false;
		}
		me->base = 100 + (int)(next_random(&me->random) % 40);
		for (int k = 0; k < 2; k++) {
			int w = (int)(next_random(&me->random) % 2);
			uint64_t at = plat_monotonic_ns() + next_random(&me->random) % 200000;
			struct abi_timespec ts = { (int64_t)(at / NSEC_PER_SEC), (int64_t)(at % NSEC_PER_SEC) };
			uint32_t now, free = 0;
			long ret;

			if (have[w]) {
				EXPECT_EQ(pi_lock(&pi_word[w], NULL), -EDEADLK);
				continue;
			}
			ret = next_random(&me->random) % 2 &&
					      __atomic_compare_exchange_n(&pi_word[w], &free, (uint32_t)me->t.tid,
									  false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
				      ? 0
				      : pi_lock(&pi_word[w], next_random(&me->random) % 4 ? NULL : &ts);
			EXPECT(ret == 0 || ret == -ETIMEDOUT || ret == -ERESTART_NOINTR ||
			       (ret == -EDEADLK && have[!w]));
			if (ret)
				continue;
			now = pi_now(w);
			EXPECT_EQ(now & FUTEX_TID_MASK, me->t.tid);
			if (now & FUTEX_OWNER_DIED) {
				pi_heard++;
				__atomic_fetch_and(&pi_word[w], ~FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
			}
			have[w] = true;
			pi_counter[w]++;
			pi_taken[w]++;
			chaos();
		}
		if ((have[0] || have[1]) && next_random(&me->random) % 32 == 0) {
			/* As a robust list does it: marked first, then handed over. */
			for (int w = 0; w < 2; w++)
				if (have[w]) {
					uint32_t now = pi_now(w);

					while (!__atomic_compare_exchange_n(&pi_word[w], &now,
									    (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
									    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
						;
					pi_deaths++;
				}
			thread_end();
			dead = true;
			continue;
		}
		for (int w = 0; w < 2; w++)
			if (have[w])
				EXPECT_EQ(pi_unlock(&pi_word[w]), 0);
	}
	if (!dead)
		thread_end();
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	long woken = 0;

	thread_begin(7);
	test_errors();
	test_restart();
	test_visitors();
	s.tokens[0] = s.tokens[1] = 1;
	run(token_thread, t);
	join(t);
	EXPECT_EQ(s.tokens[0] + s.tokens[1], 2);
	EXPECT_EQ(s.taken, THREADS * ROUNDS);
	EXPECT_EQ(s.given, THREADS * ROUNDS);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(futex(&s.tokens[i], FUTEX_WAKE, 100, NULL, NULL, 0), 0);

	run(gate_thread, t);
	while (s.left < THREADS) {
		uint64_t r = next_random(&me->random);
		long n;

		__atomic_fetch_add(&s.gate[0], r % 8 == 0, __ATOMIC_SEQ_CST);
		if (r & 16) {
			n = requeue(&s.gate[0], &s.gate[1], (int)((r >> 8) % 2), 3);
		} else {
			n = futex(&s.gate[(r >> 8) % 2], FUTEX_WAKE, 1 + (r >> 9) % 3, NULL, NULL, 0);
		}
		EXPECT(n >= 0);
		woken += n;
	}
	join(t);
	/* Each wait ended for one reason, and who was counted as woken was told so. */
	EXPECT_EQ(s.waits_ended, THREADS * GATE_ROUNDS);
	EXPECT_EQ(s.waits_woken, woken);
	EXPECT_EQ(futex(&s.gate[0], FUTEX_WAKE, 100, NULL, NULL, 0), 0);
	EXPECT_EQ(futex(&s.gate[1], FUTEX_WAKE, 100, NULL, NULL, 0), 0);
	s.tokens[0] = s.tokens[1] = 1;
	run(op_thread, t);
	join(t);
	EXPECT_EQ(s.tokens[0] + s.tokens[1], 2);

	for (int i = 0; i < 5; i++) {
		test_chain();
		test_order();
		test_follow();
		test_bits();
	}
	run(pi_thread, t);
	join(t);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(pi_counter[i], pi_taken[i]);
		if (pi_word[i] & FUTEX_OWNER_DIED)
			pi_heard++;
		EXPECT_EQ(pi_word[i] & FUTEX_TID_MASK, 0);
	}
	EXPECT_EQ(pi_deaths, pi_heard);
	EXPECT_EQ(states, 0);
	EXPECT_EQ(fake_preempt_count(), 0);
	printf("PI: %ld and %ld, deaths %ld\n", pi_counter[0], pi_counter[1], (long)pi_deaths);
	printf("tokens %d, time-outs %ld, interrupted %ld\n", THREADS * ROUNDS, s.timeouts, s.interrupted);
	thread_end();
	return 0;
}
