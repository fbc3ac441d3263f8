// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/lock_hooks.c,sync/lock_class.c,sync/lock_graph.c,sync/validator.c,arch/x86_64/stack.c,lib/fmt.c
// host: cflags=-Itests/host/fake -D__TUTTI_LOCK_HOOKS__ -Dconfig_lock_validator=1 -Dconfig_lockstat=0 -DLOCK_CLASSES=64 -DLOCK_CLASSES_MADE=32 -DLOCK_EDGES=48
// host: ldflags=-no-pie -Xlinker --defsym=__text_start=__executable_start -Xlinker --defsym=__text_end=etext -Xlinker --defsym=__image_start=__executable_start -Xlinker --defsym=__image_end=end
// host: sanitize=address,undefined,thread timeout=120
/*
 * Promises of the lock validator (sync/validator.c), on host threads that play CPUs: what can deadlock is reported, once, with the classes and
 * places it should name; what cannot is not; the tables may run full. Reports come back here instead of ending the run.
 *
 * Each case is a process of its own, because what was seen once stays in the graph.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arch/irqflags.h>

#include "sync/percpu.h"
#include "sync/upcall.h"
#include "sync/validator.h"

struct lock {
	uint32_t word;
	struct lock_map map;
};

static _Thread_local char thread_object[LOCK_THREAD_OFFSET + sizeof(struct lock_thread)] __attribute__((aligned(16)));
static uint32_t reports, notes;
static struct lock_report last;

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	(void)addr, (void)value;
	return false;
}

static void on_report(struct lock_report *r)
{
	last = *r;
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
}

static void on_note(const char *line)
{
	(void)line;
	__atomic_fetch_add(&notes, 1, __ATOMIC_RELAXED);
}

const struct tutti_upcalls tutti_upcalls = { .lock_report = on_report, .lock_note = on_note };

static void fail(int line, const char *what)
{
	printf("line %d: %s; %u reports, last: %s\n", line, what, reports, last.what);
	for (unsigned i = 0; i < last.count; i++)
		printf("  %s [%d frames]\n", last.part[i].line, (int)(last.part[i].stack[0] != 0));
	exit(1);
}

#define CHECK(x)                            \
	do {                                \
		if (!(x))                   \
			fail(__LINE__, #x); \
	} while (0)
/* The next report, and no other, has come, and says all this. */
#define SAID(n, text)                                    \
	do {                                             \
		CHECK(reports == (n));                   \
		if (!strstr(last.what, (text)))          \
			fail(__LINE__, "wanted: " text); \
	} while (0)

static bool part_says(const char *text)
{
	for (unsigned i = 0; i < last.count; i++)
		if (strstr(last.part[i].line, text) && last.part[i].stack[0])
			return true;
	return false;
}

/* ---- locks ---- */

static void lock_mode(struct lock *l, unsigned mode)
{
	if (!(mode & LOCK_SLEEPING))
		preempt_disable();
	if (!(mode & LOCK_TRY))
		lock_hook_acquire(&l->map, l, mode);
	lock_hook_acquired(&l->map, l, mode);
}

static void lock(struct lock *l)
{
	lock_mode(l, 0);
}

static void unlock_kind(struct lock *l, bool sleeping)
{
	lock_hook_release(&l->map, l);
	if (!sleeping)
		preempt_enable();
}

static void unlock(struct lock *l)
{
	unlock_kind(l, false);
}

static void pair(struct lock *a, struct lock *b)
{
	lock(a);
	lock(b);
	unlock(b);
	unlock(a);
}

static void irq_begin(void)
{
	arch_irq_disable();
	percpu_write(in_irq, percpu_read(in_irq) + 1);
}

static void irq_end(void)
{
	percpu_write(in_irq, percpu_read(in_irq) - 1);
	arch_irq_enable();
}

LOCK_CLASS(ca, "class a", 0, 0, "");
LOCK_CLASS(cb, "class b", 0, 0, "");
LOCK_CLASS(cc, "class c", 0, 0, "");
LOCK_CLASS(low, "low", 10, 0, "");
LOCK_CLASS(high, "high", 20, 0, "");
LOCK_CLASS(high2, "high two", 20, 0, "");
LOCK_CLASS(leaf, "a leaf", 0, LOCK_LEAF, "");
LOCK_CLASS(addressed, "addressed", 30, LOCK_BY_ADDRESS, "");
LOCK_CLASS(irqs, "with interrupts", 50, LOCK_IRQ, "");

#define L(cls)               \
	{                    \
		0,           \
		{            \
			&cls \
		}            \
	}
static struct lock a = L(ca), b = L(cb), c = L(cc), a2 = L(ca), l10 = L(low), l20 = L(high), l20b = L(high2),
		   lleaf = L(leaf), li = L(irqs);
static struct lock many[4] = { L(addressed), L(addressed), L(addressed), L(addressed) };
static struct lock plain1, plain2, plain3;

/* ---- cases ---- */

static void case_right(void)
{
	for (int i = 0; i < 3; i++) {
		pair(&a, &b);
		pair(&b, &c);
		pair(&a, &c);
		pair(&l10, &l20);
		pair(&plain1, &plain2);
		pair(&many[0], &many[2]);
	}
	/* released in another order */
	lock(&a);
	lock(&b);
	lock(&c);
	unlock(&a);
	unlock(&c);
	CHECK(lock_hook_is_held(&b.map, &b) && !lock_hook_is_held(&a.map, &a));
	unlock(&b);
	/* tried: no order */
	lock(&c);
	lock_mode(&a, LOCK_TRY);
	unlock(&a);
	unlock(&c);
	CHECK(reports == 0 && fake_preempt_count() == 0);
	lock_hook_may_sleep();
	lock_hook_thread_exit();
	CHECK(reports == 0);
}

static void case_two(void)
{
	pair(&a, &b);
	pair(&b, &a);
	SAID(1, "cycle of 2 locks: taking class a with class b held");
	CHECK(part_says("before: class b was taken") && part_says("before: with class a held") &&
	      part_says("held by this CPU: class b"));
	pair(&b, &a);
	CHECK(reports == 1);
}

static void case_three(void)
{
	pair(&a, &b);
	pair(&b, &c);
	pair(&c, &a);
	SAID(1, "cycle of 3 locks: taking class a with class c held");
	CHECK(part_says("before: class b was taken") && part_says("before: class c was taken"));
}

static void case_try_holds(void)
{
	lock_mode(&a, LOCK_TRY);
	lock(&b);
	unlock(&b);
	unlock(&a);
	pair(&b, &a);
	SAID(1, "cycle of 2");
}

static void case_rank(void)
{
	pair(&l20, &l10);
	SAID(1, "lock rank: taking low with high held");
	pair(&l20, &l20b);
	SAID(2, "lock rank: taking high two with high held");
	pair(&lleaf, &a);
	SAID(3, "a leaf is held");
	pair(&l20, &a);
	CHECK(reports == 3);
}

static void case_recursion(void)
{
	lock(&a);
	lock(&a);
	SAID(1, "lock recursion: taking class a with class a held");
	unlock(&a);
	unlock(&a);
	lock_mode(&b, 0);
	lock_mode(&b, LOCK_RECURSIVE);
	unlock(&b);
	CHECK(lock_hook_is_held(&b.map, &b));
	unlock(&b);
	CHECK(reports == 1 && !lock_hook_is_held(&b.map, &b));
	lock(&a);
	irq_begin();
	lock(&a);
	SAID(2, "lock recursion: in an interrupt");
}

static void case_nesting(void)
{
	pair(&a, &a2);
	SAID(1, "two locks of one class: taking class a with class a held");
	pair(&a2, &a);
	CHECK(reports == 1);
	pair(&many[1], &many[3]);
	CHECK(reports == 1);
	pair(&many[3], &many[1]);
	SAID(2, "against the order of addresses");
}

static void case_irq_two_marks(void)
{
	irq_begin();
	lock(&a);
	unlock(&a);
	irq_end();
	CHECK(reports == 0);
	lock(&a);
	SAID(1, "class a is taken in interrupts and elsewhere with interrupts on");
	CHECK(part_says("class a was taken in an interrupt") && part_says("now, by CPU"));
	unlock(&a);
}

static void case_irq_declared(void)
{
	arch_irq_disable();
	lock(&li);
	unlock(&li);
	arch_irq_enable();
	CHECK(reports == 0);
	lock(&li);
	SAID(1, "with interrupts is taken in interrupts and elsewhere");
	arch_irq_disable();
	unlock(&li);
	arch_irq_enable();
	irq_begin();
	lock(&l10);
	SAID(2, "low is taken in an interrupt, and its class is not LOCK_IRQ");
	unlock(&l10);
	irq_end();
}

/* a in an interrupt; b with interrupts on; b taken with a held, over c. */
static void case_irq_chain(void)
{
	irq_begin();
	lock(&a);
	unlock(&a);
	irq_end();
	arch_irq_disable();
	pair(&a, &c);
	pair(&c, &b);
	arch_irq_enable();
	CHECK(reports == 0);
	lock(&b);
	SAID(1, "class b is taken with class a held, which interrupts take");
	CHECK(part_says("before: class c was taken") && part_says("before: class b was taken"));
	unlock(&b);
}

static void case_irq_edge_last(void)
{
	lock(&b);
	unlock(&b);
	arch_irq_disable();
	pair(&li, &b);
	arch_irq_enable();
	SAID(1, "class b is taken with with interrupts held, which interrupts take");
	CHECK(part_says("class b was taken with interrupts on"));
}

static void case_irq_turned_on(void)
{
	arch_irq_disable();
	lock(&li);
	arch_irq_enable();
	unlock(&li);
	SAID(1, "interrupts were turned on with with interrupts held");
}

static void case_irq_nested(void)
{
	/* Held by what the interrupt came into: no pair. */
	lock(&b);
	irq_begin();
	lock(&li);
	unlock(&li);
	irq_end();
	unlock(&b);
	arch_irq_disable();
	lock(&li);
	unlock(&li);
	arch_irq_enable();
	CHECK(reports == 0);
}

static void case_sleep(void)
{
	lock_hook_may_sleep();
	CHECK(reports == 0);
	lock(&a);
	lock_hook_may_sleep();
	SAID(1, "sleeping with a spin lock held");
	CHECK(part_says("held by this CPU: class a"));
	unlock(&a);
	arch_irq_disable();
	lock_hook_may_sleep();
	SAID(2, "sleeping with interrupts off");
	arch_irq_enable();
	irq_begin();
	lock_hook_may_sleep();
	SAID(3, "sleeping in an interrupt");
	irq_end();
	preempt_disable();
	lock_hook_rcu_lock();
	CHECK(lock_hook_rcu_is_held());
	lock_hook_may_sleep();
	SAID(4, "sleeping in an RCU read section");
	CHECK(part_says("the read section began"));
	lock_hook_rcu_unlock();
	CHECK(!lock_hook_rcu_is_held());
	lock_hook_may_sleep();
	SAID(5, "sleeping with preemption off");
	lock_hook_rcu_unlock();
	SAID(6, "that has not begun");
	preempt_enable();
	lock(&b);
	lock_mode(&c, LOCK_SLEEPING);
	SAID(7, "sleeping with a spin lock held");
}

static void case_sleeping_locks(void)
{
	lock_mode(&a, LOCK_SLEEPING);
	lock_hook_may_sleep();
	lock(&b);
	unlock(&b);
	lock_mode(&c, LOCK_SLEEPING);
	CHECK(lock_hook_is_held(&a.map, &a) && reports == 0);
	unlock_kind(&a, true);
	lock_mode(&a, LOCK_SLEEPING);
	SAID(1, "cycle of 2 locks: taking class a with class c held");
	CHECK(part_says("held by this thread: class c"));
	lock_hook_thread_exit();
	SAID(2, "thread ends with a lock held: class a");
	unlock_kind(&a, true);
	unlock_kind(&c, true);
	lock_hook_thread_exit();
	lock_hook_machine_exit();
	CHECK(reports == 2);
	lock(&b);
	lock_hook_machine_exit();
	SAID(3, "machine ends with a lock held: class b");
	lock_hook_thread_exit();
	SAID(4, "thread ends with a lock held: class b");
}

static void case_unlock(void)
{
	lock(&a);
	unlock(&a);
	preempt_disable();
	lock_hook_release(&a.map, &a);
	SAID(1, "unlock of a lock that is not held");
}

static void case_without_class(void)
{
	struct lock *heap = calloc(6, sizeof(*heap));
	volatile int three = 3; /* one call in the code */

	pair(&plain1, &plain2);
	pair(&plain2, &plain3);
	CHECK(reports == 0);
	pair(&plain3, &plain1);
	SAID(1, "cycle of 3 locks: taking lock at 0x");
	for (int i = 0; i < three; i++)
		lock_hook_init(&heap[i].map, &heap[i], (uintptr_t)case_without_class);
	CHECK(heap[0].map.class && heap[0].map.class == heap[2].map.class);
	pair(&heap[0], &heap[1]);
	SAID(2, "two locks of one class: taking lock initialised at 0x");
	lock(&heap[4]);
	unlock(&heap[4]);
	CHECK(heap[4].map.class && heap[4].map.class != heap[0].map.class);
	free(heap);
}

static void case_crash(void)
{
	pair(&a, &b);
	lock_hook_crash();
	pair(&b, &a);
	CHECK(reports == 0);
}

/* More classes than there is room for: one line, and recursion is still seen. */
static void case_many_classes(void)
{
	static struct lock extra[LOCK_CLASSES_MADE + 10];

	for (unsigned i = 0; i < LOCK_CLASSES_MADE + 10; i++) {
		lock(&extra[i]);
		unlock(&extra[i]);
	}
	lock(&a);
	unlock(&a);
	CHECK(notes == 1 && reports == 0);
	pair(&a, &b);
	pair(&b, &a);
	SAID(1, "cycle of 2");
	lock(&extra[LOCK_CLASSES_MADE + 5]);
	lock(&extra[LOCK_CLASSES_MADE + 5]);
	SAID(2, "lock recursion: taking lock without a class");
}

static struct lock_class numbered[LOCK_CLASSES + 8];
static struct lock numbered_lock[LOCK_CLASSES + 8];

static void number(void)
{
	for (unsigned i = 0; i < LOCK_CLASSES + 8; i++) {
		numbered[i].name = "numbered";
		lock_map_init(&numbered_lock[i].map, &numbered[i]);
	}
}

static void case_many_numbers(void)
{
	number();
	for (unsigned i = 0; i < LOCK_CLASSES + 8; i++) {
		lock(&numbered_lock[i]);
		unlock(&numbered_lock[i]);
	}
	CHECK(lock_class_count() == LOCK_CLASSES - 1 && lock_class_full() && notes == 1 && reports == 0);
	pair(&numbered_lock[3], &numbered_lock[1]);
	pair(&numbered_lock[1], &numbered_lock[3]);
	SAID(1, "cycle of 2");
}

/* More pairs than there is room for: those before are still checked, one line. */
static void case_many_edges(void)
{
	number();
	for (unsigned i = 0; i < 20; i++)
		for (unsigned k = i + 1; k < 20; k++)
			pair(&numbered_lock[i], &numbered_lock[k]);
	lock(&a);
	unlock(&a);
	CHECK(notes == 1 && reports == 0);
	pair(&numbered_lock[1], &numbered_lock[0]);
	CHECK(reports == 1);
}

/* More locks held than a CPU's list has room for: nothing is said wrongly, and it comes right again. */
static void case_many_held(void)
{
	static struct lock deep[40];

	for (unsigned i = 0; i < 40; i++)
		lock_map_init(&deep[i].map, &addressed);
	for (unsigned i = 0; i < 40; i++)
		lock(&deep[i]);
	CHECK(lock_hook_is_held(&deep[39].map, &deep[39]));
	for (unsigned i = 40; i-- > 0;)
		unlock(&deep[i]);
	CHECK(reports == 0);
	lock_hook_thread_exit();
	CHECK(reports == 0 && !lock_hook_is_held(&deep[39].map, &deep[39]));
}

/* A long way round: the report shows as much of it as fits. */
static void case_long_cycle(void)
{
	number();
	for (unsigned i = 0; i + 1 < 20; i++)
		pair(&numbered_lock[i], &numbered_lock[i + 1]);
	pair(&numbered_lock[19], &numbered_lock[0]);
	SAID(1, "lock order: cycle of");
	CHECK(part_says("before: "));
}

/* ---- threads ---- */

#define THREADS 6
#define ROUNDS	4000

static struct lock shared[10];
static pthread_barrier_t barrier;

/* Edges of all kinds at once, all of them right. */
static void *hammer(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg * 7919 + 1;

	percpu_write(current, (struct uk_thread *)thread_object);
	pthread_barrier_wait(&barrier);
	for (int r = 0; r < ROUNDS; r++) {
		unsigned x, y;

		seed = seed * 1103515245 + 12345;
		x = (seed >> 16) % 10;
		y = (seed >> 20) % 10;
		if (x < y)
			pair(&shared[x], &shared[y]);
		lock_mode(&shared[x], LOCK_TRY | LOCK_SHARED);
		irq_begin();
		irq_end();
		unlock(&shared[x]);
	}
	return NULL;
}

static void with_threads(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			exit(1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void case_threads_right(void)
{
	with_threads(hammer);
	CHECK(reports == 0);
}

/* All add their edge at the same moment; together they are a ring: one of them has to be told. */
static void *ring(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	percpu_write(current, (struct uk_thread *)thread_object);
	pthread_barrier_wait(&barrier);
	pair(&shared[i], &shared[(i + 1) % THREADS]);
	return NULL;
}

static void case_threads_ring(void)
{
	with_threads(ring);
	SAID(1, "lock order: cycle of 6 locks");
}

static const struct {
	const char *name;
	void (*fn)(void);
	unsigned times;
} cases[] = {
#define CASE(n)                 \
	{                       \
#n, case_##n, 1 \
	}
	CASE(right),
	CASE(two),
	CASE(three),
	CASE(try_holds),
	CASE(rank),
	CASE(recursion),
	CASE(nesting),
	CASE(irq_two_marks),
	CASE(irq_declared),
	CASE(irq_chain),
	CASE(irq_edge_last),
	CASE(irq_turned_on),
	CASE(irq_nested),
	CASE(sleep),
	CASE(sleeping_locks),
	CASE(unlock),
	CASE(without_class),
	CASE(crash),
	CASE(many_classes),
	CASE(many_numbers),
	CASE(many_edges),
	CASE(many_held),
	CASE(long_cycle),
	CASE(threads_right),
	{ "threads_ring", case_threads_ring, 50 },
};

int main(void)
{
	int bad = 0;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned k = 0; k < cases[i].times; k++) {
			int status;
			pid_t pid;

			fflush(stdout);
			pid = fork();
			if (!pid) {
				percpu_write(current, (struct uk_thread *)thread_object);
				cases[i].fn();
				exit(0);
			}
			if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
				printf("case %s failed\n", cases[i].name);
				bad = 1;
				break;
			}
		}
	}
	return bad;
}
