// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 strategy=even cpus=1,2,4 sched=preempt,coop timeout=120
/*
 * Fairness of uk_mutex: of six threads that want it all the time, each gets between half and twice its share of 100,000 acquisitions
 * (a tenth of it in a replayed run). Now and then the owner gives up its CPU, so that on one CPU the others come to wait, too.
 *
 * Natively a virtual CPU may have no core for a while, and who runs on it does not come back to wait. So it is judged up to two CPUs, and
 * GOOD rounds out of ROUNDS have to be as promised; a mutex that never hands over has none. In a replayed run CPUs are
 * equally fast: there the first round has to be.
 */
#include "../torture/torture.h"

#include <uk/mutex.h>

enum { THREADS = 6 };
#ifdef CHECK_REPLAY
enum { TOTAL = 10000, ROUNDS = 1, GOOD = 1 };
#else
enum { TOTAL = 100000, ROUNDS = 6, GOOD = 2 };
#endif

static struct uk_mutex lock = UK_MUTEX_INITIALIZER(lock);
static long ready, total, got[THREADS], aim; /* [lock] */

static void *taker(void *arg)
{
	uint64_t rnd = torture_stream((unsigned)(uintptr_t)arg);
	bool over, counted = false;

	do {
		uk_mutex_lock(&lock);
		if (!counted) {
			ready++;
			counted = true;
		}
		/* from when all are here to the end of the count */
		if (ready == THREADS && total < aim) {
			total++;
			got[(uintptr_t)arg]++;
		}
		over = total == aim;
		if (torture_below(&rnd, 32) == 0)
			sched_yield();
		uk_mutex_unlock(&lock);
	} while (!over);
	return NULL;
}

static bool fair(void)
{
	pthread_t t[THREADS];
	long least, most = 0;

	/* with more CPUs than cores each hand-over waits for the host */
	least = aim = check_cpus() > 2 && ROUNDS > 1 ? TOTAL / 50 : TOTAL;
	ready = total = 0;
	memset(got, 0, sizeof(got));
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = check_spawn(taker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		check_join(t[i]);
	for (int i = 0; i < THREADS; i++) {
		least = got[i] < least ? got[i] : least;
		most = got[i] > most ? got[i] : most;
	}
	printf("of %ld acquisitions by %d threads %ld to %ld each\n", aim, THREADS, least, most);
	return least >= aim / THREADS / 2 && most <= aim / THREADS * 2;
}

int main(int argc, char **argv)
{
	int good = 0, rounds = 0;

	torture_begin(argc, argv, 0);
	for (; good < GOOD && rounds < ROUNDS; rounds++)
		good += fair();
	if (good < GOOD && (ROUNDS == 1 || check_cpus() <= 2))
		torture_fail("fair in %d of %d rounds", good, rounds);
	return 0;
}
