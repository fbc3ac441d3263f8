// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug cpus=1 exit=134 expect-stderr=uk_spin_assert_slow expect-stdout=held
/* uk_spin_assert_held() in a debug build: silent for who holds the lock, a crash report that names it for who does not. */
#include "check.h"

#include <uk/spinlock.h>

static uk_spinlock lock = UK_SPINLOCK_INITIALIZER();

int main(void)
{
	uk_spin_lock(&lock);
	uk_spin_assert_held(&lock);
	uk_spin_unlock(&lock);
	puts("held");
	fflush(stdout);
	uk_spin_assert_held(&lock);
	puts("not held, and not noticed");
	return 0;
}
