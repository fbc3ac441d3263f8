// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * Programs call the sleeping locks on stacks of PTHREAD_STACK_MIN bytes, in pages that nobody has touched: the kernel does not run on
 * them (sched_on_kstack()). Around each stack everything stays as it was. A signal that arrives while the thread is in there
 * is delivered when it comes back, and the call goes on to its end.
 */
#include "check.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <tutti/completion.h>
#include <tutti/condition.h>
#include <uk/mutex.h>
#include <uk/rwlock.h>
#include <uk/semaphore.h>

enum { THREADS = 8, PAGE = 4096, MARGIN = PAGE, STACK = 2048, ROUNDS = 200 };

static struct uk_mutex lock = UK_MUTEX_INITIALIZER(lock);
static struct uk_rwlock rw = UK_RWLOCK_INITIALIZER(rw, 0);
static struct uk_semaphore sem = UK_SEMAPHORE_INITIALIZER(sem, 1);
static struct tutti_condition turn = TUTTI_CONDITION_INITIALIZER(turn);
static struct tutti_completion go = TUTTI_COMPLETION_INITIALIZER(go);
static long counter[3], turns, handled;

static void *work(void *arg)
{
	long rounds = check_rounds(ROUNDS);

	(void)arg;
	tutti_completion_wait(&go);
	for (long i = 0; i < rounds; i++) {
		uk_mutex_lock(&lock);
		counter[0]++;
		sched_yield();
		uk_mutex_unlock(&lock);
		uk_rwlock_wlock(&rw);
		counter[1]++;
		sched_yield();
		uk_rwlock_wunlock(&rw);
		uk_rwlock_rlock(&rw);
		uk_rwlock_runlock(&rw);
		uk_semaphore_down(&sem);
		counter[2]++;
		sched_yield();
		uk_semaphore_up(&sem);
	}
	uk_mutex_lock(&lock);
	turns++;
	tutti_condition_broadcast(&turn);
	while (turns != THREADS)
		tutti_condition_wait(&turn, &lock);
	uk_mutex_unlock(&lock);
	return NULL;
}

static void handler(int sig)
{
	(void)sig;
	handled++;
}

/* Sleeps in a lock on a tiny stack when the signal comes. */
static void *sleeper(void *arg)
{
	(void)arg;
	uk_mutex_lock(&lock);
	CHECK_EQ(__atomic_load_n(&handled, __ATOMIC_SEQ_CST), 1);
	uk_mutex_unlock(&lock);
	return NULL;
}

static void signalled(void)
{
	struct sigaction sa = { .sa_handler = handler };
	pthread_t t;

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	uk_mutex_lock(&lock);
	t = check_spawn(sleeper, NULL);
	/* sooner or later it waits; the test holds wherever it is */
	usleep(2000);
	CHECK_OK(pthread_kill(t, SIGUSR1));
	usleep(2000);
	uk_mutex_unlock(&lock);
	check_join(t);
	CHECK_EQ(handled, 1);
}

int main(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	unsigned char *area = mmap(NULL, THREADS * 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				   0);

	CHECK(area != MAP_FAILED);
	CHECK(PTHREAD_STACK_MIN <= STACK);
	CHECK_OK(pthread_attr_init(&attr));
	for (int i = 0; i < THREADS; i++) {
		/* the stack's page is not touched here; its neighbours are */
		memset(area + (3 * i) * PAGE, 0xa5, PAGE);
		memset(area + (3 * i + 2) * PAGE, 0xa5, PAGE);
		CHECK_OK(pthread_attr_setstack(&attr, area + (3 * i + 1) * PAGE, STACK));
		CHECK_OK(pthread_create(&threads[i], &attr, work, NULL));
	}
	tutti_completion_complete_all(&go);
	for (int i = 0; i < THREADS; i++)
		CHECK_OK(pthread_join(threads[i], NULL));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(counter[i], THREADS * check_rounds(ROUNDS));
	for (int i = 0; i < THREADS; i++)
		for (int n = 0; n < PAGE; n++) {
			CHECK_EQ(area[3 * i * PAGE + n], 0xa5);
			CHECK_EQ(area[(3 * i + 2) * PAGE + n], 0xa5);
			/* the rest of the page above the stack */
			CHECK(n < STACK || area[(3 * i + 1) * PAGE + n] == 0);
		}
	signalled();
	return 0;
}
