// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=2,4 machine=microvm,q35
/*
 * When MADV_DONTNEED or munmap returns, no CPU sees the old page any more: a reader on each other CPU keeps the translation
 * of one page alive; main fills the page, has all read it, drops it, has the frame used for something else, and asks again.
 */
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { MAX = 64 };

static volatile unsigned char *target;
static struct {
	_Alignas(64) atomic_long question; /* odd: the byte is there; even: it must be 0 */
	atomic_long answers;
	atomic_int stop;
} talk;

static void *reader(void *arg)
{
	long seen = 0;

	check_pin((int)(intptr_t)arg);
	for (;;) {
		long question = atomic_load(&talk.question);

		if (atomic_load(&talk.stop))
			return NULL;
		if (question == seen) {
			(void)target[64]; /* keeps the translation */
			continue;
		}
		CHECK_EQ(target[64], question & 1 ? (unsigned char)(question | 1) : 0);
		seen = question;
		atomic_fetch_add(&talk.answers, 1);
	}
}

static void ask(long question, long readers)
{
	atomic_store(&talk.answers, 0);
	atomic_store(&talk.question, question);
	while (atomic_load(&talk.answers) < readers)
		check_pause();
}

int main(void)
{
	pthread_t threads[MAX];
	int cpus = check_cpus(), i;
	long round, rounds = check_spin_rounds(200);

	CHECK(cpus >= 2 && cpus <= MAX);
	target = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(target != MAP_FAILED);
	check_pin(0);
	for (i = 1; i < cpus; i++)
		threads[i] = check_spawn(reader, (void *)(intptr_t)i);
	for (round = 0; round < rounds; round++) {
		unsigned char *other;

		target[64] = (unsigned char)((2 * round + 1) | 1);
		ask(2 * round + 1, cpus - 1);
		CHECK_EQ(madvise((void *)target, 4096, MADV_DONTNEED), 0);
		other = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		CHECK(other != MAP_FAILED);
		memset(other, 0xee, 4 * 4096); /* likely the very frame */
		ask(2 * round + 2, cpus - 1);
		CHECK_EQ(munmap(other, 4 * 4096), 0);
	}
	atomic_store(&talk.stop, 1);
	for (i = 1; i < cpus; i++)
		check_join(threads[i]);
	return 0;
}
