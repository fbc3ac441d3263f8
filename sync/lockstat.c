// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lock statistics: per class the acquisitions, how many had to wait, how long in all and at longest, and where they waited.
 *
 * Counters are per CPU and class; the CPU that got the lock adds to its own, by relaxed atomic operations because an interrupt may do the same in
 * between and a thread that sleeps may have gone elsewhere; no line is shared while it counts. A wait is timed by the cycle counter from the
 * `contended` to the `acquired` or `gave_up` hook: of a spin lock on a small per-CPU stack (waits nest only with interrupts), of a sleeping lock in the thread.
 * Places are stacks of a few return addresses in one table, found by hash and only added (compare-and-swap of the key); only who waited goes
 * there. Which of the frames is the one to show (the first that is not itself part of a lock) is for the tool to say, which has the symbols.
 *
 * At the end of the machine the sums are handed up as lines:
 *	class NUMBER RANK ACQUISITIONS CONTENDED WAIT LONGEST NAME...
 *	site CLASS COUNT WAIT LONGEST 0xADDRESS...
 * with times in ns. Other CPUs may go on counting meanwhile; each number is right for some moment. Full table of places: the rest is counted as one
 * place without addresses. Memory is static.
 */
#include "sync/lockstat.h"

#ifdef __TUTTI_LOCK_HOOKS__

#include <arch/insn.h>
#include <arch/stack.h>

#include "lib/fmt.h"
#include "lib/util.h"
#include "sync/percpu.h"
#include "sync/upcall.h"

#define SITES	    512u /* a power of two; the last search ends after SITE_LOOKS */
#define SITE_LOOKS  16u
#define SITE_FRAMES 10u
#define WAIT_DEPTH  4u
#define NAME	    96

struct counts {
	uint64_t acquired, contended, wait, longest; /* [a] the last two in cycles */
};

struct wait {
	const void *lock;
	uint64_t since;
};

struct stat_cpu {
	struct counts class[LOCK_CLASSES];
	struct wait wait[WAIT_DEPTH]; /* [c] */
	uint32_t waits;		      /* [c] */
} __cacheline;

struct site {
	uint64_t key;		       /* [a] hash of class and frames; 0: free */
	uint16_t class;		       /* [I] after `ready` */
	uint16_t ready;		       /* [a] */
	uint32_t frame[SITE_FRAMES];   /* [I] after `ready` */
	uint64_t count, wait, longest; /* [a] */
};

static struct {
	struct stat_cpu cpu[CONFIG_MAX_CPUS];
	struct site site[SITES];
	struct site other; /* what did not fit */
} st;

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void raise(uint64_t *most, uint64_t n)
{
	uint64_t old = __atomic_load_n(most, __ATOMIC_RELAXED);

	while (old < n && !__atomic_compare_exchange_n(most, &old, n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static struct lock_thread *this_thread(void)
{
	char *t = (char *)current_thread();

	return t ? (struct lock_thread *)(t + LOCK_THREAD_OFFSET) : NULL;
}

uint64_t lockstat_now(void)
{
	return arch_rdtsc();
}

/* ---- places ---- */

static struct site *site_of(unsigned class, uintptr_t pc, uintptr_t fp)
{
	uintptr_t stack[SITE_FRAMES];
	uint64_t key = class;
	unsigned n = 0;

	stack_walk(stack, SITE_FRAMES, pc, fp);
	for (; n < SITE_FRAMES && stack[n]; n++)
		key = (key ^ stack_offset(stack[n])) * 0x9e3779b97f4a7c15ull;
	key |= 1;
	for (unsigned i = 0; i < SITE_LOOKS; i++) {
		struct site *s = &st.site[((key >> 40) + i) % SITES];
		uint64_t old = 0;

		if (__atomic_load_n(&s->key, __ATOMIC_RELAXED) == key)
			return s;
		if (!__atomic_compare_exchange_n(&s->key, &old, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			if (old == key)
				return s;
			continue;
		}
		s->class = (uint16_t) class;
		for (unsigned k = 0; k < n; k++)
			s->frame[k] = stack_offset(stack[k]);
		__atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE); /* pairs with the acquire in lockstat_print() */
		return s;
	}
	return &st.other;
}

void lockstat_waited(unsigned class, uint64_t since, uintptr_t pc, uintptr_t fp)
{
	struct counts *c = &st.cpu[cpu_id()].class[class];
	uint64_t cycles = arch_rdtsc() - since;
	struct site *s = site_of(class, pc, fp);

	add(&c->contended, 1);
	add(&c->wait, cycles);
	raise(&c->longest, cycles);
	add(&s->count, 1);
	add(&s->wait, cycles);
	raise(&s->longest, cycles);
}

/* ---- locks ---- */

/* A wait that was given up (its time had passed) says nothing any more: its lock may be taken again without one. */
void lockstat_acquire(unsigned mode)
{
	struct lock_thread *t = mode & LOCK_SLEEPING ? this_thread() : NULL;

	if (t)
		t->waits = NULL;
}

void lockstat_contended(const void *lock, unsigned mode)
{
	uint64_t now = arch_rdtsc();

	if (mode & LOCK_SLEEPING) {
		struct lock_thread *t = this_thread();

		if (t) {
			t->waits = lock;
			t->since = now;
		}
	} else {
		struct stat_cpu *c = &st.cpu[cpu_id()];
		unsigned n = c->waits;

		if (n < WAIT_DEPTH) {
			c->waits = n + 1;
			__asm__ volatile("" ::: "memory");
			c->wait[n] = (struct wait){ lock, now };
		}
	}
}

/* When the wait for `lock` that ends now began; 0: it was none. */
static uint64_t wait_ended(const void *lock, unsigned mode)
{
	struct lock_thread *t = mode & LOCK_SLEEPING ? this_thread() : NULL;
	struct stat_cpu *c = &st.cpu[cpu_id()];
	unsigned n = c->waits;

	if (mode & LOCK_SLEEPING) {
		if (!t || t->waits != lock)
			return 0;
		t->waits = NULL;
		return t->since;
	}
	if (!n || c->wait[n - 1].lock != lock)
		return 0;
	c->waits = n - 1;
	return c->wait[n - 1].since;
}

void lockstat_acquired(unsigned class, const void *lock, unsigned mode, uintptr_t pc, uintptr_t fp)
{
	uint64_t since = wait_ended(lock, mode);

	if (!class)
		return;
	add(&st.cpu[cpu_id()].class[class].acquired, 1);
	if (since && !(mode & LOCK_TRY))
		lockstat_waited(class, since, pc, fp);
}

void lockstat_gave_up(unsigned class, const void *lock, uintptr_t pc, uintptr_t fp)
{
	uint64_t since = wait_ended(lock, LOCK_SLEEPING);

	if (class && since)
		lockstat_waited(class, since, pc, fp);
}

/* ---- the end ---- */

static __cold void print_class(unsigned id)
{
	struct counts sum = { 0 };
	char name[NAME], line[NAME + 160];

	for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
		const struct counts *c = &st.cpu[i].class[id];

		sum.acquired += __atomic_load_n(&c->acquired, __ATOMIC_RELAXED);
		sum.contended += __atomic_load_n(&c->contended, __ATOMIC_RELAXED);
		sum.wait += __atomic_load_n(&c->wait, __ATOMIC_RELAXED);
		sum.longest = MAX(sum.longest, __atomic_load_n(&c->longest, __ATOMIC_RELAXED));
	}
	if (!sum.acquired && !sum.contended)
		return;
	fmt_snprintf(line, sizeof(line), "class %u %u %lu %lu %lu %lu %s", id, lock_class_by_id(id)->rank, sum.acquired,
		     sum.contended, tutti_upcalls.cycles_to_ns(sum.wait), tutti_upcalls.cycles_to_ns(sum.longest),
		     lock_class_words(id, NULL, name, NAME));
	tutti_upcalls.lock_stat(line);
}

static __cold void print_site(struct site *s)
{
	uint64_t count = __atomic_load_n(&s->count, __ATOMIC_RELAXED);
	char line[80 + 20 * SITE_FRAMES];
	size_t n;

	if (!count)
		return;
	n = fmt_snprintf(line, sizeof(line), "site %u %lu %lu %lu", s->class, count,
			 tutti_upcalls.cycles_to_ns(__atomic_load_n(&s->wait, __ATOMIC_RELAXED)),
			 tutti_upcalls.cycles_to_ns(__atomic_load_n(&s->longest, __ATOMIC_RELAXED)));
	for (unsigned i = 0; i < SITE_FRAMES && s->frame[i] && n + 20 < sizeof(line); i++)
		n += fmt_snprintf(line + n, sizeof(line) - n, " 0x%lx", (unsigned long)stack_address(s->frame[i]));
	tutti_upcalls.lock_stat(line);
}

void lockstat_print(void)
{
	unsigned n = lock_class_count();

	for (unsigned id = 1; id <= n; id++)
		print_class(id);
	for (unsigned i = 0; i < SITES; i++)
		if (__atomic_load_n(&st.site[i].ready, __ATOMIC_ACQUIRE))
			print_site(&st.site[i]);
	print_site(&st.other);
}

#endif
