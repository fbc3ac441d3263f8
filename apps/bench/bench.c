// SPDX-License-Identifier: BSD-3-Clause
/*
 * The benchmarks' common part: see bench.h for what it offers.
 *
 * Measured time runs from main's release of the threads, all of which exist and have done their preparation by then,
 * to the moment at which the last of them has done its share. The creation and the end of the threads are outside,
 * except for those that the benchmark itself creates. While it runs, main sleeps, and the threads write nothing that
 * another thread's cache line holds: each has its own struct bench_thread on lines of its own.
 *
 * Concurrency: the gate is a mutex and two conditions; everything in struct bench_thread is the thread's own between
 * gate and pthread_join. Threads are not pinned: where they run is the scheduler's doing, and part of the result.
 * Out of memory ends the program with a message and status 1.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct bench *bench;
	pthread_mutex_t lock;
	pthread_cond_t all_ready;
	pthread_cond_t released;
	unsigned int ready; /* [l] threads that wait at the gate */
	bool open;	    /* [l] */
	struct bench_thread threads[BENCH_MAX_THREADS];
} gate = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.all_ready = PTHREAD_COND_INITIALIZER,
	.released = PTHREAD_COND_INITIALIZER,
};

static uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void bench_note_cpu(struct bench_thread *t)
{
	int cpu = sched_getcpu();
	size_t bits = 8 * sizeof(t->cpus[0]);

	if (cpu >= 0 && (size_t)cpu < sizeof(t->cpus) * 8)
		t->cpus[(size_t)cpu / bits] |= 1ul << ((size_t)cpu % bits);
}

long bench_share(long total, unsigned int index, unsigned int threads, long *first)
{
	long each = total / threads, left = total % threads;

	if (first)
		*first = each * index + (index < left ? index : left);
	return each + (index < left);
}

void *bench_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p) {
		fprintf(stderr, "%s: malloc(%zu): %s\n", gate.bench->name, size, strerror(errno));
		_exit(1);
	}
	return p;
}

static void *bench_thread_main(void *arg)
{
	struct bench_thread *t = arg;

	if (gate.bench->prepare)
		gate.bench->prepare(t);
	pthread_mutex_lock(&gate.lock);
	if (++gate.ready == t->threads)
		pthread_cond_signal(&gate.all_ready);
	while (!gate.open)
		pthread_cond_wait(&gate.released, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	bench_note_cpu(t);
	gate.bench->run(t);
	if (!gate.bench->finish) { /* with one, *t has passed on to another thread by now */
		bench_note_cpu(t);
		t->finished = bench_now();
	}
	return NULL;
}

/* Peak resident bytes of the heap from tutti; elsewhere, of the whole process. */
static unsigned long long bench_peak_bytes(void)
{
	char text[32];
	struct rusage ru;
	ssize_t n = -1;
	int fd = open("/dev/tutti-heap-peak", O_RDONLY);

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n > 0) {
		text[n] = '\0';
		return strtoull(text, NULL, 10);
	}
	return getrusage(RUSAGE_SELF, &ru) == 0 ? (unsigned long long)ru.ru_maxrss * 1024 : 0;
}

static void bench_print_cpus(unsigned int threads)
{
	const char *separator = "@cpus ";
	unsigned int i, cpu, bits = 8 * sizeof(gate.threads[0].cpus[0]);

	for (cpu = 0; cpu < sizeof(gate.threads[0].cpus) * 8; cpu++) {
		bool seen = false;

		for (i = 0; i < threads; i++)
			seen |= gate.threads[i].cpus[cpu / bits] >> (cpu % bits) & 1;
		if (seen) {
			printf("%s%u", separator, cpu);
			separator = ",";
		}
	}
	printf("\n");
}

static int bench_usage(const struct bench *b)
{
	const struct bench_param *p;

	fprintf(stderr, "usage: %s [--threads N] [--scale F] [--list-params]", b->name);
	for (p = b->params; p->name; p++)
		fprintf(stderr, " [--%s N]", p->name);
	fprintf(stderr, "\n%s\n", b->about);
	return 2;
}

static bool bench_parse(int argc, char **argv, struct bench *b, unsigned int *threads, double *scale)
{
	int i;

	for (i = 1; i < argc; i++) {
		struct bench_param *p;
		char *end;
		double value;

		if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc)
			return false;
		errno = 0;
		value = strtod(argv[i + 1], &end);
		if (*end || end == argv[i + 1] || errno || !(value > 0) || value > 1e15)
			return false;
		if (strcmp(argv[i], "--threads") == 0) {
			if (value > BENCH_MAX_THREADS || value < 1)
				return false;
			*threads = (unsigned int)value;
		} else if (strcmp(argv[i], "--scale") == 0) {
			*scale = value;
		} else {
			for (p = b->params; p->name && strcmp(argv[i] + 2, p->name) != 0; p++)
				;
			if (!p->name || value < 1)
				return false;
			p->value = (long)value;
		}
		i++;
	}
	return true;
}

int bench_main(int argc, char **argv, struct bench *b)
{
	static pthread_t ids[BENCH_MAX_THREADS];
	unsigned int threads = 1, i;
	uint64_t start, end = 0, ops = 0;
	double scale = 1;
	struct bench_param *p;
	bool ok = true;

	gate.bench = b;
	if (argc == 2 && strcmp(argv[1], "--list-params") == 0) {
		for (p = b->params; p->name; p++)
			printf("%s=%ld\t%s%s\n", p->name, p->value, p->help, p->scaled ? " (scaled)" : "");
		return 0;
	}
	if (!bench_parse(argc, argv, b, &threads, &scale))
		return bench_usage(b);
	for (p = b->params; p->name; p++)
		if (p->scaled) {
			p->value = (long)((double)p->value * scale);
			if (p->value < 1)
				p->value = 1;
		}

	if (b->setup)
		b->setup(threads);
	for (i = 0; i < threads; i++) {
		struct bench_thread *t = &gate.threads[i];
		int error;

		t->index = i;
		t->threads = threads;
		t->rng = 0x9e3779b97f4a7c15ULL * (i + 1);
		error = pthread_create(&ids[i], NULL, bench_thread_main, t);
		if (error) {
			fprintf(stderr, "%s: thread %u: %s\n", b->name, i, strerror(error));
			return 1;
		}
	}
	pthread_mutex_lock(&gate.lock);
	while (gate.ready < threads)
		pthread_cond_wait(&gate.all_ready, &gate.lock);
	printf("@start\n");
	fflush(stdout);
	start = bench_now();
	gate.open = true;
	pthread_cond_broadcast(&gate.released);
	pthread_mutex_unlock(&gate.lock);

	if (b->finish) {
		b->finish(threads);
		end = bench_now();
	}
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	for (i = 0; i < threads; i++) {
		struct bench_thread *t = &gate.threads[i];

		end = t->finished > end ? t->finished : end;
		ops += t->ops;
		ok = ok && !t->failed;
	}
	if (b->verify)
		ok = b->verify() && ok;
	if (end <= start)
		end = start + 1;
	bench_print_cpus(threads);
	printf("@result ops=%llu seconds=%.6f peak_bytes=%llu check=%s\n", (unsigned long long)ops,
	       (double)(end - start) / 1e9, bench_peak_bytes(), ok ? "ok" : "failed");
	return ok ? 0 : 1;
}
