// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4
/* stdatomic.h between CPUs: no increment is lost, in any width; exchanges hand each value out once; a message's
 * contents are there when its flag is (release and acquire); two stores are never both missed (sequential consistency).
 */
#include "check.h"

#include <stdatomic.h>

enum { THREADS = 4 };

static atomic_uchar byte;
static atomic_ushort half;
static atomic_uint word;
static atomic_ulong all;
static _Atomic double real;
static atomic_long drawn, sum;
static long rounds;
static struct {
	_Alignas(64) long plain;
	_Alignas(64) atomic_long flag;
	_Alignas(64) atomic_long x;
	_Alignas(64) atomic_long y;
	_Alignas(64) atomic_long round;
	_Alignas(64) atomic_long done;
	long saw_x, saw_y;
} duel;

static void *count(void *arg)
{
	double seen;
	long n;

	for (n = 0; n < rounds; n++) {
		atomic_fetch_add(&byte, 1);
		atomic_fetch_add_explicit(&half, 3, memory_order_relaxed);
		atomic_fetch_sub(&word, 1);
		atomic_fetch_xor(&all, 1ul << (n & 63));
		atomic_fetch_add(&sum, atomic_fetch_add(&drawn, 1));
		seen = atomic_load(&real);
		while (!atomic_compare_exchange_weak(&real, &seen, seen + 1.0))
			;
	}
	return arg;
}

static void *receive(void *arg)
{
	long n;

	for (n = 1; n <= rounds; n++) {
		while (atomic_load_explicit(&duel.flag, memory_order_acquire) != 2 * n - 1)
			sched_yield();
		CHECK_EQ(duel.plain, n * 3);
		atomic_store_explicit(&duel.flag, 2 * n, memory_order_release);
	}
	for (n = 1; n <= rounds; n++) {
		while (atomic_load(&duel.round) != n)
			sched_yield();
		atomic_store(&duel.y, n);
		duel.saw_x = atomic_load(&duel.x);
		atomic_store(&duel.done, n);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	long n, total;
	int i;

	rounds = check_rounds(10000);
	for (i = 0; i < THREADS; i++)
		threads[i] = check_spawn(count, NULL);
	for (i = 0; i < THREADS; i++)
		check_join(threads[i]);
	total = THREADS * rounds;
	CHECK_EQ(atomic_load(&byte), (unsigned char)total);
	CHECK_EQ(atomic_load(&half), (unsigned short)(3 * total));
	CHECK_EQ(atomic_load(&word), (unsigned int)-total);
	CHECK_EQ(atomic_load(&all), 0);
	CHECK_EQ(atomic_load(&drawn), total);
	CHECK_EQ(atomic_load(&sum), total * (total - 1) / 2);
	CHECK(atomic_load(&real) == (double)total);

	rounds /= 4;
	threads[0] = check_spawn(receive, NULL);
	for (n = 1; n <= rounds; n++) {
		duel.plain = n * 3;
		atomic_store_explicit(&duel.flag, 2 * n - 1, memory_order_release);
		while (atomic_load_explicit(&duel.flag, memory_order_acquire) != 2 * n)
			sched_yield();
	}
	for (n = 1; n <= rounds; n++) {
		atomic_store(&duel.round, n);
		atomic_store(&duel.x, n);
		duel.saw_y = atomic_load(&duel.y);
		while (atomic_load(&duel.done) != n)
			sched_yield();
		CHECK(duel.saw_x == n || duel.saw_y == n);
	}
	check_join(threads[0]);
	return 0;
}
