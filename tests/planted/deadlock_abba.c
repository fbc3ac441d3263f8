// SPDX-License-Identifier: BSD-3-Clause
// test: plat=host cpus=2 replay=20 seed=3 expect-report='deadlock(.*\n)+.*transfer(.*\n)+.*transfer' timeout=120
/*
 * Planted here: AB-BA. Two accounts, each with a lock; a transfer locks the one it takes from, then the one it gives to. Two transfers
 * in opposite directions each hold what the other one waits for.
 */
#include "../guest/check.h"

enum { ROUNDS = 5000, MONEY = 1000 };

static struct account {
	pthread_mutex_t lock;
	long money;
} a = { PTHREAD_MUTEX_INITIALIZER, MONEY }, b = { PTHREAD_MUTEX_INITIALIZER, MONEY };

static void transfer(struct account *from, struct account *to)
{
	struct account *first = from, *second = to;

#ifdef FIXED
	/* One order for all: by address. */
	if (from > to) {
		first = to;
		second = from;
	}
#endif
	CHECK_OK(pthread_mutex_lock(&first->lock));
	CHECK_OK(pthread_mutex_lock(&second->lock));
	from->money--;
	to->money++;
	CHECK_OK(pthread_mutex_unlock(&second->lock));
	CHECK_OK(pthread_mutex_unlock(&first->lock));
}

static void *give_back(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		transfer(&b, &a);
	return arg;
}

int main(void)
{
	pthread_t other = check_spawn(give_back, NULL);

	for (int i = 0; i < ROUNDS; i++)
		transfer(&a, &b);
	check_join(other);
	CHECK_EQ(a.money, MONEY);
	CHECK_EQ(b.money, MONEY);
	return 0;
}
