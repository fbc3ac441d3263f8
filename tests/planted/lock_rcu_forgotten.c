// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='^thread ends in an RCU read section(.*\n)+.*the read section began:(.*\n)+.* look_up\+'
/*
 * Planted here: a way out of a function forgets the end of its RCU read section, and the thread ends. Preemption would stay off on this CPU, and
 * no grace period would end.
 */
#include <tutti/rcu.h>

#include "../guest/check.h"

static int *value;

static __attribute__((noinline)) long look_up(void)
{
	int *p;

	tutti_rcu_read_lock();
	p = tutti_rcu_dereference(value);
	if (!p) {
#ifdef FIXED
		tutti_rcu_read_unlock();
#endif
		return -1;
	}
	tutti_rcu_read_unlock();
	return 0;
}

static void *work(void *arg)
{
	CHECK_EQ(look_up(), -1);
	return arg;
}

int main(void)
{
	check_join(check_spawn(work, NULL));
	return 0;
}
