// SPDX-License-Identifier: BSD-3-Clause
/*
 * Arming and cancelling a POSIX timer while others are armed: 10 of them, and 100,000 (fewer with a scale below 1). The others
 * are an hour away and spread over another; none runs out. They stay for all rounds of a figure.
 *
 * Linux counts each timer against RLIMIT_SIGPENDING, which is raised if that is allowed. Where timer_create is missing or the
 * others cannot all be had, the figure is absent and says so. They are to send a signal: with SIGEV_NONE Linux arms nothing.
 */
#define _GNU_SOURCE
#include "sync.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#define MANY 100000
#define FEW  10
#define HOUR 3600

static struct {
	timer_t others[MANY];
	unsigned count;
	timer_t own;
	bool created;
} timers;

static bool arm(timer_t timer, long seconds, long ns)
{
	struct itimerspec when = { .it_value = { .tv_sec = seconds, .tv_nsec = ns } };

	return timer_settime(timer, 0, &when, NULL) == 0;
}

static bool create(timer_t *timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

	return timer_create(CLOCK_MONOTONIC, &event, timer) == 0;
}

/* NULL, or why there are not `wanted` others. */
static const char *have_others(unsigned wanted)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	while (timers.count > wanted)
		timer_delete(timers.others[--timers.count]);
	if (!timers.created) {
		setrlimit(RLIMIT_SIGPENDING, &all);
		if (!create(&timers.own))
			return errno == ENOSYS ? "ENOSYS" : "timer_create";
		timers.created = true;
	}
	while (timers.count < wanted) {
		unsigned i = timers.count;

		if (!create(&timers.others[i]))
			return errno == EAGAIN ? "too_few_timers_allowed" : "timer_create";
		timers.count++;
		if (!arm(timers.others[i], HOUR + (long)((uint64_t)i * 7919 % HOUR), (long)i * 1000))
			return "timer_settime";
	}
	return NULL;
}

static void timer_work(struct member *m)
{
	struct itimerspec left;

	for (long i = 0; i < m->n; i++) {
		m->ok = m->ok && arm(timers.own, HOUR + i % HOUR, 1);
		m->ok = m->ok && arm(timers.own, 0, 0);
		m->count++;
	}
	/* Disarmed it must be, and an armed one must be seen so. */
	m->ok = m->ok && timer_gettime(timers.own, &left) == 0 && !left.it_value.tv_sec && !left.it_value.tv_nsec;
	m->ok = m->ok && timer_gettime(timers.others[0], &left) == 0 && left.it_value.tv_sec > 0;
}

static void arm_cancel(struct round *r, unsigned others)
{
	uint64_t done;
	bool ok;

	r->absent = have_others(others);
	if (r->absent) {
		have_others(0);
		return;
	}
	done = team_run(r, 1, ONE_CPU, timer_work, NULL, &ok);
	round_done(r, done, ok);
}

static void timer_few(struct round *r)
{
	arm_cancel(r, FEW);
}

static void timer_many(struct round *r)
{
	double many = r->scale < 1 ? MANY * r->scale : MANY;

	arm_cancel(r, many < FEW ? FEW : (unsigned)many);
}

const struct figure timer_figures[] = {
	{ "timer_10", "arm and cancel a timer, 10 others armed", 1, 1, timer_few },
	{ "timer_100000", "arm and cancel a timer, 100,000 others armed", 1, 1, timer_many },
	{ NULL, NULL, 0, 0, NULL },
};
