// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 exit=0
/* main may leave by pthread_exit(): the machine runs on until its last thread ends, and exits 0 (POSIX). */
#include "check.h"

static pthread_t main_thread;

static void done(void)
{
	static const char line[] = "last thread ended\n";

	CHECK_EQ(write(1, line, sizeof(line) - 1), (ssize_t)sizeof(line) - 1);
}

static void *outlive(void *arg)
{
	check_join(main_thread);
	return arg;
}

int main(void)
{
	main_thread = pthread_self();
	atexit(done);
	check_spawn(outlive, NULL);
	pthread_exit(NULL);
}
