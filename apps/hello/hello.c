// SPDX-License-Identifier: BSD-3-Clause
/*
 * hello: one line from every CPU, in order, and nothing else.
 *
 * One thread per configured CPU pins itself to it and says which CPU it then finds itself on. The CPUs speak one after
 * the other (a mutex and a condition hand the turn on), so that the output is the same each time; all the threads
 * exist at once. Exit status 0 if each CPU answered, 1 otherwise. Plain POSIX with two GNU calls (affinity, getcpu).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t turned;
	long turn;  /* [l] the CPU whose line comes next */
	long cpus;  /* [I] */
	int failed; /* [l] */
} hello = { .lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER };

static void *say_hello(void *arg)
{
	long cpu = (long)arg;
	cpu_set_t set;
	int here;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("hello: sched_setaffinity");
	here = sched_getcpu();
	pthread_mutex_lock(&hello.lock);
	while (hello.turn != cpu)
		pthread_cond_wait(&hello.turned, &hello.lock);
	printf("hello from CPU %d of %ld\n", here, hello.cpus);
	fflush(stdout);
	if (here != cpu)
		hello.failed = 1;
	hello.turn++;
	pthread_cond_broadcast(&hello.turned);
	pthread_mutex_unlock(&hello.lock);
	return NULL;
}

int main(void)
{
	long cpu;

	hello.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (cpu = 0; cpu < hello.cpus; cpu++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, say_hello, (void *)cpu) != 0) {
			fprintf(stderr, "hello: no thread for CPU %ld\n", cpu);
			return 1;
		}
		pthread_detach(thread);
	}
	pthread_mutex_lock(&hello.lock);
	while (hello.turn != hello.cpus)
		pthread_cond_wait(&hello.turned, &hello.lock);
	pthread_mutex_unlock(&hello.lock);
	return hello.failed;
}
