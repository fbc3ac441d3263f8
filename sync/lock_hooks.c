// SPDX-License-Identifier: BSD-3-Clause
/*
 * Entries of the lock hooks in a build that has them (sync/lock_hooks.h). The validator and the statistics answer them.
 */
#include "sync/lock_hooks.h"

#ifdef __TUTTI_LOCK_HOOKS__
void lock_hook_acquire(struct lock_map *m, const void *lock, unsigned mode)
{
	(void)m, (void)lock, (void)mode;
}
void lock_hook_contended(struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
}
void lock_hook_acquired(struct lock_map *m, const void *lock, unsigned mode)
{
	(void)m, (void)lock, (void)mode;
}
void lock_hook_release(struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
}
bool lock_hook_is_held(const struct lock_map *m, const void *lock)
{
	(void)m, (void)lock;
	return true;
}
void lock_hook_may_sleep(void)
{
}
#endif
