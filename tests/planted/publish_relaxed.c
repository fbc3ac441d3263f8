// SPDX-License-Identifier: BSD-3-Clause
// test: check=race cpus=2 expect-report='data race(.*\n)+.*nothing makes visible(.*\n)+.*publish' timeout=120
/*
 * Planted here: publishing without release. A producer fills in a message and sets its number by a relaxed store; on x86-64
 * it works, unless the compiler moves the stores. The race detector reports a plain write that is still late when the number is
 * out already.
 */
#include "../guest/check.h"

#include <stdatomic.h>

#ifdef FIXED
#define PUBLISH	 memory_order_release
#define MESSAGES 200000
#else
#define PUBLISH	 memory_order_relaxed
#define MESSAGES 4000000 /* it is found within the first tenth, but for rare runs */
#endif

enum { SLOTS = 1024 };

static struct slot {
	_Atomic uint32_t number; /* of the message in it; the reader sets it back to 0 */
	uint32_t text[3];
} slots[SLOTS];

static __attribute__((noinline)) void publish(struct slot *s, uint32_t number)
{
	for (unsigned i = 0; i < 3; i++)
		s->text[i] = number + i;
	atomic_store_explicit(&s->number, number, PUBLISH);
}

static void *producer(void *arg)
{
	for (uint32_t n = 1; n <= MESSAGES; n++) {
		struct slot *s = &slots[n % SLOTS];

		while (atomic_load_explicit(&s->number, memory_order_acquire))
			sched_yield();
		publish(s, n);
	}
	return arg;
}

int main(void)
{
	pthread_t thread = check_spawn(producer, NULL);

	for (uint32_t n = 1; n <= MESSAGES; n++) {
		struct slot *s = &slots[n % SLOTS];

		while (atomic_load_explicit(&s->number, memory_order_acquire) != n)
			check_pause();
		for (unsigned i = 0; i < 3; i++)
			CHECK_EQ(s->text[i], n + i);
		atomic_store_explicit(&s->number, 0, memory_order_release);
	}
	check_join(thread);
	return 0;
}
