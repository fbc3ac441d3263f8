/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=lib/rbtree.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * The tree stays sorted, linked both ways, and red-black (no red below red, equal black heights) after every one of many random
 * insertions and erasures, from empty to full and back; first, last, next and prev visit exactly what is in it.
 */
#include "lib/rbtree.h"

#include <stdbool.h>

#include "expect.h"
#include "lib/util.h"

#define N     500
#define STEPS 20000

struct item {
	struct rb_node node;
	unsigned key;
	bool in;
};

static struct item items[N];
static struct rb_tree tree;

static unsigned key_of(const struct rb_node *n)
{
	return container_of(n, struct item, node)->key;
}

/* Black height of a correct subtree. */
static int check(const struct rb_node *n, const struct rb_node *parent)
{
	int l, r;

	if (!n)
		return 1;
	EXPECT(n->parent == parent);
	EXPECT(!(n->red && parent && parent->red));
	EXPECT(!n->left || key_of(n->left) <= key_of(n));
	EXPECT(!n->right || key_of(n->right) >= key_of(n));
	l = check(n->left, n);
	r = check(n->right, n);
	EXPECT_EQ(l, r);
	return l + !n->red;
}

static void check_all(unsigned count)
{
	unsigned seen = 0, last = 0;

	EXPECT(!tree.root || !tree.root->red);
	check(tree.root, NULL);
	for (struct rb_node *n = rb_first(&tree); n; n = rb_next(n), seen++) {
		EXPECT(key_of(n) >= last);
		EXPECT(container_of(n, struct item, node)->in);
		last = key_of(n);
	}
	EXPECT_EQ(seen, count);
	for (struct rb_node *n = rb_last(&tree); n; n = rb_prev(n))
		seen--;
	EXPECT_EQ(seen, 0);
}

static void insert(struct item *it)
{
	struct rb_node **link = &tree.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = it->key < key_of(parent) ? &parent->left : &parent->right;
	}
	rb_insert(&tree, &it->node, parent, link);
	it->in = true;
}

int main(void)
{
	uint64_t seed = 88172645463325252ull;
	unsigned count = 0;

	check_all(0);
	for (unsigned i = 0; i < STEPS; i++) {
		struct item *it = &items[next_random(&seed) % N];
		/* fill in the first half, empty in the second */
		bool want_in = next_random(&seed) % 4 < (i < STEPS / 2 ? 3 : 1);

		if (want_in && !it->in) {
			it->key = (unsigned)(next_random(&seed) % 300);
			insert(it);
			count++;
		} else if (!want_in && it->in) {
			rb_erase(&tree, &it->node);
			it->in = false;
			count--;
		}
		if (i % 16 == 0)
			check_all(count);
	}
	for (unsigned i = 0; i < N; i++) {
		if (!items[i].in)
			continue;
		rb_erase(&tree, &items[i].node);
		items[i].in = false;
		check_all(--count);
	}
	EXPECT(!tree.root);
	return 0;
}
