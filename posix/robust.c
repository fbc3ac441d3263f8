// SPDX-License-Identifier: BSD-3-Clause
/*
 * Robust lists, set_robust_list(2) and get_robust_list(2): a thread names the head of a list, in its own memory, of the locks
 * it holds; when it ends without giving them back, each word that still has its id gets FUTEX_OWNER_DIED (and keeps
 * FUTEX_WAITERS), and one waiter is woken, who finds out. PI locks of the list are handed to their first waiter by
 * futex_pi.c, right after this. libc treats locks that are not shared between processes itself in pthread_exit().
 *
 * Everything read here was written by the program and may be wrong: addresses fault harmlessly, a list that does not come back
 * to its head ends after ROBUST_LIMIT entries, a word is changed by compare-and-exchange and only if it names the thread.
 * The next entry is read before a word is marked, for whoever is woken may free the lock that the entry is part of.
 *
 * The lock that an operation was under way on (op_pending) is looked at last and not twice. If it has no owner, the thread had
 * let go and ended before it could wake somebody: that is done for it.
 *
 * Concurrency: the list is the thread's own, no lock is held. The compare-and-exchange is sequentially consistent and comes
 * before the wake-up, as in any unlock. The head's address is atomic for get_robust_list() by others. Thread context; no memory.
 */
#include <arch/uaccess.h>

#include "posix/futex.h"
#include "posix/posix.h"
#include "sync/percpu.h"

/* Mark the lock of `entry` if the thread owns it. False: its word cannot be used, and so the list is not to be trusted. */
static bool owner_died(uintptr_t entry, int64_t offset, bool pi, bool pending)
{
	const uint32_t me = (uint32_t)current_thread()->tid;
	uintptr_t addr = entry + (uintptr_t)offset;
	uint32_t now, was;

	if (addr % 4 || arch_user_load32((uint32_t *)addr, &now))
		return false;
	for (;;) {
		if (pending && !pi && !(now & FUTEX_TID_MASK)) {
			posix_futex_wake(addr, 1, FUTEX_BITSET_ANY);
			return true;
		}
		if ((now & FUTEX_TID_MASK) != me)
			return true;
		if (arch_user_cmpxchg32((uint32_t *)addr, now, (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &was))
			return false;
		if (was == now)
			break;
		now = was;
	}
	if (!pi && (now & FUTEX_WAITERS))
		posix_futex_wake(addr, 1, FUTEX_BITSET_ANY);
	return true;
}

void posix_robust_thread_ends(void)
{
	struct posix_thread *pt = current_thread()->posix;
	uintptr_t head = pt->robust, entry, next, pending;
	struct abi_robust_list_head h;

	if (likely(!head))
		return;
	__atomic_store_n(&pt->robust, 0, __ATOMIC_RELAXED);
	if (posix_copy_in(&h, (void *)head, sizeof(h)))
		return;
	pending = h.op_pending & ~1ul;
	entry = h.first;
	for (unsigned n = 0; n < ROBUST_LIMIT && (entry & ~1ul) != head; n++) {
		bool last = posix_copy_in(&next, (void *)(entry & ~1ul), sizeof(next));

		if ((entry & ~1ul) != pending && !owner_died(entry & ~1ul, h.futex_offset, entry & 1, false))
			return;
		if (last)
			return;
		entry = next;
	}
	if (pending)
		owner_died(pending, h.futex_offset, h.op_pending & 1, true);
}

long sys_set_robust_list(const long *a)
{
	struct posix_thread *pt = current_thread()->posix;

	if (ARG_SIZE(a, 1) != sizeof(struct abi_robust_list_head))
		return -EINVAL;
	__atomic_store_n(&pt->robust, (uintptr_t)a[0], __ATOMIC_RELAXED);
	return 0;
}

long sys_get_robust_list(const long *a)
{
	struct uk_thread *t = ARG_INT(a, 0) ? thread_find(ARG_INT(a, 0)) : thread_get(current_thread());
	size_t size = sizeof(struct abi_robust_list_head);
	uintptr_t head;

	if (!t)
		return -ESRCH;
	head = t->posix ? __atomic_load_n(&((struct posix_thread *)t->posix)->robust, __ATOMIC_RELAXED) : 0;
	thread_put(t);
	if (posix_copy_out(ARG_PTR(a, 2), &size, sizeof(size)) || posix_copy_out(ARG_PTR(a, 1), &head, sizeof(head)))
		return -EFAULT;
	return 0;
}
