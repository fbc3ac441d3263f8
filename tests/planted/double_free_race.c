// SPDX-License-Identifier: BSD-3-Clause
// test: plat=host cpus=2 alloc=mallocng replay=20 seed=10 expect-report='^(invalid instruction|page fault)(.*\n)+.*mallocng' timeout=120
/*
 * Planted here: a double free across CPUs that depends on the schedule. A reference is dropped in two steps, so both of the last
 * owners may find that nobody is left and free the object. musl's allocator notices and stops the program.
 */
#include "../guest/check.h"

#include <stdatomic.h>

enum { ROUNDS = 2000 };

struct object {
	atomic_int references;
	char data[60];
};

static pthread_barrier_t both;
static struct object *shared;

static void drop(struct object *o)
{
#ifdef FIXED
	if (atomic_fetch_sub(&o->references, 1) == 1)
		free(o);
#else
	atomic_fetch_sub(&o->references, 1);
	if (!atomic_load(&o->references))
		free(o);
#endif
}

static void *owner(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!arg) {
			shared = malloc(sizeof(*shared));
			CHECK(shared);
			atomic_init(&shared->references, 2);
		}
		pthread_barrier_wait(&both);
		drop(shared);
		pthread_barrier_wait(&both);
	}
	return arg;
}

int main(void)
{
	pthread_t other;

	CHECK_OK(pthread_barrier_init(&both, NULL, 2));
	other = check_spawn(owner, (void *)1);
	owner(NULL);
	check_join(other);
	return 0;
}
