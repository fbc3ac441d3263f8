// SPDX-License-Identifier: BSD-3-Clause
/*
 * The platform of replayed runs: all virtual CPUs are coroutines of the process's first thread, time is counted, and a seed says who
 * goes on where (replay_schedule.c). In place of cpu.c, clock.c and entropy.c.
 *
 * One CPU has the baton: `me`, the one GS belongs to. It may lose it at change points only: every access and
 * atomic operation of instrumented code (replay_points.S, replay_atomics.c), every turn of a spin loop, every halt. Points are numbered from
 * the first instruction on. A point costs a decrement of replay_points_left; whatever else there is to do (a
 * switch, a timer, a jump of time, the end of an overlong run) happens at the point where that reaches zero (`target`), and
 * whoever makes something due earlier moves it: retarget(). So point number = target - replay_points_left, at any time.
 *
 * Passing the baton: replay_switch.S keeps registers per CPU and decides on a stack of its own; replay_decide() then changes FS, GS and the
 * TLB that is seen (arch_mmu_switch_cpu()). Nothing of the instrumented code runs on that stack, so decisions do not nest.
 * A page fault can come between the decrement and the decision (the call pushes an address on a stack that may not be
 * there): its handler then meets the point, and when the interrupted one comes to decide there is nothing left to do.
 *
 * Interrupts are bits of irq_pending, as on the native platform, but there are no signals for them. They are taken where the CPU allows
 * them again (arch_irq_enable()), at the change point where it has the baton again, and after a halt. The frame is
 * written as signal.c would, as if the interrupt had come at the return of the call that led to the point.
 *
 * Time: NS_PER_POINT for each point. If all CPUs halt, it jumps to the first timer; a CPU that spins while all others halt is
 * given a microsecond a turn. And, at points that the seed names, it jumps to the next timer if that is near (JUMP_MAX): time
 * slices end anywhere, as they do on a machine whose CPUs the host takes away now and then. The cycle counter of
 * programs is this clock, too: the instruction traps (PR_SET_TSC).
 *
 * The hash covers all switches, all interrupts sent, and what else host_replay_note() is told.
 *
 * If all halt and there is no timer, nothing will ever happen again: deadlock, reported with all stacks. A run of more than
 * `steps-limit` points is ended likewise.
 *
 * Concurrency: none; there is one thread and no asynchronous signal. Contexts: as plat/plat.h says. No memory but what is here.
 */
#include <arch/boot_abi.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/hostcall.h>
#include <arch/irqflags.h>
#include <arch/paging.h>
#include <arch/soft.h>

#include "lib/util.h"
#include "plat/common/common.h"
#include "plat/host/host.h"
#include "plat/host/replay.h"
#include "plat/plat.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define NS_PER_POINT	50u
#define LONELY_SPIN_NS	1000u
#define JUMP_MAX	5000000ull /* a little more than a time slice */
#define FAR		(INT64_MAX / 2)
#define REAL_TIME_BASE	1700000000000000000ull
#define NO_ROOM_POINTS	64 /* an interrupt that finds no room on the stack is tried again later */
#define STREAM_ENTROPY	100
#define EVENT_SWITCH	1
#define EVENT_INTERRUPT 2
#define EVENT_END	3
#define EVENT_NOTE	4

#define PR_SET_TSC     26
#define PR_TSC_SIGSEGV 2

#define MXCSR_DEFAULT 0x1f80
#define FCW_DEFAULT   0x37f
#define RFLAGS_PLAIN  (ARCH_RFLAGS_IF | 2)

struct replay_cpu {
	struct replay_context context; /* while it has not got the baton */
	uintptr_t fs_base;	       /* likewise */
	uintptr_t kstack_top;	       /* of the idle thread */
	uint64_t timer;		       /* deadline in ns, REPLAY_NEVER: none */
	bool arrived;
	struct trap_frame stopped; /* for the crash report */
};

static struct {
	unsigned count, me;
	bool running; /* the other CPUs have been started */
	bool ended;
	uint64_t target;      /* the point at which replay_points_left is 0 */
	uint64_t time_offset; /* ns at point 0 */
	uint64_t hash, switches;
	struct cpumask started, halted;
	struct replay_options options;
	struct replay_schedule schedule;
	struct replay_random entropy;
	struct replay_cpu cpu[CONFIG_MAX_CPUS];
	struct {
		char text[4096];
		size_t used;
	} out;
	struct {
		char text[4096];
		size_t used, len;
	} list;
} replay = { .target = FAR, .schedule = { .next = REPLAY_NEVER, .jump = REPLAY_NEVER } };

int64_t replay_points_left = FAR;
uintptr_t replay_site;
struct replay_context *replay_current = &replay.cpu[0].context;

void soft_trap_enter(void);

/* ---- points and time ---- */

static uint64_t point_number(void)
{
	return replay.target - (uint64_t)replay_points_left;
}

static void set_target(uint64_t n, uint64_t target)
{
	replay.target = MIN(target, n + FAR);
	replay_points_left = (int64_t)(replay.target - n);
}

/* Something is to be done at point `at` already, or as soon as possible. */
static void retarget(uint64_t at)
{
	uint64_t n = point_number();

	at = MAX(at, n + 1);
	if (at < replay.target)
		set_target(n, at);
}

static uint64_t time_at(uint64_t n)
{
	return replay.time_offset + n * NS_PER_POINT;
}

/* The point at which the clock shows `ns`. */
static uint64_t point_of(uint64_t ns)
{
	uint64_t n = point_number(), now = time_at(n);

	if (ns == REPLAY_NEVER)
		return REPLAY_NEVER;
	return ns <= now ? n + 1 : n + (ns - now + NS_PER_POINT - 1) / NS_PER_POINT;
}

uint64_t plat_monotonic_ns(void)
{
	return time_at(point_number());
}

uint64_t plat_realtime_ns(void)
{
	return REAL_TIME_BASE + plat_monotonic_ns();
}

uint64_t soft_cycle_counter(void)
{
	return plat_monotonic_ns();
}

void plat_timer_arm(uint64_t deadline_ns)
{
	replay.cpu[replay.me].timer = deadline_ns > REPLAY_NEVER / 4 ? REPLAY_NEVER : deadline_ns;
	retarget(point_of(replay.cpu[replay.me].timer));
}

void plat_timer_disarm(void)
{
	replay.cpu[replay.me].timer = REPLAY_NEVER;
}

static uint64_t first_timer(void)
{
	uint64_t first = REPLAY_NEVER;

	for (unsigned i = 0; i < replay.count; i++)
		first = MIN(first, replay.cpu[i].timer);
	return first;
}

/* ---- events ---- */

static void note(uint64_t kind, uint64_t a, uint64_t b)
{
	replay.hash = replay_hash(replay.hash, kind << 56 ^ point_number());
	replay.hash = replay_hash(replay_hash(replay.hash, a), b);
}

void host_replay_note(uint64_t a, uint64_t b)
{
	note(EVENT_NOTE, a, b);
}

static void flush_out(void)
{
	if (replay.out.used)
		hostcall(HOST_write, replay.options.out, (long)replay.out.text, (long)replay.out.used, 0, 0, 0);
	replay.out.used = 0;
}

static void put_number(uint64_t v, char end)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		replay.out.text[replay.out.used++] = digits[--n];
	replay.out.text[replay.out.used++] = end;
}

/* At point `n` CPU `to` goes on. */
static void note_switch(uint64_t n, unsigned to)
{
	replay.switches++;
	note(EVENT_SWITCH, n, (uint64_t)replay.me << 32 | to);
	if (replay.options.out < 0)
		return;
	if (sizeof(replay.out.text) - replay.out.used < 64)
		flush_out();
	put_number(n, ' ');
	put_number(to, '\n');
}

static int list_char(void)
{
	if (replay.list.used == replay.list.len) {
		long n = hostcall(HOST_read, replay.options.list, (long)replay.list.text, sizeof(replay.list.text), 0,
				  0, 0);

		replay.list.used = 0;
		replay.list.len = n > 0 ? (size_t)n : 0;
		if (n <= 0)
			return -1;
	}
	return (unsigned char)replay.list.text[replay.list.used++];
}

/* The next number of the list, up to the end of its line; *end is the character after it, -1: the list's end. */
static bool list_number(uint64_t *v, int *end)
{
	int c = list_char();
	bool any = false;

	*v = 0;
	while (c == ' ' || c == '\n')
		c = list_char();
	for (; c >= '0' && c <= '9'; c = list_char()) {
		*v = *v * 10 + (uint64_t)(c - '0');
		any = true;
	}
	*end = c;
	return any;
}

static bool list_next(uint64_t *point, unsigned *cpu)
{
	uint64_t to;
	int end;

	for (;;) {
		if (list_number(point, &end) && end == ' ' && list_number(&to, &end) && (end == '\n' || end == -1)) {
			*cpu = (unsigned)MIN(to, (uint64_t)CONFIG_MAX_CPUS);
			return true;
		}
		/* a remark, or something else that is none of ours */
		while (end != '\n' && end != -1)
			end = list_char();
		if (end == -1)
			return false;
	}
}

/* ---- interrupts ---- */

/* Sets bits of a CPU; true: it was halted and has a reason to go on now. */
static bool post(unsigned cpu, uint32_t bits)
{
	uint32_t before = __atomic_fetch_or(&percpu_areas[cpu].irq_pending, bits, __ATOMIC_SEQ_CST);

	note(EVENT_INTERRUPT, cpu, bits);
	return !before && cpumask_test(&replay.halted, cpu);
}

void host_interrupt(unsigned cpu, uint32_t bits)
{
	if (post(cpu, bits)) {
		replay_woken(&replay.schedule, point_number());
		retarget(replay.schedule.next);
	}
	if (cpu == replay.me)
		retarget(0);
}

static void stop_for_report(unsigned cpu)
{
	const struct replay_context *c = &replay.cpu[cpu].context;

	replay.cpu[cpu].stopped = (struct trap_frame){ .rip = c->rip, .rsp = c->rsp, .rbp = c->rbp };
	crash_stopped(cpu, &replay.cpu[cpu].stopped);
}

void plat_ipi_send(unsigned cpu, enum plat_ipi kind)
{
	if (kind == PLAT_IPI_STOP)
		stop_for_report(cpu);
	else
		host_interrupt(cpu, kind == PLAT_IPI_RESCHEDULE ? SOFT_IRQ_RESCHEDULE : SOFT_IRQ_SHOOTDOWN);
}

/* There are no asynchronous signals, and nobody is stopped by one. */
void soft_wake_self(void)
{
}

void soft_stop(const struct trap_frame *f)
{
	(void)f;
}

void host_stop_by_signal(void)
{
}

void host_timer_interrupt(void)
{
	tutti_upcalls.timer();
}

/* Post the timers that are due at point `n`. */
static void fire_timers(uint64_t n)
{
	for (unsigned i = 0; i < replay.count; i++) {
		if (replay.cpu[i].timer > time_at(n))
			continue;
		replay.cpu[i].timer = REPLAY_NEVER;
		if (post(i, SOFT_IRQ_TIMER))
			replay_woken(&replay.schedule, n);
	}
}

/* Let the CPU that has the baton take what is pending when it goes on. False: its kernel stack has no room now. */
static bool inject(struct replay_context *c)
{
	struct trap_frame *f = soft_frame_place(c->rsp);
	uint64_t cs, ss;

	if (!f)
		return false;
	__asm__("mov %%cs, %0; mov %%ss, %1" : "=r"(cs), "=r"(ss));
	*f = (struct trap_frame){
		.r15 = c->r15,
		.r14 = c->r14,
		.r13 = c->r13,
		.r12 = c->r12,
		.rbp = c->rbp,
		.rbx = c->rbx,
		.vector = VECTOR_PENDING,
		.rip = c->rip,
		.cs = cs,
		.rflags = RFLAGS_PLAIN,
		.rsp = c->rsp,
		.ss = ss,
	};
	percpu_write(irq_off, 1);
	c->rip = (uintptr_t)soft_trap_enter;
	c->rsp = (uintptr_t)f;
	return true;
}

/* ---- the baton ---- */

static void runnable_cpus(struct cpumask *m)
{
	*m = replay.started;
	cpumask_foreach(cpu, &replay.halted) if (!percpu_areas[cpu].irq_pending) cpumask_clear(m, (unsigned)cpu);
}

/* No decisions any more from point `n` on: what leads to a report is instrumented code. */
static void settle(uint64_t n)
{
	set_target(n, n + FAR);
}

/* Nobody has anything to do: the first timer ends that. */
static void skip_idle_time(uint64_t n)
{
	uint64_t first = first_timer();

	if (first == REPLAY_NEVER) {
		settle(n);
		plat_crash(NULL, "deadlock: all threads are blocked and nothing is armed to wake them");
	}
	replay.time_offset += first - MIN(first, time_at(n));
	fire_timers(n);
}

/* What happens to time at point `n`. */
static void pass_time(unsigned kind, uint64_t n)
{
	struct cpumask others;
	uint64_t first;

	if (kind == REPLAY_SPIN) {
		runnable_cpus(&others);
		cpumask_clear(&others, replay.me);
		if (cpumask_empty(&others))
			replay.time_offset += LONELY_SPIN_NS;
	}
	while (n >= replay.schedule.jump) {
		first = first_timer();
		if (first > time_at(n) && first - time_at(n) <= JUMP_MAX)
			replay.time_offset += first - time_at(n);
		replay_jumped(&replay.schedule);
	}
	fire_timers(n);
}

static bool in_kernel(void)
{
	return replay_current->rsp > percpu_read(kstack_base) && replay_current->rsp <= percpu_read(kstack_top);
}

static void hand_over(unsigned to)
{
	replay.cpu[replay.me].fs_base = arch_get_tp();
	replay.me = to;
	replay_current = &replay.cpu[to].context;
	arch_set_tp(replay.cpu[to].fs_base);
	soft_set_percpu(&percpu_areas[to]);
	arch_mmu_switch_cpu(to);
}

struct replay_context *replay_decide(unsigned kind)
{
	struct cpumask runnable;
	uint64_t n, target;
	uintptr_t site;
	unsigned to;

	if (unlikely(replay.ended || plat_crash_begun)) {
		settle(point_number());
		return replay_current;
	}
	if (kind == REPLAY_POINT && replay_points_left > 0)
		return replay_current; /* see the prologue */
	replay_points_left -= kind != REPLAY_POINT;
	n = point_number();
	if (unlikely(n > replay.options.limit)) {
		settle(n);
		plat_crash(NULL, "no end after %lu change points", replay.options.limit);
	}

	if (kind == REPLAY_HALT)
		cpumask_set(&replay.halted, replay.me);
	pass_time(kind, n);
	runnable_cpus(&runnable);
	if (cpumask_empty(&runnable)) {
		skip_idle_time(n);
		runnable_cpus(&runnable);
	}
	site = replay.schedule.sites_app && in_kernel() ? 0 : replay_site ? replay_site : replay_current->rip;
	replay_site = 0;
	to = replay.running ? replay_choose(&replay.schedule, kind, n, replay.me, &runnable, site) : replay.me;
	cpumask_clear(&replay.halted, to);
	if (to != replay.me) {
		note_switch(n, to);
		hand_over(to);
	}
	target = MIN(replay.schedule.next, replay.schedule.jump);
	target = MIN(target, point_of(first_timer()));
	target = MIN(target, replay.options.limit + 1);
	if (percpu_read(irq_pending) && !percpu_read(irq_off) && !inject(replay_current))
		target = MIN(target, n + NO_ROOM_POINTS);
	set_target(n, MAX(target, n + 1));
	return replay_current;
}

void arch_cpu_relax(void)
{
	replay_slow(REPLAY_SPIN);
}

void tutti_replay_spin(void)
{
	replay_slow(REPLAY_SPIN);
}

void plat_wait_for_interrupt(void)
{
	while (!percpu_read(irq_pending))
		replay_slow(REPLAY_HALT);
	arch_irq_enable();
}

/* ---- start and end ---- */

unsigned plat_cpu_count(void)
{
	return replay.count;
}

bool plat_cpu_arrived(unsigned cpu)
{
	return replay.cpu[cpu].arrived;
}

bool plat_ipi_ready(void)
{
	return replay.count != 0;
}

void plat_cpu_set_stack(unsigned cpu, uintptr_t kstack_top)
{
	replay.cpu[cpu].kstack_top = kstack_top;
}

void plat_cpus_poll(void)
{
}

bool plat_entropy(void *buf, size_t len)
{
	for (uint8_t *p = buf; len; p++, len--)
		*p = (uint8_t)(replay_random(&replay.entropy) >> 56);
	return true;
}

/* The first that the platform brings up and that knows the keys. */
__cold void host_clock_init(uintptr_t vdso)
{
	const char *problem = replay_parse(host_keys.replay, &replay.options);

	(void)vdso;
	if (problem)
		plat_boot_error("%s", problem);
	replay.hash = replay_hash(0, replay.options.seed);
	replay.entropy = replay_random_stream(replay.options.seed, STREAM_ENTROPY);
	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++)
		replay.cpu[i].timer = REPLAY_NEVER;
	hostcall(HOST_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0);
}

__cold void host_cpus_init(unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		percpu_areas[i] = (struct percpu){
			.self = &percpu_areas[i], .idx = i, .hw_id = i, .preempt_count = 1, .irq_off = 1
		};
	replay.count = count;
	replay.cpu[0].arrived = true;
	cpumask_set(&replay.started, 0);
	retarget(0);
}

static void __attribute__((noreturn)) cpu_main(void)
{
	replay.cpu[cpu_id()].arrived = true;
	tutti_upcalls.cpu_online();
}

__cold void plat_cpus_start(void)
{
	for (unsigned i = 1; i < replay.count; i++) {
		if (soft_cpu_init(i))
			plat_boot_error("the host has no memory for the signal stack of CPU %u", i);
		replay.cpu[i].context = (struct replay_context){
			.rip = (uintptr_t)cpu_main,
			/* as after a call */
			.rsp = replay.cpu[i].kstack_top - 8,
			.mxcsr = MXCSR_DEFAULT,
			.fcw = FCW_DEFAULT,
		};
		cpumask_set(&replay.started, i);
	}
	replay_schedule_init(&replay.schedule, &replay.options, replay.count, point_number(),
			     replay.options.list >= 0 ? list_next : NULL);
	replay.running = true;
	retarget(0);
}

void host_at_end(void)
{
	const uint64_t n = point_number();

	if (replay.ended || !replay.count)
		return;
	replay.ended = true;
	note(EVENT_END, n, 0);
	flush_out();
	plat_control_line('H', "seed=%lu strategy=%s points=%lu switches=%lu hash=%016lx", replay.options.seed,
			  replay_strategy_name(&replay.options), n, replay.switches, replay.hash);
}
