/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The read-only file tree: what the initial archive holds, and /dev. Built once by the boot CPU, constant from then on, so
 * look-ups take no lock. Contents and names stay where they are, in the archive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum node_device { DEV_NONE, DEV_NULL, DEV_ZERO, DEV_RANDOM, DEV_HEAP_PEAK, DEV_STDIN, DEV_STDOUT, DEV_STDERR };

struct node {
	struct node *hash_next;
	struct node *parent; /* of the root: itself */
	struct node *first_child, *last_child, *next_sibling;
	const char *name;
	uint32_t name_len;
	uint32_t mode; /* S_IF* and permission bits */
	uint32_t mtime;
	uint32_t ino;
	uint32_t links;
	enum node_device device;
	const char *data; /* contents or link target */
	size_t size;
};

struct node *tree_root(void);

/* The tree with nothing in it but /dev; then entries. -ENOMEM, -EINVAL (a file where a folder is needed). Boot only. */
int tree_init(void);
int tree_add(const char *name, size_t name_len, uint32_t mode, uint32_t mtime, const char *data, size_t size);

/*
 * Look a path up from `base` (used if it is relative). follow: a symbolic link at the end is followed as well.
 * -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG.
 */
int tree_lookup(struct node *base, const char *path, bool follow, struct node **out);
