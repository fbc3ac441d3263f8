// SPDX-License-Identifier: BSD-3-Clause
/*
 * Two threads and two mistakes: a counter that both add to, and a list that both put items on, neither of them protected. Without a
 * checker it most often looks right. Try
 *
 *	./tutti run --plat host examples/race.c
 *	./tutti run --plat host --check race examples/race.c
 *
 * norace.c is the same program as it should be.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS 200000

struct item {
	struct item *next;
	int value;
};

static long counter;
static struct item *list;

static void push(int value)
{
	struct item *i = malloc(sizeof(*i));

	if (!i)
		abort();
	i->value = value;
	i->next = list;
	list = i;
}

static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < ITEMS; i++) {
		counter++;
		push(i);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[2];
	long length = 0;

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (struct item *i = list; i; i = i->next)
		length++;
	printf("%ld added, %ld items on the list; it should be %d of both\n", counter, length, 2 * ITEMS);
	return 0;
}
