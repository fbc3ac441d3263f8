/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intrusive doubly linked list with a head. Leaf code: the caller synchronizes. A node that is on no list points
 * at itself after list_init() or list_del(), so list_linked() answers for nodes as list_empty() does for heads.
 */
#pragma once

#include <stdbool.h>

#include "lib/util.h"

struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert_(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

/* Add as first. */
static inline void list_add(struct list *head, struct list *n)
{
	list_insert_(n, head, head->next);
}

/* Add as last. */
static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert_(n, head->prev, head);
}

static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* First node taken off, or NULL. */
static inline struct list *list_pop(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_del(n);
	return n;
}

#define list_entry(p, type, member)    container_of(p, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_foreach(it, head)	       for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may take `it` off its list. */
#define list_foreach_safe(it, tmp, head) \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)
