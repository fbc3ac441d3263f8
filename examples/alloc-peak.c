// SPDX-License-Identifier: BSD-3-Clause
/*
 * A program of one's own to measure: ./tutti bench examples/alloc-peak.c --alloc buddy,mimalloc --cpus 1,2
 *
 * Threads build binary trees and take them down again. The arguments are the number of threads and the depth of the trees
 * (4 and 12); the trees are divided among the threads, so that two CPUs should take half the time of one. Out of memory
 * ends it with status 1.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
	struct node *left, *right;
};

static int depth = 12;
static long threads = 4, trees = 96;

static struct node *build(int levels)
{
	struct node *node = malloc(sizeof(*node));

	if (!node) {
		fprintf(stderr, "alloc-peak: out of memory\n");
		exit(1);
	}
	node->left = levels > 0 ? build(levels - 1) : NULL;
	node->right = levels > 0 ? build(levels - 1) : NULL;
	return node;
}

static long count_and_free(struct node *node)
{
	long count = 1;

	if (node->left)
		count += count_and_free(node->left) + count_and_free(node->right);
	free(node);
	return count;
}

static void *work(void *arg)
{
	long n, count = 0;

	for (n = (long)arg; n < trees; n += threads)
		count += count_and_free(build(depth));
	return (void *)count;
}

int main(int argc, char **argv)
{
	pthread_t ids[64];
	long i, count = 0;

	if (argc > 1)
		threads = atol(argv[1]);
	if (argc > 2)
		depth = atoi(argv[2]);
	if (threads < 1 || threads > 64 || depth < 1 || depth > 24) {
		fprintf(stderr, "usage: alloc-peak [THREADS [DEPTH]]\n");
		return 2;
	}
	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, (void *)i) != 0)
			return 1;
	for (i = 0; i < threads; i++) {
		void *nodes;

		pthread_join(ids[i], &nodes);
		count += (long)nodes;
	}
	printf("%ld nodes\n", count);
	return count == trees * ((2L << depth) - 1) ? 0 : 1;
}
