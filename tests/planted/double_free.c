// SPDX-License-Identifier: BSD-3-Clause
// test: check=memory cpus=2 expect-report='double free(.*\n)+.*main.*double_free.c(.*\n)+.*was freed by:\n(.*\n)*.*worker' timeout=60
/*
 * Planted here: a double free across CPUs. A thread on CPU 1 takes a job, does it and frees it; the thread on CPU 0 that made the job
 * waits until it is done and, believing it to be still its own, frees it too.
 */
#include "../guest/check.h"

#include <semaphore.h>
#include <stdatomic.h>

struct job {
	int in, out;
};

static struct job *handed;
static sem_t given, done;
static atomic_int result;

static void *worker(void *arg)
{
	check_pin(1);
	CHECK_EQ(sem_wait(&given), 0);
	handed->out = 2 * handed->in;
	atomic_store(&result, handed->out);
	free(handed);
	CHECK_EQ(sem_post(&done), 0);
	return arg;
}

int main(void)
{
	pthread_t thread;
	struct job *job;

	check_pin(0);
	CHECK_EQ(sem_init(&given, 0, 0), 0);
	CHECK_EQ(sem_init(&done, 0, 0), 0);
	thread = check_spawn(worker, NULL);
	job = malloc(sizeof(*job));
	CHECK(job);
	job->in = 21;
	handed = job;
	CHECK_EQ(sem_post(&given), 0);
	CHECK_EQ(sem_wait(&done), 0);
#ifndef FIXED
	free(job);
#endif
	check_join(thread);
	CHECK_EQ(atomic_load(&result), 42);
	return 0;
}
