// SPDX-License-Identifier: BSD-3-Clause
/*
 * Red-black tree with parent pointers (Guibas and Sedgewick, 1978; the case analysis follows Cormen et al., ch. 13).
 *
 * Invariants between calls: the root is black; a red node has no red child; every path from a node down to a missing
 * child passes the same number of black nodes. A missing child counts as black and is a NULL pointer, so erase carries
 * the parent of the place that lacks one black along with the place itself.
 *
 * Leaf code: no locks, no allocation; the caller synchronizes all calls on one tree. Any context.
 */
#include "lib/rbtree.h"

#include <stdbool.h>

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

/* Put `new` (may be NULL) where `old` hangs. */
static void replace_child(struct rb_tree *t, struct rb_node *parent, const struct rb_node *old, struct rb_node *new)
{
	if (!parent)
		t->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
}

static void rotate_left(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->right;

	x->right = y->left;
	if (y->left)
		y->left->parent = x;
	y->parent = x->parent;
	replace_child(t, x->parent, x, y);
	y->left = x;
	x->parent = y;
}

static void rotate_right(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->left;

	x->left = y->right;
	if (y->right)
		y->right->parent = x;
	y->parent = x->parent;
	replace_child(t, x->parent, x, y);
	y->right = x;
	x->parent = y;
}

void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	struct rb_node *gp, *uncle;

	n->parent = parent;
	n->left = n->right = NULL;
	n->red = 1;
	*link = n;

	while (is_red(parent = n->parent)) {
		gp = parent->parent; /* a red node is not the root */
		uncle = gp->left == parent ? gp->right : gp->left;
		if (is_red(uncle)) {
			parent->red = uncle->red = 0;
			gp->red = 1;
			n = gp;
			continue;
		}
		if (gp->left == parent) {
			if (parent->right == n) {
				rotate_left(t, parent);
				parent = n;
			}
			parent->red = 0;
			gp->red = 1;
			rotate_right(t, gp);
		} else {
			if (parent->left == n) {
				rotate_right(t, parent);
				parent = n;
			}
			parent->red = 0;
			gp->red = 1;
			rotate_left(t, gp);
		}
		break;
	}
	t->root->red = 0;
}

/* The subtree at `x` (may be NULL) below `parent` has one black too few. */
static void erase_fixup(struct rb_tree *t, struct rb_node *x, struct rb_node *parent)
{
	struct rb_node *s;

	while (x != t->root && !is_red(x)) {
		if (parent->left == x) {
			s = parent->right;
			if (s->red) {
				s->red = 0;
				parent->red = 1;
				rotate_left(t, parent);
				s = parent->right;
			}
			if (!is_red(s->left) && !is_red(s->right)) {
				s->red = 1;
				x = parent;
				parent = x->parent;
				continue;
			}
			if (!is_red(s->right)) {
				s->left->red = 0;
				s->red = 1;
				rotate_right(t, s);
				s = parent->right;
			}
			s->red = parent->red;
			parent->red = 0;
			s->right->red = 0;
			rotate_left(t, parent);
		} else {
			s = parent->left;
			if (s->red) {
				s->red = 0;
				parent->red = 1;
				rotate_right(t, parent);
				s = parent->left;
			}
			if (!is_red(s->left) && !is_red(s->right)) {
				s->red = 1;
				x = parent;
				parent = x->parent;
				continue;
			}
			if (!is_red(s->left)) {
				s->right->red = 0;
				s->red = 1;
				rotate_left(t, s);
				s = parent->left;
			}
			s->red = parent->red;
			parent->red = 0;
			s->left->red = 0;
			rotate_right(t, parent);
		}
		return;
	}
	if (x)
		x->red = 0;
}

void rb_erase(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *child, *parent;
	uint32_t removed_red;

	if (n->left && n->right) {
		/* the successor moves into n's place and colour */
		struct rb_node *s = n->right;

		while (s->left)
			s = s->left;
		child = s->right;
		removed_red = s->red;
		if (s->parent == n) {
			parent = s;
		} else {
			parent = s->parent;
			parent->left = child;
			if (child)
				child->parent = parent;
			s->right = n->right;
			s->right->parent = s;
		}
		s->left = n->left;
		s->left->parent = s;
		s->parent = n->parent;
		s->red = n->red;
		replace_child(t, n->parent, n, s);
	} else {
		child = n->left ? n->left : n->right;
		parent = n->parent;
		removed_red = n->red;
		if (child)
			child->parent = parent;
		replace_child(t, parent, n, child);
	}
	if (!removed_red)
		erase_fixup(t, child, parent);
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct rb_node *)n;
	}
	while (n->parent && n->parent->right == n)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->left) {
		n = n->left;
		while (n->right)
			n = n->right;
		return (struct rb_node *)n;
	}
	while (n->parent && n->parent->left == n)
		n = n->parent;
	return n->parent;
}
