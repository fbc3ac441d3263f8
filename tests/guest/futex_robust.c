// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4
/*
 * Robust lists by the raw calls: a thread that ends by exit(2) with locks in its list, in the pending slot, with waiters and
 * without; lists that lead nowhere, round in circles, or to words that are somebody else's.
 */
#include <stddef.h>

#include "check.h"
#include "futex.h"

struct entry {
	struct entry *next;
	_Atomic uint32_t word;
};

struct head {
	struct entry *first;
	long offset;
	struct entry *pending;
};

enum { LOCKS = 5 };

static struct entry locks[LOCKS];
static struct head list;
static _Atomic uint32_t ready, alive;
static long setup_offset = offsetof(struct entry, word);

static long set_list(const void *head, size_t size)
{
	return syscall(SYS_set_robust_list, head, size) ? -errno : 0;
}

static void calls(void)
{
	struct head *got = &list, own;
	size_t size = 0;

	CHECK_EQ(syscall(SYS_get_robust_list, 0, &got, &size), 0);
	CHECK_EQ(size, sizeof(struct head));
	CHECK_EQ(set_list(&own, sizeof(own) - 1), -EINVAL);
	CHECK_EQ(set_list(&own, sizeof(own)), 0);
	CHECK_EQ(syscall(SYS_get_robust_list, 0, &got, &size), 0);
	CHECK(got == &own);
	CHECK_EQ(syscall(SYS_get_robust_list, futex_tid(), &got, &size), 0);
	CHECK(got == &own);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0x3ffffe, &got, &size), ESRCH);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, (void *)8, &size), EFAULT);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, &got, (void *)8), EFAULT);
	CHECK_EQ(set_list(NULL, sizeof(own)), 0);
}

/* Says that it is ready, and ends when it may by exit(2), without libc. */
static void *die(void *arg)
{
	((void (*)(void))arg)();
	CHECK_EQ(set_list(&list, sizeof(list)), 0);
	CHECK_EQ(syscall(SYS_set_tid_address, &alive),
		 futex_tid()); /* libc's word is a lock: not to be cleared behind its back */
	atomic_store(&ready, 1);
	futex_wake(&ready, 1);
	while (atomic_load(&ready) != 2)
		futex_wait(&ready, 1);
	syscall(SYS_exit, 0);
	return NULL;
}

static void links(void)
{
	list.offset = setup_offset;
	list.pending = NULL;
	list.first = &locks[0];
	for (int i = 0; i < LOCKS; i++) {
		locks[i].next = i == LOCKS - 1 ? (struct entry *)&list : &locks[i + 1];
		atomic_store(&locks[i].word, futex_tid());
	}
}

/* The middle one is somebody else's, the last one is pending. */
static void mixed(void)
{
	links();
	atomic_store(&locks[2].word, 1);
	locks[3].next = (struct entry *)&list;
	list.pending = &locks[4];
}

static void circle(void)
{
	links();
	locks[LOCKS - 1].next = &locks[1];
}

static void leads_nowhere(void)
{
	links();
	locks[2].next = (struct entry *)4096;
}

/* Let go, not yet woken: the word is 0 and its waiter asleep. */
static void half_unlocked(void)
{
	links();
	list.first = (struct entry *)&list;
	list.pending = &locks[0];
	atomic_store(&locks[0].word, 0);
}

static void bad_head(void)
{
	links();
	list.first = (struct entry *)(16 | 1);
	list.pending = (struct entry *)8;
}

static void pi_entries(void)
{
	links();
	list.first = (struct entry *)((uintptr_t)&locks[0] | 1);
	locks[0].next = (struct entry *)((uintptr_t)&locks[1] | 1);
	locks[1].next = (struct entry *)&list;
}

static uint32_t dying_tid;

/* A detached thread of libc's, which will not notice that it is gone. */
static void begin(void (*prepare)(void))
{
	pthread_attr_t attr;
	pthread_t t;

	atomic_store(&ready, 0);
	atomic_store(&alive, 1);
	CHECK_OK(pthread_attr_init(&attr));
	CHECK_OK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	CHECK_OK(pthread_create(&t, &attr, die, (void *)prepare));
	while (atomic_load(&ready) != 1)
		futex_wait(&ready, 0);
	dying_tid = atomic_load(&locks[1].word) & FUTEX_TID_MASK;
}

static void end(void)
{
	atomic_store(&ready, 2);
	futex_wake(&ready, 1);
}

/* The word of set_tid_address() is cleared, and its waiter woken, when the locks have been seen to. */
static void gone(void)
{
	end();
	while (atomic_load(&alive))
		futex_wait(&alive, 1);
}

static void *waiter(void *arg)
{
	_Atomic uint32_t *word = arg;
	uint32_t now;

	while (!((now = atomic_load(word)) & FUTEX_OWNER_DIED)) {
		if (!(now & FUTEX_WAITERS) && !atomic_compare_exchange_strong(word, &now, now | FUTEX_WAITERS))
			continue;
		futex_wait(word, now | FUTEX_WAITERS);
	}
	CHECK_EQ(now, FUTEX_WAITERS | FUTEX_OWNER_DIED);
	return NULL;
}

static void *zero_waiter(void *arg)
{
	CHECK_EQ(futex_wait(arg, 0), 0);
	return NULL;
}

static void *pi_waiter(void *arg)
{
	_Atomic uint32_t *word = arg;

	CHECK_EQ(futex_lock_pi(word, NULL), 0);
	CHECK_EQ(atomic_load(word), futex_tid() | FUTEX_OWNER_DIED);
	CHECK_EQ(futex_unlock_pi(word), 0);
	return NULL;
}

int main(void)
{
	pthread_t t;
	int i;

	calls();

	begin(links);
	gone();
	for (i = 0; i < LOCKS; i++)
		CHECK_EQ(atomic_load(&locks[i].word), FUTEX_OWNER_DIED);

	begin(links); /* with a waiter: the bit stays, and he is woken */
	t = check_spawn(waiter, (void *)&locks[3].word);
	while (!(atomic_load(&locks[3].word) & FUTEX_WAITERS))
		sched_yield();
	end();
	check_join(t);
	gone();

	begin(mixed);
	gone();
	for (i = 0; i < LOCKS; i++)
		CHECK_EQ(atomic_load(&locks[i].word), i == 2 ? 1 : FUTEX_OWNER_DIED);

	begin(circle);
	gone();
	for (i = 0; i < LOCKS; i++)
		CHECK_EQ(atomic_load(&locks[i].word), FUTEX_OWNER_DIED);

	begin(leads_nowhere); /* as far as it is good */
	gone();
	for (i = 0; i < 3; i++)
		CHECK_EQ(atomic_load(&locks[i].word), FUTEX_OWNER_DIED);
	CHECK_EQ(atomic_load(&locks[3].word), dying_tid);

	setup_offset += 1; /* misaligned words */
	begin(links);
	gone();
	CHECK_EQ(atomic_load(&locks[0].word), dying_tid);
	setup_offset -= 1;

	begin(bad_head);
	gone();
	CHECK_EQ(atomic_load(&locks[0].word), dying_tid);

	begin(half_unlocked);
	t = check_spawn(zero_waiter, (void *)&locks[0].word);
	while (futex(&locks[0].word, FUTEX_CMP_REQUEUE, 0, (void *)1, &locks[0].word, 0) == 0)
		sched_yield(); /* until he sleeps: the move to where he is counts him */
	end();
	check_join(t);
	gone();

	begin(pi_entries);
	t = check_spawn(pi_waiter, (void *)&locks[0].word);
	while (!(atomic_load(&locks[0].word) & FUTEX_WAITERS))
		sched_yield();
	end();
	check_join(t);
	gone();
	CHECK_EQ(atomic_load(&locks[0].word), 0);
	CHECK_EQ(atomic_load(&locks[1].word), FUTEX_OWNER_DIED);
	return 0;
}
