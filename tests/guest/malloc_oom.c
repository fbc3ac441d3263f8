// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 mem=32M alloc=region,buddy,mallocng,mimalloc
/*
 * Out of memory: malloc gives NULL and ENOMEM, in the end, for objects of any size, all of them written to; the machine
 * goes on, what was allocated is whole, and (but for region, which never frees) all of it can be had again.
 */
#include "check.h"

struct object {
	struct object *next;
	size_t size;
};

/* Allocates until nothing is left; returns the number of objects, chained in *all. */
static long exhaust(size_t size, struct object **all)
{
	struct object *o, **last = all;
	long count = 0;

	*all = NULL;
	for (;;) {
		errno = 0;
		o = malloc(size);
		if (!o)
			break;
		memset(o, (int)(count & 0xff), size);
		o->next = NULL; /* oldest first, as they will be freed */
		o->size = size;
		*last = o;
		last = &o->next;
		count++;
		CHECK(count < 100 << 20);
	}
	CHECK_EQ(errno, ENOMEM);
	return count;
}

static long release(struct object *o, bool really)
{
	long count = 0;

	while (o) {
		struct object *next = o->next;
		size_t i;

		for (i = sizeof(*o) + 1; i < o->size; i += 61)
			CHECK_EQ(((unsigned char *)o)[i], ((unsigned char *)o)[sizeof(*o)]);
		if (really)
			free(o);
		count++;
		o = next;
	}
	return count;
}

int main(void)
{
	static const size_t sizes[] = { 4096 * 16, 1 << 20, 64, 1024, 4096, 1 << 20 };
	struct object *all, *again;
	size_t i;
	char text[64];

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		long count = exhaust(sizes[i], &all), second;
		bool frees;

		if (i == 0)
			CHECK(count >= 50);		       /* 32 MiB hold more than 3 MiB of heap */
		snprintf(text, sizeof(text), "%zu", sizes[i]); /* libc works on in this state */
		CHECK_EQ(strtoul(text, NULL, 10), sizes[i]);
		CHECK_EQ(release(all, true), count);
		if (count == 0)
			break; /* region: used up for good by the first round */
		second = exhaust(sizes[i], &again);
		frees = second > 0;
		CHECK_EQ(release(again, true), second);
		if (!frees)
			break;
		CHECK(second >= count - count / 4);
	}
	CHECK(i > 0 || !malloc(1 << 20));
	return 0;
}
