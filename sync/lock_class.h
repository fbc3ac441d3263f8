/* SPDX-License-Identifier: BSD-3-Clause */
/* Classes of locks by number, for the validator and the statistics. Only in builds with lock hooks. Any context. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/capability.h"
#include "sync/lock_hooks.h"

#ifdef __TUTTI_LOCK_HOOKS__

#ifndef LOCK_CLASSES
#define LOCK_CLASSES 256u /* a multiple of 64; number 0 is no class */
#endif
#ifndef LOCK_CLASSES_MADE
#define LOCK_CLASSES_MADE 128u /* of these, for locks that name none; a power of two */
#endif

/* One at a time, in any context, interrupts and the locks' own hooks included: not a lock of the kind that is validated. */
struct LOCKABLE("raw lock") lock_raw {
	uint32_t word; /* [a] */
};
unsigned long lock_raw_lock(struct lock_raw *l) ACQUIRES(l);
void lock_raw_unlock(struct lock_raw *l, unsigned long flags) RELEASES(l);

/* The class of a lock, made if it has none; `pc`: who takes it. NULL: the tables are full. */
struct lock_class *lock_class_of(struct lock_map *m, const void *lock, unsigned mode, uintptr_t pc);
/* Its class is that of all locks that are initialised at `pc`. */
void lock_class_from_site(struct lock_map *m, const void *lock, uintptr_t pc);
/* 1 .. lock_class_count(); 0: none is left. */
unsigned lock_class_id(struct lock_class *c);
unsigned lock_class_count(void);
struct lock_class *lock_class_by_id(unsigned id);
/* Words for it: its name, or what is known of one that was made; and for that lock of it, unless NULL. Returns `buf`. */
const char *lock_class_words(unsigned id, const void *lock, char *buf, size_t size);
/* A table was full. */
bool lock_class_full(void);

#endif
