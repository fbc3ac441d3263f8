// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sched/sched.c,sched/runq.c,sched/thread.c,sched/timer.c,sched/waitq.c,sched/waiter.c,sched/mutex.c,sched/semaphore.c,sched/rwlock.c,sched/condition.c,sched/completion.c,sched/watchdog.c,sync/rcu.c,lib/rbtree.c,lib/fmt.c cflags=-Itests/host/sched_fake,-pthread sanitize=thread,undefined
/*
 * The sleeping locks over the real scheduler on four virtual CPUs in a Linux process (sched_sim.c, whose machinery this
 * includes), under TSan.
 *
 * Promises kept: exclusion (plain data behind each lock; TSan sees what the counts do not), no lost wake-up (a thread that sleeps for ever
 * hangs the test, which the watchdog ends), time-outs that neither take a lock nor lose somebody else's turn, hand-over of every unit
 * of a semaphore and every completion to exactly one waiter, signals of a condition that reach a waiter each.
 */
#define main sched_sim_main
int sched_sim_main(void);
#include "sched_sim.c"
#undef main

#define LOCK_THREADS 8
#define LOCK_ROUNDS  1200

static uint64_t soon(unsigned *s)
{
	return plat_monotonic_ns() + rnd(s) % 100000;
}

static void linger(unsigned *s)
{
	if (rnd(s) % 16 == 0)
		thread_yield();
	if (rnd(s) % 32 == 0)
		spin_ns(20000);
	safepoint();
}

static unsigned mutex_count;
static void mutex_user(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < LOCK_ROUNDS; r++) {
		unsigned how = rnd(&s) % 4;

		if (how == 0)
			while (!uk_mutex_trylock(&mutex))
				thread_yield();
		else if (how == 1)
			while (tutti_mutex_lock_until(&mutex, (__nsec)soon(&s)))
				;
		else
			uk_mutex_lock(&mutex);
		mutex_count++;
		linger(&s);
		CHECK(tutti_mutex_is_held(&mutex));
		uk_mutex_unlock(&mutex);
		safepoint();
	}
}

static struct uk_rwlock rwlock;
static unsigned rw_value[4], rw_writes;
static void rwlock_user(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < LOCK_ROUNDS; r++) {
		unsigned how = rnd(&s) % 8;

		if (how == 0) {
			uk_rwlock_wlock(&rwlock);
		} else if (how == 1) {
			while (tutti_rwlock_wlock_until(&rwlock, (__nsec)soon(&s)))
				;
		} else {
			unsigned v;

			if (how == 2)
				while (tutti_rwlock_rlock_until(&rwlock, (__nsec)soon(&s)))
					;
			else if (how == 3)
				while (!tutti_rwlock_try_rlock(&rwlock))
					thread_yield();
			else
				uk_rwlock_rlock(&rwlock);
			v = rw_value[0];
			linger(&s);
			for (unsigned k = 1; k < 4; k++)
				CHECK(rw_value[k] == v);
			uk_rwlock_runlock(&rwlock);
			continue;
		}
		for (unsigned k = 0; k < 4; k++) {
			rw_value[k]++;
			linger(&s);
		}
		rw_writes++;
		if (rnd(&s) % 2) {
			uk_rwlock_wunlock(&rwlock);
		} else {
			tutti_rwlock_downgrade(&rwlock);
			CHECK(rw_value[0] == rw_value[3]);
			uk_rwlock_runlock(&rwlock);
		}
	}
}

/* units go round: as many ups as downs, and never more than UNITS inside */
#define UNITS 3
static struct uk_semaphore semaphore;
static unsigned sem_inside, sem_downs;
static void semaphore_user(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < LOCK_ROUNDS; r++) {
		unsigned how = rnd(&s) % 4;

		if (how == 0)
			while (!uk_semaphore_down_try(&semaphore))
				thread_yield();
		else if (how == 1)
			while (uk_semaphore_down_to(&semaphore, 1 + rnd(&s) % 50000) == __NSEC_MAX)
				;
		else
			uk_semaphore_down(&semaphore);
		CHECK(__atomic_add_fetch(&sem_inside, 1, __ATOMIC_SEQ_CST) <= UNITS);
		__atomic_fetch_add(&sem_downs, 1, __ATOMIC_RELAXED);
		linger(&s);
		__atomic_fetch_sub(&sem_inside, 1, __ATOMIC_SEQ_CST);
		uk_semaphore_up(&semaphore);
	}
}

/* a bounded buffer: what goes in comes out once */
#define SLOTS 3
#define ITEMS (LOCK_ROUNDS * 2)
static struct tutti_condition not_full, not_empty;
static unsigned slots[SLOTS], filled, put_in, taken_out, sum_in, sum_out;
static void buffer_producer(unsigned i)
{
	unsigned s = i;

	for (;;) {
		uk_mutex_lock(&mutex);
		while (filled == SLOTS && put_in < ITEMS) {
			if (rnd(&s) % 4)
				tutti_condition_wait(&not_full, &mutex);
			else
				tutti_condition_wait_until(&not_full, &mutex, (__nsec)soon(&s));
		}
		if (put_in >= ITEMS)
			break;
		slots[filled++] = ++put_in;
		sum_in += put_in;
		tutti_condition_signal(&not_empty);
		if (put_in == ITEMS) {
			tutti_condition_broadcast(&not_full);
			tutti_condition_broadcast(&not_empty);
		}
		uk_mutex_unlock(&mutex);
		linger(&s);
	}
	uk_mutex_unlock(&mutex);
}

static void buffer_consumer(unsigned i)
{
	unsigned s = i;

	for (;;) {
		uk_mutex_lock(&mutex);
		while (!filled && taken_out < ITEMS) {
			if (rnd(&s) % 4)
				tutti_condition_wait(&not_empty, &mutex);
			else
				tutti_condition_wait_until(&not_empty, &mutex, (__nsec)soon(&s));
		}
		if (!filled)
			break;
		sum_out += slots[--filled];
		if (++taken_out == ITEMS)
			tutti_condition_broadcast(&not_empty);
		uk_mutex_unlock(&mutex);
		/* without the mutex, too */
		tutti_condition_signal(&not_full);
		linger(&s);
	}
	uk_mutex_unlock(&mutex);
}

/* completions on the stack of the one who waits, made by another thread */
static struct tutti_completion *posted[LOCK_THREADS / 2];
static void completion_waiter(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < LOCK_ROUNDS / 2; r++) {
		struct tutti_completion c;

		tutti_completion_init(&c);
		__atomic_store_n(&posted[i], &c, __ATOMIC_RELEASE);
		if (rnd(&s) % 4 == 0)
			while (!tutti_completion_try_wait(&c))
				thread_yield();
		else if (rnd(&s) % 4 == 0)
			while (tutti_completion_wait_until(&c, (__nsec)soon(&s)))
				;
		else
			tutti_completion_wait(&c);
		memset(&c, 0xdb, sizeof(c));
	}
}

static void completion_maker(unsigned i)
{
	unsigned s = i;

	for (unsigned r = 0; r < LOCK_ROUNDS / 2; r++) {
		struct tutti_completion *c;

		while (!(c = __atomic_exchange_n(&posted[i], NULL, __ATOMIC_ACQ_REL)))
			thread_yield();
		linger(&s);
		if (r % 2)
			tutti_completion_complete(c);
		else
			tutti_completion_complete_all(c);
	}
}

static void run_locks(void)
{
	uk_mutex_init(&mutex);
	uk_rwlock_init(&rwlock);
	uk_semaphore_init(&semaphore, UNITS);
	tutti_condition_init(&not_full);
	tutti_condition_init(&not_empty);

	for (unsigned i = 0; i < LOCK_THREADS; i++)
		put(start(mutex_user, i, NULL));
	phase("mutex");
	CHECK(mutex_count == LOCK_THREADS * LOCK_ROUNDS && !uk_mutex_is_locked(&mutex));
	for (unsigned i = 0; i < LOCK_THREADS; i++)
		put(start(rwlock_user, i, NULL));
	phase("rwlock");
	CHECK(rw_value[0] == rw_writes && !tutti_rwlock_is_locked(&rwlock));
	for (unsigned i = 0; i < LOCK_THREADS; i++)
		put(start(semaphore_user, i, NULL));
	phase("semaphore");
	CHECK(sem_downs == LOCK_THREADS * LOCK_ROUNDS && tutti_semaphore_count(&semaphore) == UNITS);
	for (unsigned i = 0; i < LOCK_THREADS; i++)
		put(start(i % 2 ? buffer_producer : buffer_consumer, i, NULL));
	phase("condition");
	CHECK(put_in == ITEMS && taken_out == ITEMS && sum_in == sum_out && !filled);
	for (unsigned i = 0; i < LOCK_THREADS; i++)
		put(start(i % 2 ? completion_maker : completion_waiter, i / 2, NULL));
	phase("completion");
}

int main(void)
{
	pthread_t id;
	struct host_thread *b;
	pid_t child;

	/* `coop` in a child first, then `preempt` here */
	fflush(NULL);
	if ((child = fork()) == 0) {
		sched_preemptive = false;
	} else {
		int status;

		if (waitpid(child, &status, 0) != child || status)
			fail("coop run failed");
	}
	pthread_create(&id, NULL, watchdog, (void *)(uintptr_t)60);
	for (unsigned i = 0; i < CPUS; i++) {
		percpu_areas[i].idx = i;
		vcpu[i].shot = UINT64_MAX;
		pthread_mutex_init(&vcpu[i].m, NULL);
		pthread_cond_init(&vcpu[i].c, NULL);
	}
	host_cpu = &percpu_areas[0];
	b = boot_stack = (struct host_thread *)mm_kstack_alloc();
	b->on_stack = 1;
	host_cpu->kstack_base = (uintptr_t)b;
	host_cpu->kstack_top = (uintptr_t)b + MM_KSTACK_SIZE;
	pthread_create(&id, NULL, timer_hardware, NULL);
	sched_init();
	for (unsigned i = 1; i < CPUS; i++)
		pthread_create(&id, NULL, cpu_main, &percpu_areas[i]);
	arch_irq_enable();
	waitq_init(&done_wq);
	run_locks();
	while (thread_count() != 1)
		thread_sleep_until(plat_monotonic_ns() + 1000000);
	fprintf(stderr, "ok\n");
	fflush(NULL);
	exit(0);
}
