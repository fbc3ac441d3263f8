/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every kind of lock tells the validator and the lock statistics, and how a lock gets its class.
 *
 * A lock contains a `struct lock_map`, which names its class; it has no size, and the calls no code, unless the build has one of
 * the two (__TUTTI_LOCK_HOOKS__: LOCK_VALIDATOR or LOCKSTAT). A class is declared once, next to the lock's initialisation:
 *
 *	LOCK_CLASS(futex_bucket, "futex bucket", 30, LOCK_BY_ADDRESS, "waiters of the keys that hash there");
 *	spin_init_class(&b->lock, &futex_bucket);	or	.lock = SPINLOCK_INIT(&futex_bucket)
 *
 * Name, rank, flags and what it protects are literals: docs/locking.md is made from these lines. A lock may be taken while locks of
 * smaller ranks are held. A lock without a class (a program's, or a zeroed one) gets one from its address or place of initialisation and
 * has no rank: the order in which it was seen is what counts.
 *
 * Order of the calls: acquire before waiting (it may report), contended once if it has to wait, acquired with the lock held, or gave_up
 * if the wait ended without it; release while it is still held. A trylock calls acquired alone, with LOCK_TRY, and only if it got the
 * lock. A lock that sleeps says LOCK_SLEEPING, for it may be tried for with preemption off. A function that initialises a lock without
 * a class calls lock_hook_init(). All may be called in any context, early boot included; around a lock that is spun on
 * preemption is off from before acquire until after release, and interrupts are what they will be while it is held.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Flags of a class. */
#define LOCK_IRQ	(1u << 0) /* taken in interrupts too: elsewhere with interrupts off */
#define LOCK_BY_ADDRESS (1u << 1) /* several of the class may be held, taken in the order of their addresses */
#define LOCK_SLEEPS	(1u << 2) /* waiting for it sleeps; held by a thread and not by a CPU */
#define LOCK_LEAF	(1u << 3) /* nothing is taken while it is held */
#define LOCK_WAIT	(1u << 4) /* no lock, but something else that is waited for: statistics only (lock_wait_end()) */

/* Modes of an acquisition. */
#define LOCK_SHARED    (1u << 0) /* as a reader */
#define LOCK_TRY       (1u << 1) /* does not wait: adds no order */
#define LOCK_RECURSIVE (1u << 2) /* the owner takes it again, by intent */
#define LOCK_SLEEPING  (1u << 3) /* of a lock that sleeps, in every call: it may be tried for with preemption off */

#ifdef __TUTTI_LOCK_HOOKS__

struct lock_class {
	const char *name;
	const char *protects;
	uint16_t rank; /* 0: none */
	uint16_t flags;
	uint16_t id; /* [a] number in the validator's tables, 0: not seen yet */
};

struct lock_map {
	struct lock_class *class; /* [a] NULL: not known yet */
};

#define LOCK_STACK_SHORT 6
#define LOCK_SLEEP_MAX	 8

/* A lock that is held. Places in the code are offsets into the image. */
struct lock_held {
	const void *lock; /* NULL: nothing */
	uint16_t class;	  /* its number */
	uint8_t mode;
	uint8_t context; /* depth of interrupt handlers it was taken at */
	uint32_t stack[LOCK_STACK_SHORT];
};

/* In struct uk_thread, at LOCK_THREAD_OFFSET: [c] of the thread alone. */
struct lock_thread {
	uint32_t count;	   /* locks that sleep, held by the thread */
	uint32_t lost;	   /* taken with the table full */
	const void *waits; /* the one it waits for */
	uint64_t since;	   /* and since when */
	struct lock_held held[LOCK_SLEEP_MAX];
};

#define LOCK_CLASS(var, name_, rank_, flags_, protects_) \
	struct lock_class var = { .name = (name_), .protects = (protects_), .rank = (rank_), .flags = (flags_) }
#define LOCK_CLASS_EXTERN(var) extern struct lock_class var
#define LOCK_MAP_INIT(cls)     \
	{                      \
		.class = (cls) \
	}

static inline void lock_map_init(struct lock_map *m, struct lock_class *cls)
{
	__atomic_store_n(&m->class, cls, __ATOMIC_RELAXED);
}
#define lock_map_set(m, cls) lock_map_init((m), (cls))

/* A lock that has no class is initialised while the program runs: it gets one from `pc`, the place where its user does that. */
void lock_hook_init(struct lock_map *m, const void *lock, uintptr_t pc);
/* A sleeping lock is about to be taken at `pc`, which is in its user's code: if it still has no class it gets one from there. */
void lock_hook_first_use(struct lock_map *m, const void *lock, uintptr_t pc);
/* `lock`: the lock's own address. */
void lock_hook_acquire(struct lock_map *m, const void *lock, unsigned mode);
void lock_hook_contended(struct lock_map *m, const void *lock);
void lock_hook_acquired(struct lock_map *m, const void *lock, unsigned mode);
/* A wait for a lock that sleeps has timed out. */
void lock_hook_gave_up(struct lock_map *m, const void *lock);
void lock_hook_release(struct lock_map *m, const void *lock);
/* Does this CPU or the current thread hold it? True where nothing is known (no validator in this build). */
bool lock_hook_is_held(const struct lock_map *m, const void *lock);
/* The caller is about to do what may sleep. */
void lock_hook_may_sleep(void);
/* An RCU read section: preemption is off from before the first until after the second. */
void lock_hook_rcu_lock(void);
void lock_hook_rcu_unlock(void);
/* Is this one? True where nothing is known. */
bool lock_hook_rcu_is_held(void);
/* The thread, the machine ends; a crash is being reported: no more reports. */
void lock_hook_thread_exit(void);
void lock_hook_machine_exit(void);
void lock_hook_crash(void);
/*
 * For the statistics alone: a wait that is no lock of the kernel's (a futex). since = lock_wait_begin() before,
 * lock_wait_end(&class, since) after it.
 */
uint64_t lock_wait_begin(void);
void lock_wait_end(struct lock_class *c, uint64_t since);

#else

struct lock_map {
};

struct lock_thread {
};

#define LOCK_CLASS(var, name_, rank_, flags_, protects_) \
	_Static_assert((rank_) >= 0 && (flags_) >= 0 && sizeof(name_) && sizeof(protects_), "lock class " #var)
#define LOCK_CLASS_EXTERN(var) _Static_assert(1, #var)
#define LOCK_MAP_INIT(cls) \
	{                  \
	}
#define lock_map_set(m, cls)		 ((void)(m))
/* `pc` is not evaluated: a function that asks for its return address is compiled in another way. */
#define lock_hook_init(m, lock, pc)	 ((void)(m), (void)(lock))
#define lock_hook_first_use(m, lock, pc) ((void)(m), (void)(lock))

static inline void lock_hook_acquire(struct lock_map *m, const void *lock, unsigned mode)
{
	(void)m, (void)lock, (void)mode;
}
static inline void lock_hook_contended(struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
}
static inline void lock_hook_acquired(struct lock_map *m, const void *lock, unsigned mode)
{
	(void)m, (void)lock, (void)mode;
}
static inline void lock_hook_gave_up(struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
}
static inline void lock_hook_release(struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
}
static inline bool lock_hook_is_held(const struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
	return true;
}
static inline void lock_hook_may_sleep(void)
{
}
static inline void lock_hook_rcu_lock(void)
{
}
static inline void lock_hook_rcu_unlock(void)
{
}
static inline bool lock_hook_rcu_is_held(void)
{
	return true;
}
static inline void lock_hook_thread_exit(void)
{
}
static inline void lock_hook_machine_exit(void)
{
}
static inline void lock_hook_crash(void)
{
}
static inline uint64_t lock_wait_begin(void)
{
	return 0;
}
#define lock_wait_end(cls, since)	 ((void)(since))

#endif

/* struct uk_thread belongs to sched/, above, which asserts this. */
#define LOCK_THREAD_OFFSET 32
