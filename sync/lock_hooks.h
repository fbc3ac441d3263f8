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
 * Order of the calls: acquire before waiting (it may report), contended once if it has to wait, acquired with the lock held; release
 * while it is still held. A trylock calls acquired alone, with LOCK_TRY. All may be called in any context, early boot included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Flags of a class. */
#define LOCK_IRQ	(1u << 0) /* taken in interrupts too: elsewhere with interrupts off */
#define LOCK_BY_ADDRESS (1u << 1) /* several of the class may be held, taken in the order of their addresses */
#define LOCK_SLEEPS	(1u << 2) /* waiting for it sleeps; held by a thread and not by a CPU */
#define LOCK_LEAF	(1u << 3) /* nothing is taken while it is held */

/* Modes of an acquisition. */
#define LOCK_SHARED    (1u << 0) /* as a reader */
#define LOCK_TRY       (1u << 1) /* does not wait: adds no order */
#define LOCK_RECURSIVE (1u << 2) /* the owner takes it again, by intent */

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

/* `lock`: the lock's own address. */
void lock_hook_acquire(struct lock_map *m, const void *lock, unsigned mode);
void lock_hook_contended(struct lock_map *m, const void *lock);
void lock_hook_acquired(struct lock_map *m, const void *lock, unsigned mode);
void lock_hook_release(struct lock_map *m, const void *lock);
/* Does this CPU or the current thread hold it? True where nothing is known (no validator in this build). */
bool lock_hook_is_held(const struct lock_map *m, const void *lock);
/* The caller is about to do what may sleep. */
void lock_hook_may_sleep(void);

#else

struct lock_map {
};

#define LOCK_CLASS(var, name_, rank_, flags_, protects_) \
	_Static_assert((rank_) >= 0 && (flags_) >= 0 && sizeof(name_) && sizeof(protects_), "lock class " #var)
#define LOCK_CLASS_EXTERN(var) _Static_assert(1, #var)
#define LOCK_MAP_INIT(cls) \
	{                  \
	}
#define lock_map_set(m, cls) ((void)(m))

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

#endif
