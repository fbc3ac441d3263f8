/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of plat/host share and nobody else sees. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/plat.h"

#define HOST_KEYS_VARIABLE "TUTTI_KEYS="

/* keys.c: the environment variable TUTTI_KEYS, read once. Platform keys stand here, the rest is the kernel's command line. */
struct host_keys {
	unsigned cpus;
	uint64_t memory;     /* bytes, whole pages */
	bool pin;	     /* CPU i stays on the i-th host CPU that this process may use */
	int control;	     /* file descriptor of the control channel, -1: none */
	int files;	     /* file descriptor of an archive, -1: none */
	const char *replay;  /* "SEED,..." or NULL; lasts */
	char cmdline[1024];  /* the other keys, separated by spaces */
	const char *problem; /* what is wrong, NULL if nothing */
};
extern struct host_keys host_keys;

void host_keys_read(char **env);

/* init.c: what has to be there before instrumented code runs. */
void host_early(void);
/* Private memory of the host at a fixed place, zero, costs nothing until it is touched; what was mapped there goes. NULL: refused. */
void *plat_reserve_fixed(uintptr_t addr, size_t len);

/* start.S: the process's first stack pointer. */
extern long *host_initial_stack;

/* archive.c: arguments, environment and files as one archive at `at`, with room for `room` bytes. Length, 0 if there is too little room. */
size_t host_archive_build(char *at, size_t room, char **argv, char **env, int files);

/* clock.c (native); `vdso` 0: none. */
void host_clock_init(uintptr_t vdso);
/* Bounds of the host's shared object, from its program headers. */
size_t host_vdso_size(uintptr_t vdso);

/* cpu.c or replay.c: the boot CPU is ready for interrupts. */
void host_cpus_init(unsigned count);
/* Set `bits` (SOFT_IRQ_*) of CPU `cpu` and make it look. Any context, also host threads that are no CPU. */
void host_interrupt(unsigned cpu, uint32_t bits);
/* clock.c: the timer of CPU `cpu`, which is the host thread `tid`. */
void host_timer_init(unsigned cpu, int tid);
/* cpu.c or replay.c: the process is about to end, however it came to that; more than once does no harm. Any context. */
void host_at_end(void);
/* replay.c: make two words part of the hash of the run. Any context. */
void host_replay_note(uint64_t a, uint64_t b);
/* The calling CPU was asked to stop and took the bit itself: let the signal handler see it, which has the registers. */
void host_stop_by_signal(void);
/* The interrupts of SOFT_IRQ_TIMER, in interrupt context. */
void host_timer_interrupt(void);
