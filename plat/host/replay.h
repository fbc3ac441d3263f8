/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded schedules, between the files of the replay platform. replay_schedule.c decides who goes on and knows nothing of CPUs but
 * their numbers (tests/host/replay_engine.c runs it alone); replay.c makes it happen.
 */
#pragma once

/* Offsets in struct replay_context, for replay_switch.S. */
#define REPLAY_RIP   0
#define REPLAY_RSP   8
#define REPLAY_RBX   16
#define REPLAY_RBP   24
#define REPLAY_R12   32
#define REPLAY_R13   40
#define REPLAY_R14   48
#define REPLAY_R15   56
#define REPLAY_MXCSR 64
#define REPLAY_FCW   68

/* Why the schedule is asked. */
#define REPLAY_POINT 0 /* a change point: anybody may go on */
#define REPLAY_SPIN  1 /* the CPU waits for another one in a loop: somebody else has to go on, if there is anybody */
#define REPLAY_HALT  2 /* the CPU waits for an interrupt */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "sync/cpumask.h"

#define REPLAY_NEVER	 UINT64_MAX
#define REPLAY_DEPTH_MAX 1000u
#define REPLAY_SITES	 2048u

enum replay_strategy { REPLAY_WALK, REPLAY_PCT, REPLAY_EVEN };

/* The value of tutti.replay=. */
struct replay_options {
	uint64_t seed;
	enum replay_strategy strategy;
	unsigned depth; /* pct: changes of priority within `steps` points, 0: the seed decides */
	uint64_t steps; /* pct: 0: the seed decides */
	uint64_t limit; /* the run ends with a report after so many points */
	int out;	/* file descriptor for the switches that were taken, -1: none */
	int list;	/* file descriptor of the switches to take, -1: the strategy decides */
};

/* SEED[,key=value...]; NULL or "" is seed 0. What is wrong with it, or NULL. */
const char *replay_parse(const char *text, struct replay_options *o);
const char *replay_strategy_name(const struct replay_options *o);

/* A stream of numbers (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014: splitmix64). */
struct replay_random {
	uint64_t state;
};

/* The streams of one seed are independent of each other. */
struct replay_random replay_random_stream(uint64_t seed, unsigned stream);
uint64_t replay_random(struct replay_random *r);
/* One event more in a hash of events. */
uint64_t replay_hash(uint64_t hash, uint64_t event);

/* The next line of a list of switches, false at its end. Points ascend. */
typedef bool (*replay_list_fn)(uint64_t *point, unsigned *cpu);

struct replay_schedule {
	uint64_t next; /* choose() has nothing to say before this point, as long as nobody wakes up */
	uint64_t jump; /* at this point time jumps to the next timer if that is near */
	unsigned cpus;
	bool pct;
	replay_list_fn list;
	struct replay_random random;	  /* who and when */
	struct replay_random jump_random; /* a stream of its own: a listed schedule meets the same jumps */
	uint64_t mean, jump_mean;
	/* walk, even */
	bool even;
	uint64_t turn_end;   /* when the baton goes on, without a special reason */
	uint64_t site_share; /* one of so many places is where CPUs stall, 0: none */
	bool sites_app;	     /* places in the program and its C library only */
	uint64_t site_salt;
	uint16_t visits[REPLAY_SITES]; /* of places where CPUs stall, by hash */
	struct cpumask stalled;
	uint64_t stall_end[CONFIG_MAX_CPUS];
	/* pct */
	int64_t priority[CONFIG_MAX_CPUS];
	int64_t lowest;
	unsigned depth, changes_taken;
	uint64_t window, steps; /* change points are drawn for one window of `steps` points at a time */
	uint64_t change[REPLAY_DEPTH_MAX];
	uint64_t since; /* when the CPU that runs now began to, or ceased to be alone */
	bool alone;	/* nobody else could run when it was asked last */
	/* list: the next entry */
	uint64_t list_point;
	unsigned list_cpu;
};

/* From point `n` on, for CPUs 0 .. cpus - 1. `list` NULL: the strategy of the options. */
void replay_schedule_init(struct replay_schedule *s, const struct replay_options *o, unsigned cpus, uint64_t n,
			  replay_list_fn list);
/*
 * Who goes on from point `n`, where CPU `me` stands because of `kind`: one of `runnable`, which is not empty. `me` is in it unless it
 * halts. `site` is the place in the code, 0: one where nobody stalls. Sets s->next.
 */
unsigned replay_choose(struct replay_schedule *s, unsigned kind, uint64_t n, unsigned me,
		       const struct cpumask *runnable, uintptr_t site);
/* A halted CPU has become runnable while `n` was the last point. Sets s->next. */
void replay_woken(struct replay_schedule *s, uint64_t n);
/* The jump at s->jump has been made. */
void replay_jumped(struct replay_schedule *s);

/* ---- replay.c, replay_switch.S ---- */

/* What a CPU needs to go on, while another one has the baton; FS and GS base stand elsewhere. */
struct replay_context {
	uint64_t rip, rsp, rbx, rbp, r12, r13, r14, r15;
	uint32_t mxcsr, fcw;
};

/* Points that may still be passed without a look at the schedule. */
extern int64_t replay_points_left;
/* Whose point it is that replay_slow() is called for, 0: its caller's. */
extern uintptr_t replay_site;
/* Where the CPU with the baton leaves its registers. */
extern struct replay_context *replay_current;

/* Let the schedule decide; returns when the calling CPU goes on. Uses no stack but for the return address. */
void replay_slow(unsigned kind);
/* C half of replay_slow(), on a stack of its own. Returns who goes on. */
struct replay_context *replay_decide(unsigned kind);
extern char replay_stack_top[];

/* One turn of a spin loop of the C library (libc/override/replay/). */
void tutti_replay_spin(void);
#endif
