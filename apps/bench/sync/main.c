// SPDX-License-Identifier: BSD-3-Clause
/*
 * The synchronization benchmark's frame: arguments, rounds, teams of threads, result lines; see sync.h.
 *
 *	sync [--scale F] [--rounds N] [--only NAME,...] [--skip NAME,...] [--cpus N]
 *	sync --list | --tsc
 *
 * Each figure finds how many operations fill a round (3 ms times the scale): from 8 on, more until a round takes a quarter of
 * it, also when an earlier one took long for another reason. Of the averages of the rounds with that many the smallest and the
 * middle one are shown: what else the computer does only makes a round slower, and a short round has a chance to be spared. All
 * rounds of a figure come one after the other, and programs to be compared take turns.
 *
 * A thread that does nothing exists throughout: without one, glibc leaves out the atomic instructions of its locks, and a
 * program with one thread has no use for them.
 *
 * Threads of a team wait at a barrier. Each notes when it leaves and when it is done; the measured time is from the first
 * note to the last. Everything in struct member is the thread's own until pthread_join.
 */
#define _GNU_SOURCE
#include "sync.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUND_NS   3e6
#define MAX_ROUNDS 301

static struct {
	unsigned cpus;		   /* [I] that the program uses */
	int number[SYNC_MAX_CPUS]; /* [I] their numbers */
	pthread_barrier_t gate;	   /* of the team that runs */
	enum placement where;	   /* [I] while a team runs */
	struct member members[SYNC_MAX_THREADS];
	sem_t idle; /* nobody posts it */
} frame;

uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

_Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "sync: %s: %s\n", what, strerror(error));
	_exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ---- CPUs and teams --------------------------------------------------------------------------------------------- */

static void find_cpus(unsigned most)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity", errno);
	for (int cpu = 0; cpu < CPU_SETSIZE && frame.cpus < most; cpu++)
		if (CPU_ISSET(cpu, &set))
			frame.number[frame.cpus++] = cpu;
	if (!frame.cpus)
		die("sched_getaffinity: no CPU", EINVAL);
}

bool bind_cpu(unsigned index)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(frame.number[index % frame.cpus], &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static void *member_main(void *arg)
{
	struct member *m = arg;

	if (frame.where != ANYWHERE && !bind_cpu(frame.where == ONE_CPU ? 0 : m->index))
		die("sched_setaffinity", errno);
	pthread_barrier_wait(&frame.gate);
	m->start = now();
	m->work(m);
	m->finish = now();
	return NULL;
}

uint64_t team_run(struct round *r, unsigned threads, enum placement where, void (*work)(struct member *m), void *arg,
		  bool *ok)
{
	pthread_t ids[SYNC_MAX_THREADS];
	uint64_t first = UINT64_MAX, last = 0, count = 0;

	frame.where = where;
	pthread_barrier_init(&frame.gate, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		struct member *m = &frame.members[i];
		int error;

		*m = (struct member){ .index = i, .n = r->n, .arg = arg, .work = work, .ok = true };
		error = pthread_create(&ids[i], NULL, member_main, m);
		if (error)
			die("pthread_create", error);
	}
	*ok = true;
	for (unsigned i = 0; i < threads; i++) {
		struct member *m = &frame.members[i];

		pthread_join(ids[i], NULL);
		first = m->start < first ? m->start : first;
		last = m->finish > last ? m->finish : last;
		count += m->count;
		*ok = *ok && m->ok;
	}
	pthread_barrier_destroy(&frame.gate);
	r->elapsed = last > first ? last - first : 1;
	return count;
}

void round_done(struct round *r, uint64_t ops, bool ok)
{
	r->ops = ops;
	r->ok = ok && ops > 0;
	r->ns = ops ? (double)r->elapsed / (double)ops : 0;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static bool run_figure(const struct figure *f, double scale, unsigned rounds)
{
	struct round r = { .cpus = frame.cpus, .n = 8, .scale = scale };
	double values[MAX_ROUNDS], goal = ROUND_NS * scale;
	bool ok = true;

	for (unsigned i = 0; i < rounds;) {
		f->run(&r);
		if (r.absent) {
			printf("@sync name=%s cpus=%u absent=%s\n", f->name, r.cpus, r.absent);
			fflush(stdout);
			return true;
		}
		ok = ok && r.ok;
		if ((double)r.elapsed < goal / 4 && r.n < 1L << 40 && ok) {
			double more = (double)r.elapsed > goal / 32 ? goal / (double)r.elapsed : 4;

			r.n = (long)((double)r.n * more);
			i = 0; /* too short: what was measured before does not count */
			continue;
		}
		values[i++] = r.ns;
	}
	{
		double middle = median(values, rounds);

		printf("@sync name=%s cpus=%u ns=%.2f median=%.2f rounds=%u ops=%llu check=%s\n", f->name, r.cpus,
		       values[0], middle, rounds, (unsigned long long)r.ops, ok ? "ok" : "failed");
	}
	fflush(stdout);
	return ok;
}

/* Is `name` one of the words of `list`, which have commas between? */
static bool listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (list && *list) {
		const char *end = strchrnul(list, ',');

		if ((size_t)(end - list) == length && strncmp(list, name, length) == 0)
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

static void *idle_thread(void *arg)
{
	(void)arg;
	while (sem_wait(&frame.idle))
		;
	return NULL;
}

/* The time stamp counter's rate in kHz, by the clock; a Linux guest may be told it. */
static double tsc_khz(void)
{
	double rates[5];

	for (unsigned i = 0; i < 5; i++) {
		uint64_t clock = now(), counter = stamp(), passed;

		while ((passed = now() - clock) < 20000000)
			;
		rates[i] = (double)(stamp() - counter) * 1e6 / (double)passed;
	}
	return median(rates, 5);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sync [--scale F] [--rounds N] [--only A,B] [--skip A,B] [--cpus N]\n       sync --list | --tsc\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct figure *const groups[] = { lock_figures, switch_figures, timer_figures, tutti_figures };
	const char *only = NULL, *skip = NULL;
	double scale = 1, rounds = 31, cpus = SYNC_MAX_CPUS;
	bool ok = true, list = false;
	pthread_t idle;
	int error;

	for (int i = 1; i < argc; i++) {
		double *value = strcmp(argv[i], "--scale") == 0	   ? &scale
				: strcmp(argv[i], "--rounds") == 0 ? &rounds
				: strcmp(argv[i], "--cpus") == 0   ? &cpus
								   : NULL;
		char *end;

		if (strcmp(argv[i], "--list") == 0) {
			list = true;
			continue;
		}
		if (strcmp(argv[i], "--tsc") == 0) {
			printf("%.0f\n", tsc_khz());
			return 0;
		}
		if (i + 1 == argc)
			return usage();
		if (strcmp(argv[i], "--only") == 0) {
			only = argv[++i];
		} else if (strcmp(argv[i], "--skip") == 0) {
			skip = argv[++i];
		} else if (value) {
			*value = strtod(argv[++i], &end);
			if (*end || end == argv[i] || !(*value > 0) || *value > 1e6)
				return usage();
		} else {
			return usage();
		}
	}
	if (rounds < 1 || rounds > MAX_ROUNDS || cpus < 1)
		return usage();
	if (list) {
		for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
			for (const struct figure *f = groups[g]; f->name; f++)
				printf("%s\t%u\t%u\t%s\n", f->name, f->least_cpus, f->most_cpus, f->about);
		return 0;
	}
	find_cpus(cpus > SYNC_MAX_CPUS ? SYNC_MAX_CPUS : (unsigned)cpus);
	sem_init(&frame.idle, 0, 0);
	error = pthread_create(&idle, NULL, idle_thread, NULL);
	if (error)
		die("pthread_create", error);
	printf("@sync begin cpus=%u\n", frame.cpus);
	fflush(stdout); /* who reads it may prepare something before the first figure */
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct figure *f = groups[g]; f->name; f++)
			if ((only ? listed(only, f->name) : f->most_cpus >= frame.cpus) && !listed(skip, f->name) &&
			    f->least_cpus <= frame.cpus)
				ok = run_figure(f, scale, (unsigned)rounds) && ok;
	printf("@sync end\n");
	return ok ? 0 : 1;
}
