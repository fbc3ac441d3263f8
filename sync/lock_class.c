// SPDX-License-Identifier: BSD-3-Clause
/*
 * Classes of locks: their numbers, and classes for locks that name none.
 *
 * A class is declared next to its locks (LOCK_CLASS) and gets a number when the first of them is taken. A lock without one gets a class that
 * is made here: if it lies in the image, one of its own, known by its address; if it was initialised while the program ran, one for all that
 * were initialised at the same place in the code; else (zeroed memory) one for all that were first taken at the same place. So the locks of
 * many equal objects share a class, and two locks of a program's own variables never do.
 *
 * Numbers and made classes are only added, under one raw lock, and published with release: a number by the class that carries it, a made
 * class by its key. Reading takes no lock; who misses what is being added takes the lock and looks again. A class never
 * changes afterwards, and its number is an index of the validator's and the statistics' tables for ever.
 *
 * The raw lock is a test-and-set word with interrupts off, without hooks: it is taken inside the hooks of all others, holds for a few
 * dozen instructions and takes nothing itself. Tables are static; when one is full, locks without a class or number are still watched
 * for recursion and forgotten unlocks, and one line says that order is not (validator.c).
 */
#include "sync/lock_class.h"

#ifdef __TUTTI_LOCK_HOOKS__

#include <arch/cpu.h>
#include <arch/image.h>
#include <arch/irqflags.h>

#include "lib/fmt.h"
#include "lib/util.h"

enum kind { BY_ADDRESS, BY_INIT, BY_FIRST_USE };

struct made {
	uintptr_t key; /* [a] 0: free; set last */
	enum kind kind;
	struct lock_class class;
};

static struct {
	struct lock_raw lock;
	uint32_t count;				/* [a] numbers given, written under lock */
	uint32_t made_count;			/* [lock] */
	bool full;				/* [a] */
	struct lock_class *by_id[LOCK_CLASSES]; /* [a] written under lock */
	struct made made[LOCK_CLASSES_MADE];	/* [lock to add] open addressing by key */
} classes;

LOCKS_UNCHECKED unsigned long lock_raw_lock(struct lock_raw *l)
{
	unsigned long flags = arch_irq_save();

	/* pairs with the release in lock_raw_unlock() */
	while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&l->word, __ATOMIC_RELAXED))
			arch_cpu_relax();
	return flags;
}

LOCKS_UNCHECKED void lock_raw_unlock(struct lock_raw *l, unsigned long flags)
{
	__atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
	arch_irq_restore(flags);
}

/* ---- numbers ---- */

static __noinline __cold unsigned give_id(struct lock_class *c)
{
	unsigned long flags = lock_raw_lock(&classes.lock);
	unsigned id = c->id, n = classes.count + 1;

	if (!id && n < LOCK_CLASSES) {
		id = n;
		__atomic_store_n(&classes.by_id[id], c, __ATOMIC_RELAXED);
		/* pair with the acquires in lock_class_count() and lock_class_id() */
		__atomic_store_n(&classes.count, n, __ATOMIC_RELEASE);
		__atomic_store_n(&c->id, (uint16_t)id, __ATOMIC_RELEASE);
	} else if (!id) {
		__atomic_store_n(&classes.full, true, __ATOMIC_RELAXED);
	}
	lock_raw_unlock(&classes.lock, flags);
	return id;
}

unsigned lock_class_id(struct lock_class *c)
{
	unsigned id = __atomic_load_n(&c->id, __ATOMIC_ACQUIRE);

	if (likely(id))
		return id;
	if (lock_class_full() && lock_class_count() == LOCK_CLASSES - 1)
		return 0;
	return give_id(c);
}

unsigned lock_class_count(void)
{
	return __atomic_load_n(&classes.count, __ATOMIC_ACQUIRE);
}

struct lock_class *lock_class_by_id(unsigned id)
{
	return id && id < LOCK_CLASSES ? __atomic_load_n(&classes.by_id[id], __ATOMIC_RELAXED) : NULL;
}

bool lock_class_full(void)
{
	return __atomic_load_n(&classes.full, __ATOMIC_RELAXED);
}

/* ---- classes of locks that name none ---- */

static struct made *made_find(uintptr_t key, struct made **free)
{
	unsigned i = (unsigned)((key >> 2) * 0x9e3779b97f4a7c15ull >> 40);

	*free = NULL;
	for (unsigned n = 0; n < LOCK_CLASSES_MADE; n++, i++) {
		struct made *e = &classes.made[i % LOCK_CLASSES_MADE];
		/* pairs with the release in make() */
		uintptr_t k = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);

		if (k == key)
			return e;
		if (!k) {
			*free = e;
			break;
		}
	}
	return NULL;
}

static struct lock_class *make(enum kind kind, uintptr_t key, unsigned flags)
{
	struct made *free, *e = made_find(key, &free);
	unsigned long irq;

	if (likely(e))
		return &e->class;
	/* One stays free, so that a search for what is not there ends; full stays full. */
	if (__atomic_load_n(&classes.made_count, __ATOMIC_RELAXED) >= LOCK_CLASSES_MADE - 1) {
		__atomic_store_n(&classes.full, true, __ATOMIC_RELAXED);
		return NULL;
	}
	irq = lock_raw_lock(&classes.lock);
	e = made_find(key, &free);
	if (!e && classes.made_count < LOCK_CLASSES_MADE - 1) {
		e = free;
		e->kind = kind;
		e->class = (struct lock_class){ .flags = (uint16_t)flags };
		__atomic_store_n(&classes.made_count, classes.made_count + 1, __ATOMIC_RELAXED);
		__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
	}
	lock_raw_unlock(&classes.lock, irq);
	return e ? &e->class : NULL;
}

static bool in_image(const void *p)
{
	return (const char *)p >= __image_start && (const char *)p < __image_end;
}

static void set(struct lock_map *m, struct lock_class *c)
{
	__atomic_store_n(&m->class, c, __ATOMIC_RELEASE); /* pairs with the acquire in lock_class_of() */
}

struct lock_class *lock_class_of(struct lock_map *m, const void *lock, unsigned mode, uintptr_t pc)
{
	struct lock_class *c = __atomic_load_n(&m->class, __ATOMIC_ACQUIRE);

	if (likely(c))
		return c;
	c = make(in_image(lock) ? BY_ADDRESS : BY_FIRST_USE, in_image(lock) ? (uintptr_t)lock : pc,
		 mode & LOCK_SLEEPING ? LOCK_SLEEPS : 0);
	if (c)
		set(m, c);
	return c;
}

void lock_class_from_site(struct lock_map *m, const void *lock, uintptr_t pc)
{
	/* Whether waiting for it sleeps shows when it is taken (LOCK_SLEEPING). */
	set(m, in_image(lock) ? NULL : make(BY_INIT, pc, 0));
}

const char *lock_class_words(unsigned id, const void *lock, char *buf, size_t size)
{
	static const char *const words[] = { "lock at", "lock initialised at", "lock first taken at" };
	const struct lock_class *c = lock_class_by_id(id);
	bool named = c && c->name, only = false;
	size_t n;

	if (!c || named) {
		n = fmt_snprintf(buf, size, "%s", named ? c->name : "lock without a class");
	} else {
		const struct made *made = container_of(c, struct made, class);

		only = made->kind == BY_ADDRESS;
		n = fmt_snprintf(buf, size, "%s 0x%lx", words[made->kind], (unsigned long)made->key);
	}
	if (lock && !only && n < size)
		fmt_snprintf(buf + n, size - n, " 0x%lx", (unsigned long)lock);
	return buf;
}

#endif
