/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pool of equal objects, last in first out. Interface as in Unikraft 0.17.
 *
 * The links lie in the free objects, so the memory of a pool that interrupts use must not be demand-paged. A pool is not
 * on the list of allocators (it may go away, and its parent has counted the memory); its uk_alloc view works all the
 * same.
 */
#pragma once

#include <uk/alloc.h>

struct uk_allocpool;

/**
 * Every function below that says nothing else:
 * Context: any, interrupts included; does not sleep
 * Locks: the pool's spin lock, with interrupts off
 * Ownership: an object that was taken is the caller's until it is returned to the same pool
 * Errors: none; what is no object of the pool, or one too many, ends the machine with a report
 * Source: Unikraft 0.17, uk/allocpool.h
 */

/**
 * Bytes that obj_count objects need at any base address. obj_align: a power of two.
 * Context: any; does not sleep
 * Locks: none
 * Ownership: none
 * Errors: SIZE_MAX: more than there can be
 */
__sz uk_allocpool_reqmem(unsigned int obj_count, __sz obj_len, __sz obj_align);

/**
 * Pool of (at least) obj_count objects on memory from `parent`.
 * Context: that of uk_malloc(parent): thread, may sleep
 * Locks: takes parent's own
 * Ownership: the pool is the caller's until uk_allocpool_free()
 * Errors: NULL, errno = ENOMEM
 */
struct uk_allocpool *uk_allocpool_alloc(struct uk_alloc *parent, unsigned int obj_count, __sz obj_len, __sz obj_align);

/**
 * Give a pool from uk_allocpool_alloc() back to its parent.
 * Context: that of uk_free(parent): thread, may sleep
 * Locks: takes parent's own
 * Ownership: all objects have been returned, nobody uses the pool any more
 * Errors: none
 */
void uk_allocpool_free(struct uk_allocpool *p);

/**
 * Pool on memory of the caller, with as many objects as fit.
 * Context: any; does not sleep
 * Locks: none
 * Ownership: [base, base + len) belongs to the pool as long as it is used; there is nothing to free
 * Errors: NULL, errno = ENOSPC: not even its head fits
 */
struct uk_allocpool *uk_allocpool_init(void *base, __sz len, __sz obj_len, __sz obj_align);

/**
 * The pool as an allocator: malloc(n) is an object if n is at most the object size (0 included), else NULL and ENOMEM.
 * Alignment up to the pool's. palloc works if objects are page aligned and large enough.
 * Context: any; does not sleep
 * Locks: none
 * Ownership: the allocator is the pool, and goes with it
 * Errors: none
 */
struct uk_alloc *uk_allocpool2ukalloc(struct uk_allocpool *p);

/* Free objects now. */
unsigned int uk_allocpool_availcount(struct uk_allocpool *p);
/* Bytes of one object: what was asked for, rounded up to its alignment and to two pointers. */
__sz uk_allocpool_objlen(struct uk_allocpool *p);

/* One object, or NULL (errno is left alone). */
void *uk_allocpool_take(struct uk_allocpool *p);
/* Up to `count` objects into obj[]; how many. The lock is taken once. */
unsigned int uk_allocpool_take_batch(struct uk_allocpool *p, void *obj[], unsigned int count);
void uk_allocpool_return(struct uk_allocpool *p, void *obj);
/* The last of the array is the first to be taken again. */
void uk_allocpool_return_batch(struct uk_allocpool *p, void *obj[], unsigned int count);
