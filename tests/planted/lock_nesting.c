// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='lock nesting: two locks of one class: taking account with account held(.*\n)+.* transfer\+(.*\n)+.* was taken:(.*\n)+.* transfer\+'
/*
 * Planted here: a transfer between two accounts takes the locks of both in the order of its arguments. Two of them in opposite
 * directions deadlock; this run makes only one. With the locks taken in the order of their addresses, and a class that says so,
 * it is right.
 */
#include <uk/spinlock.h>

#include "../guest/check.h"

struct account {
	struct uk_spinlock lock;
	long sum;
};

#ifdef FIXED
LOCK_CLASS(account_class, "account", 0, LOCK_BY_ADDRESS, "the sum");
#else
LOCK_CLASS(account_class, "account", 0, 0, "the sum");
#endif

static __attribute__((noinline)) void transfer(struct account *from, struct account *to, long n)
{
	struct account *one = from, *two = to;

#ifdef FIXED
	if (one > two) {
		one = to;
		two = from;
	}
#endif
	uk_spin_lock(&one->lock);
	uk_spin_lock(&two->lock);
	from->sum -= n;
	to->sum += n;
	uk_spin_unlock(&two->lock);
	uk_spin_unlock(&one->lock);
}

int main(void)
{
	struct account a = { .sum = 10 }, b = { .sum = 20 };

	spin_init_class(&a.lock, &account_class);
	spin_init_class(&b.lock, &account_class);
	transfer(&a, &b, 3);
	transfer(&b, &a, 1);
	CHECK_EQ(a.sum, 8);
	return 0;
}
