// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/* Threads are created, joined, detached and identified as POSIX says; their attributes and errno are their own. */
#include "check.h"

#include <semaphore.h>
#include <signal.h>

static sem_t detached_done;
static pthread_t main_id;

static void *give_back(void *arg)
{
	return arg;
}

static void *leave_early(void *arg)
{
	pthread_exit(arg);
}

static void *set_errno(void *arg)
{
	int mine = (int)(intptr_t)arg, i;

	for (i = 0; i < 200; i++) {
		errno = mine;
		sched_yield();
		CHECK_EQ(errno, mine);
	}
	return NULL;
}

static void *detach_self(void *arg)
{
	CHECK(!pthread_equal(pthread_self(), main_id));
	CHECK_OK(pthread_detach(pthread_self()));
	sem_post(&detached_done);
	return arg;
}

static void *post_only(void *arg)
{
	sem_post(&detached_done);
	return arg;
}

static void *nest(void *arg)
{
	intptr_t depth = (intptr_t)arg;

	return depth == 0 ? (void *)0 : (void *)(1 + (intptr_t)check_join(check_spawn(nest, (void *)(depth - 1))));
}

static void *stack_user(void *arg)
{
	size_t size = (size_t)arg, i;
	volatile char *low;
	pthread_attr_t attr;
	void *base;
	size_t got;
	volatile char here = 1;

	CHECK_OK(pthread_getattr_np(pthread_self(), &attr));
	CHECK_OK(pthread_attr_getstack(&attr, &base, &got));
	CHECK(got >= size);
	CHECK((char *)base < (char *)&here && (char *)&here < (char *)base + got);
	low = (char *)base;
	for (i = 0; i < size - 4096; i += 4096) /* all of it is there, down to the lowest byte */
		low[i] = 1;
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t threads[16];
	int i, state;

	main_id = pthread_self();
	CHECK(pthread_equal(main_id, pthread_self()));
	CHECK_EQ(sem_init(&detached_done, 0, 0), 0);
	CHECK(check_join(check_spawn(give_back, (void *)0x1234)) == (void *)0x1234);
	CHECK(check_join(check_spawn(leave_early, (void *)0x4321)) == (void *)0x4321);
	CHECK_EQ((intptr_t)check_join(check_spawn(nest, (void *)20)), 20);

	for (i = 0; i < 16; i++)
		threads[i] = check_spawn(set_errno, (void *)(intptr_t)(i + 1));
	errno = 99;
	for (i = 0; i < 16; i++)
		CHECK_OK(pthread_join(threads[i], NULL));
	CHECK_EQ(errno, 99);

	for (i = 0; i < 50; i++)
		check_spawn(detach_self, NULL);
	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	CHECK_OK(pthread_attr_getdetachstate(&attr, &state));
	CHECK_EQ(state, PTHREAD_CREATE_DETACHED);
	for (i = 0; i < 50; i++)
		CHECK_OK(pthread_create(&threads[0], &attr, post_only, NULL));
	for (i = 0; i < 100; i++)
		CHECK_EQ(sem_wait(&detached_done), 0);

	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setstacksize(&attr, 1 << 20));
	CHECK_OK(pthread_create(&threads[0], &attr, stack_user, (void *)(1 << 20)));
	CHECK_OK(pthread_join(threads[0], NULL));
	CHECK_EQ(pthread_attr_setstacksize(&attr, 100), EINVAL);
	CHECK_EQ(pthread_kill(pthread_self(), 0), 0);
	return 0;
}
