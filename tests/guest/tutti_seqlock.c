// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 sched=preempt,coop
/*
 * tutti/seqlock.h. A reader that the retry lets go has seen one write, and a writer's words all or not at all: single words and both
 * kinds of copy (by words and by bytes). Writers exclude each other. A number during a write is odd, a read across a write retries.
 * tests/host/sync_seqlock.c is this under the sanitizers.
 */
#include "check.h"

#include <tutti/seqlock.h>

#define WRITERS 2
#define READERS 2
#ifdef CHECK_REPLAY
#define WRITES 40
#else
#define WRITES 20000
#endif
#define BYTES 37

static struct tutti_seqlock lock = TUTTI_SEQLOCK_INITIALIZER();
static struct tutti_seqcount number = TUTTI_SEQCOUNT_INITIALIZER();
static struct {
	uint64_t value, twice;
	uint32_t low;
	uint64_t words[5];
	char bytes[BYTES + 1]; /* used from its second byte on: not aligned */
} shared;
static int left;

static void write_all(uint64_t v)
{
	uint64_t words[5];
	char bytes[BYTES];

	for (unsigned i = 0; i < 5; i++)
		words[i] = v * i;
	memset(bytes, (int)(v & 0x7f), sizeof(bytes));
	tutti_seq_store(&shared.value, v);
	tutti_seq_copy_in(shared.words, words, sizeof(words));
	tutti_seq_copy_in(shared.bytes + 1, bytes, sizeof(bytes));
	tutti_seq_store(&shared.low, (uint32_t)v);
	tutti_seq_store(&shared.twice, 2 * v);
}

/* One consistent view; the number of times it had to look. */
static unsigned read_all(uint64_t *value)
{
	uint64_t v, twice, words[5];
	unsigned looks = 0;
	char bytes[BYTES];
	uint32_t seq, low;

	do {
		seq = tutti_seqlock_read_begin(&lock);
		twice = tutti_seq_load(&shared.twice);
		low = tutti_seq_load(&shared.low);
		tutti_seq_copy_out(bytes, shared.bytes + 1, sizeof(bytes));
		tutti_seq_copy_out(words, shared.words, sizeof(words));
		v = tutti_seq_load(&shared.value);
		looks++;
	} while (tutti_seqlock_read_retry(&lock, seq));
	CHECK(!(seq & 1));
	CHECK_EQ(twice, 2 * v);
	CHECK_EQ(low, (uint32_t)v);
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(words[i], v * i);
	for (unsigned i = 0; i < BYTES; i++)
		CHECK_EQ(bytes[i], v & 0x7f);
	*value = v;
	return looks;
}

static void *reader(void *arg)
{
	uint64_t last = 0, v;
	unsigned long looks = 0;

	(void)arg;
	while (__atomic_load_n(&left, __ATOMIC_ACQUIRE)) {
		looks += read_all(&v);
		CHECK(v >= last);
		last = v;
		sched_yield();
	}
	read_all(&v);
	CHECK_EQ(v, WRITERS * WRITES);
	return (void *)looks;
}

static void *writer(void *arg)
{
	unsigned long flags;

	for (long i = (long)arg; i < WRITES + (long)arg; i++) {
		switch (i % 3) {
		case 0:
			tutti_seqlock_write_lock(&lock);
			write_all(shared.value + 1);
			tutti_seqlock_write_unlock(&lock);
			break;
		case 1:
			tutti_seqlock_write_lock_irqsave(&lock, flags);
			write_all(shared.value + 1);
			tutti_seqlock_write_unlock_irqrestore(&lock, flags);
			break;
		default:
			while (!tutti_seqlock_write_trylock(&lock))
				sched_yield();
			write_all(shared.value + 1);
			tutti_seqlock_write_unlock(&lock);
		}
		if (i % 64 == 0)
			sched_yield();
	}
	__atomic_fetch_sub(&left, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void alone(void)
{
	uint32_t seq = tutti_seqcount_read_begin(&number), during;
	struct tutti_seqlock other;
	bool retry, got;

	CHECK(!tutti_seqcount_read_retry(&number, seq));
	tutti_seqcount_write_begin(&number);
	during = number.seq;
	retry = tutti_seqcount_read_retry(&number, seq);
	tutti_seqcount_write_end(&number);
	CHECK((during & 1) && retry && tutti_seqcount_read_retry(&number, seq));
	seq = tutti_seqcount_read_begin(&number);
	CHECK(!(seq & 1) && !tutti_seqcount_read_retry(&number, seq));
	/* the number goes round */
	number.seq = UINT32_MAX - 1;
	seq = tutti_seqcount_read_begin(&number);
	tutti_seqcount_write_begin(&number);
	tutti_seqcount_write_end(&number);
	CHECK(tutti_seqcount_read_retry(&number, seq) && tutti_seqcount_read_begin(&number) == 0);

	memset(&other, 0xff, sizeof(other));
	tutti_seqlock_init(&other);
	seq = tutti_seqlock_read_begin(&other);
	tutti_seqlock_write_lock(&other);
	got = tutti_seqlock_write_trylock(&other);
	tutti_seqlock_write_unlock(&other);
	CHECK(!got && tutti_seqlock_read_retry(&other, seq) && !uk_spin_is_locked(&other.lock));
}

int main(void)
{
	pthread_t w[WRITERS], r[READERS];

	alone();
	left = WRITERS;
	for (long i = 0; i < READERS; i++)
		r[i] = check_spawn(reader, NULL);
	for (long i = 0; i < WRITERS; i++)
		w[i] = check_spawn(writer, (void *)i);
	for (int i = 0; i < WRITERS; i++)
		check_join(w[i]);
	for (int i = 0; i < READERS; i++)
		check_join(r[i]);
	return 0;
}
