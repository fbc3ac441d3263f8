// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug plat=host cpus=1,2 timeout=60
//       expect-report='sleeping in an RCU read section(.*\n)+.* reader\+(.*\n)+.*the read section began:(.*\n)+.* reader\+'
/*
 * Planted here: an RCU read section sleeps. Whoever waits for readers waits for the sleep, and what the section found may be
 * freed under it where readers are not counted.
 */
#include <unistd.h>
#include <tutti/rcu.h>

#include "../guest/check.h"

static __attribute__((noinline)) void reader(void)
{
	tutti_rcu_read_lock();
#ifndef FIXED
	usleep(1000);
#endif
	tutti_rcu_read_unlock();
	usleep(1000);
}

int main(void)
{
	reader();
	return 0;
}
