// SPDX-License-Identifier: BSD-3-Clause
// test: replay=12 cpus=1,2,4,8 sched=preempt,coop
/*
 * The scheduler under everything at once: threads yield, sleep, spin, block on each other, create threads, and change their own and each
 * other's policy, priority, nice value and affinity.
 *
 * Invariants: whoever sleeps is woken and everybody ends (a lost thread hangs the test); a thread is executed once at a
 * time (a counter in memory is never another than the one on its stack); it never runs outside its affinity (looked at
 * under a lock under which its affinity does not change, in the middle of a system call or not).
 */
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "torture.h"

#define WORKERS_MAX 24

static struct worker {
	pthread_t worker, server;
	pthread_mutex_t lock; /* held while affinity changes or is compared */
	cpu_set_t set;	      /* [lock] of the worker */
	pid_t tid[2];	      /* worker, server; [a] 0: not begun */
	sem_t request, reply;
	uint64_t count; /* the worker's alone */
	char end;
} workers[WORKERS_MAX];
static unsigned n;

static void check_place(struct worker *w)
{
	CHECK_OK(pthread_mutex_lock(&w->lock));
	for (int i = 0; i < 3; i++) {
		int cpu = sched_getcpu();

		if (!CPU_ISSET(cpu, &w->set))
			torture_fail("on CPU %d, outside the set", cpu);
		if (i == 1)
			sched_yield();
	}
	CHECK_OK(pthread_mutex_unlock(&w->lock));
}

static void change_affinity(struct worker *w, uint64_t *rnd)
{
	unsigned cpus = (unsigned)check_cpus();
	cpu_set_t set;
	pid_t tid;

	if (pthread_mutex_trylock(&w->lock))
		return;
	tid = __atomic_load_n(&w->tid[0], __ATOMIC_SEQ_CST);
	if (!tid) {
		CHECK_OK(pthread_mutex_unlock(&w->lock));
		return;
	}
	CPU_ZERO(&set);
	CPU_SET(torture_below(rnd, cpus), &set);
	for (unsigned i = 0; i < cpus; i++)
		if (torture_below(rnd, 3) == 0)
			CPU_SET(i, &set);
	TORTURE_CHECK(!sched_setaffinity(tid, sizeof(set), &set));
	w->set = set;
	/* one that sleeps now, too, shows nothing else */
	CPU_ZERO(&set);
	TORTURE_CHECK(!sched_getaffinity(tid, sizeof(set), &set));
	TORTURE_CHECK(CPU_EQUAL(&set, &w->set));
	CHECK_OK(pthread_mutex_unlock(&w->lock));
}

static void change_priority(struct worker *w, uint64_t *rnd)
{
	static const int policies[] = { 0, 0, 0, SCHED_FIFO, SCHED_RR, 3, 5 };
	pid_t tid = __atomic_load_n(&w->tid[torture_below(rnd, 2)], __ATOMIC_SEQ_CST);
	int policy = policies[torture_below(rnd, 7)], prio = 0;

	if (!tid)
		return;
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		prio = 1 + (int)torture_below(rnd, 99);
	/* it may have ended meanwhile */
	TORTURE_CHECK(!syscall(SYS_sched_setscheduler, tid, policy, &prio) || errno == ESRCH);
	if (torture_below(rnd, 2))
		TORTURE_CHECK(!setpriority(PRIO_PROCESS, (id_t)tid, (int)torture_below(rnd, 40) - 20) ||
			      errno == ESRCH);
}

static void *child(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < 3; i++)
		sched_yield();
	return w;
}

static void *server(void *arg)
{
	struct worker *w = arg;

	__atomic_store_n(&w->tid[1], gettid(), __ATOMIC_SEQ_CST);
	for (;;) {
		while (sem_wait(&w->request))
			;
		if (__atomic_load_n(&w->end, __ATOMIC_SEQ_CST))
			return NULL;
		CHECK_EQ(sem_post(&w->reply), 0);
	}
}

static void *worker(void *arg)
{
	struct worker *w = arg;
	uint64_t rnd = torture_stream((unsigned)(w - workers)), count = 0;
	unsigned account = 0;

	__atomic_store_n(&w->tid[0], gettid(), __ATOMIC_SEQ_CST);
	while (torture_more(&account)) {
		struct worker *other = &workers[torture_below(&rnd, n)];

		TORTURE_CHECK(__atomic_load_n(&w->count, __ATOMIC_RELAXED) == count);
		__atomic_store_n(&w->count, ++count, __ATOMIC_RELAXED);
		switch (torture_below(&rnd, 12)) {
		case 0:
		case 1:
			sched_yield();
			break;
		case 2: {
			struct timespec ts = { .tv_nsec = torture_below(&rnd, 60000) };

			nanosleep(&ts, NULL);
			break;
		}
		case 3:
			for (unsigned i = torture_below(&rnd, 200); i; i--)
				check_pause();
			break;
		case 4:
		case 5:
		case 6:
			CHECK_EQ(sem_post(&w->request), 0);
			while (sem_wait(&w->reply))
				;
			break;
		case 7:
			change_affinity(w, &rnd);
			break;
		case 8:
			change_affinity(other, &rnd);
			break;
		case 9:
			change_priority(other, &rnd);
			break;
		case 10:
			check_place(w);
			break;
		default:
			if (torture_below(&rnd, 4) == 0)
				TORTURE_CHECK(check_join(check_spawn(child, w)) == w);
		}
		TORTURE_CHECK(__atomic_load_n(&w->count, __ATOMIC_RELAXED) == count);
	}
	check_place(w);
	/* no more changes of affinity: the number is not good for long */
	CHECK_OK(pthread_mutex_lock(&w->lock));
	__atomic_store_n(&w->tid[0], 0, __ATOMIC_SEQ_CST);
	CHECK_OK(pthread_mutex_unlock(&w->lock));
	return w;
}

int main(int argc, char **argv)
{
	int cpus = check_cpus();

	torture_begin(argc, argv, 24000);
	n = cpus * 3 < WORKERS_MAX ? (unsigned)cpus * 3 : WORKERS_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &workers[i];

		CHECK_OK(pthread_mutex_init(&w->lock, NULL));
		for (int c = 0; c < cpus; c++)
			CPU_SET(c, &w->set);
		sem_init(&w->request, 0, 0);
		sem_init(&w->reply, 0, 0);
	}
	for (unsigned i = 0; i < n; i++) {
		workers[i].server = check_spawn(server, &workers[i]);
		workers[i].worker = check_spawn(worker, &workers[i]);
	}
	for (unsigned i = 0; i < n; i++)
		TORTURE_CHECK(check_join(workers[i].worker) == &workers[i]);
	for (unsigned i = 0; i < n; i++) {
		__atomic_store_n(&workers[i].end, 1, __ATOMIC_SEQ_CST);
		sem_post(&workers[i].request);
		check_join(workers[i].server);
	}
	return torture_end();
}
