// SPDX-License-Identifier: BSD-3-Clause
/*
 * Entries of the lock hooks in a build that has them (sync/lock_hooks.h): find the lock's class and its number, ask the validator and count,
 * whichever of the two the build has. No state; the concurrency argument is in lock_class.c, validator.c and lockstat.c. Any context.
 */
#include "sync/lock_hooks.h"

#ifdef __TUTTI_LOCK_HOOKS__

#include <arch/stack.h>

#include "config.h"
#include "lib/util.h"
#include "sync/lockstat.h"
#include "sync/percpu.h"
#include "sync/validator.h"

/* *mode learns what the class and the context know. */
static inline unsigned class_of(struct lock_map *m, const void *lock, unsigned *mode, uintptr_t pc)
{
	struct lock_class *c;

	/* Whoever takes a lock that is spun on has turned preemption off. */
	if (!percpu_read(preempt_count))
		*mode |= LOCK_SLEEPING;
	c = lock_class_of(m, lock, *mode, pc);
	if (!c)
		return 0;
	if (c->flags & LOCK_SLEEPS)
		*mode |= LOCK_SLEEPING;
	else if (unlikely(*mode & LOCK_SLEEPING))
		__atomic_fetch_or(&c->flags, LOCK_SLEEPS,
				  __ATOMIC_RELAXED); /* made or declared without: lock_hook_contended() wants it */
	return lock_class_id(c);
}

void lock_hook_init(struct lock_map *m, const void *lock, uintptr_t pc)
{
	lock_class_from_site(m, lock, pc);
}

void lock_hook_first_use(struct lock_map *m, const void *lock, uintptr_t pc)
{
	lock_class_of(m, lock, LOCK_SLEEPING, pc);
}

void lock_hook_acquire(struct lock_map *m, const void *lock, unsigned mode)
{
	unsigned class = class_of(m, lock, &mode, CALLER_PC());

	if (config_lockstat)
		lockstat_acquire(mode);
	if (config_lock_validator)
		validator_acquire(class, lock, mode, CALLER_PC(), CALLER_FP());
}

void lock_hook_contended(struct lock_map *m, const void *lock)
{
	unsigned mode = 0;

	class_of(m, lock, &mode, CALLER_PC());
	if (config_lockstat)
		lockstat_contended(lock, mode);
}

void lock_hook_acquired(struct lock_map *m, const void *lock, unsigned mode)
{
	unsigned class = class_of(m, lock, &mode, CALLER_PC());

	if (config_lock_validator)
		validator_acquired(class, lock, mode, CALLER_PC(), CALLER_FP());
	if (config_lockstat)
		lockstat_acquired(class, lock, mode, CALLER_PC(), CALLER_FP());
}

void lock_hook_gave_up(struct lock_map *m, const void *lock)
{
	unsigned mode = LOCK_SLEEPING, class = class_of(m, lock, &mode, CALLER_PC());

	if (config_lockstat)
		lockstat_gave_up(class, lock, CALLER_PC(), CALLER_FP());
}

void lock_hook_release(struct lock_map *m, const void *lock)
{
	(void)m;
	if (config_lock_validator)
		validator_release(lock, CALLER_PC(), CALLER_FP());
}

bool lock_hook_is_held(const struct lock_map *m, const void *lock)
{
	(void)m;
	return config_lock_validator ? validator_is_held(lock) : true;
}

void lock_hook_may_sleep(void)
{
	if (config_lock_validator)
		validator_may_sleep(CALLER_PC(), CALLER_FP());
}

void lock_hook_rcu_lock(void)
{
	if (config_lock_validator)
		validator_rcu_lock(CALLER_PC(), CALLER_FP());
}

void lock_hook_rcu_unlock(void)
{
	if (config_lock_validator)
		validator_rcu_unlock(CALLER_PC(), CALLER_FP());
}

bool lock_hook_rcu_is_held(void)
{
	return config_lock_validator ? validator_rcu_is_held() : true;
}

void lock_hook_thread_exit(void)
{
	if (config_lock_validator)
		validator_exit("thread", CALLER_PC(), CALLER_FP());
}

void lock_hook_machine_exit(void)
{
	if (config_lock_validator)
		validator_exit("machine", CALLER_PC(), CALLER_FP());
	if (config_lockstat)
		lockstat_print();
}

void lock_hook_crash(void)
{
	if (config_lock_validator)
		validator_off();
}

uint64_t lock_wait_begin(void)
{
	return config_lockstat ? lockstat_now() : 0;
}

void lock_wait_end(struct lock_class *c, uint64_t since)
{
	unsigned class = lock_class_id(c);

	if (config_lockstat && class)
		lockstat_waited(class, since, CALLER_PC(), CALLER_FP());
}

#endif
