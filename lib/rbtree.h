/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intrusive red-black tree. Leaf code: the caller synchronizes, compares and finds the place; the tree balances.
 *
 *	struct rb_node **link = &tree->root, *parent = NULL;
 *	while (*link) { parent = *link; link = less(key, parent) ? &parent->left : &parent->right; }
 *	rb_insert(tree, node, parent, link);
 *
 * Insert, erase: O(log n). First is O(log n), next and prev amortized O(1).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rb_node {
	struct rb_node *parent;
	struct rb_node *left;
	struct rb_node *right;
	uint32_t red;
};

struct rb_tree {
	struct rb_node *root;
};

void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_tree *t, struct rb_node *n);
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
