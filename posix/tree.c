// SPDX-License-Identifier: BSD-3-Clause
/*
 * The read-only file tree. Nodes come from a slab at boot, one per archive entry and per folder that is only implied by a
 * name; they are found by a hash over (folder, name) and listed in the archive's order. No node ever changes after boot:
 * no locks, any thread context. A symbolic link is followed by walking its target in place, at most 40 in one look-up, on
 * a stack of positions rather than by recursion. A later entry with the same name replaces the contents of the earlier one.
 */
#include "posix/tree.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"
#include "mm/slab.h"
#include "posix/abi.h"

#define HASH	   256
#define LINKS_MAX  40
#define LINK_DEPTH 8

static struct slab_cache node_cache = SLAB_CACHE("file node", struct node);

static struct {
	struct node root;
	struct node *hash[HASH];
	uint32_t last_ino;
} tree;

struct node *tree_root(void)
{
	return &tree.root;
}

static unsigned hash_of(const struct node *dir, const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull ^ dir->ino; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ull;
	return (unsigned)(h ^ h >> 32) % HASH;
}

static struct node *find(const struct node *dir, const char *name, size_t len)
{
	for (struct node *n = tree.hash[hash_of(dir, name, len)]; n; n = n->hash_next)
		if (n->parent == dir && n->name_len == len && !memcmp(n->name, name, len))
			return n;
	return NULL;
}

static struct node *add_child(struct node *dir, const char *name, size_t len, uint32_t mode)
{
	struct node *n = slab_alloc(&node_cache);
	unsigned h;

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->parent = dir;
	n->name = name;
	n->name_len = (uint32_t)len;
	n->mode = mode;
	n->ino = ++tree.last_ino;
	n->links = 1;
	if ((mode & S_IFMT) == S_IFDIR) {
		n->links = 2;
		dir->links++;
	}
	h = hash_of(dir, name, len);
	n->hash_next = tree.hash[h];
	tree.hash[h] = n;
	if (dir->last_child)
		dir->last_child->next_sibling = n;
	else
		dir->first_child = n;
	dir->last_child = n;
	return n;
}

int tree_add(const char *name, size_t name_len, uint32_t mode, uint32_t mtime, const char *data, size_t size)
{
	struct node *dir = &tree.root, *n = NULL;
	size_t at = 0;

	while (at < name_len) {
		size_t end = at;
		bool last;

		while (end < name_len && name[end] != '/')
			end++;
		last = end == name_len;
		if (end > at && !(end - at == 1 && name[at] == '.')) {
			if (end - at > ABI_NAME_MAX || (end - at == 2 && name[at] == '.' && name[at + 1] == '.'))
				return -EINVAL;
			n = find(dir, name + at, end - at);
			if (!n)
				n = add_child(dir, name + at, end - at, last ? mode : S_IFDIR | 0755);
			if (!n)
				return -ENOMEM;
			if (!last) {
				if ((n->mode & S_IFMT) != S_IFDIR)
					return -EINVAL;
				dir = n;
			}
		}
		at = end + 1;
	}
	if (!n)
		n = &tree.root;
	if ((n->mode & S_IFMT) != (mode & S_IFMT))
		return -EINVAL;
	n->mode = mode;
	n->mtime = mtime;
	if ((mode & S_IFMT) != S_IFDIR) {
		n->data = data;
		n->size = size;
	}
	return 0;
}

static int add_device(struct node *dev, const char *name, enum node_device device, uint32_t mode)
{
	struct node *n = add_child(dev, name, str_len(name), mode);

	if (!n)
		return -ENOMEM;
	n->device = device;
	return 0;
}

int tree_init(void)
{
	struct node *dev;

	tree.root.parent = &tree.root;
	tree.root.name = "";
	tree.root.mode = S_IFDIR | 0755;
	tree.root.ino = tree.last_ino = 1;
	tree.root.links = 2;
	dev = add_child(&tree.root, "dev", 3, S_IFDIR | 0755);
	if (!dev || add_device(dev, "null", DEV_NULL, S_IFCHR | 0666) ||
	    add_device(dev, "zero", DEV_ZERO, S_IFCHR | 0666) ||
	    add_device(dev, "random", DEV_RANDOM, S_IFCHR | 0666) ||
	    add_device(dev, "urandom", DEV_RANDOM, S_IFCHR | 0666) ||
	    add_device(dev, "stdin", DEV_STDIN, S_IFCHR | 0400) ||
	    add_device(dev, "stdout", DEV_STDOUT, S_IFCHR | 0200) ||
	    add_device(dev, "stderr", DEV_STDERR, S_IFCHR | 0200) ||
	    add_device(dev, "tutti-heap-peak", DEV_HEAP_PEAK, S_IFCHR | 0444))
		return -ENOMEM;
	return 0;
}

/* A path that is being walked: the rest of it. */
struct walk {
	const char *at;
	const char *end;
};

int tree_lookup(struct node *base, const char *path, bool follow, struct node **out)
{
	struct walk stack[LINK_DEPTH];
	unsigned depth = 0, links = 0;
	struct node *n = *path == '/' ? &tree.root : base;

	if (!*path)
		return -ENOENT;
	stack[0].at = path;
	stack[0].end = path + str_len(path);
	for (;;) {
		struct walk *w = &stack[depth];
		struct node *child;
		const char *name;
		size_t len;
		bool last;

		if (w->at < w->end && *w->at == '/' && (n->mode & S_IFMT) != S_IFDIR)
			return -ENOTDIR;
		while (w->at < w->end && *w->at == '/')
			w->at++;
		if (w->at == w->end) {
			if (!depth)
				break;
			depth--;
			continue;
		}
		if ((n->mode & S_IFMT) != S_IFDIR)
			return -ENOTDIR;
		name = w->at;
		while (w->at < w->end && *w->at != '/')
			w->at++;
		len = (size_t)(w->at - name);
		if (len > ABI_NAME_MAX)
			return -ENAMETOOLONG;
		if (len == 1 && name[0] == '.')
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			n = n->parent;
			continue;
		}
		child = find(n, name, len);
		if (!child)
			return -ENOENT;
		last = w->at == w->end;
		for (unsigned i = 0; i < depth; i++)
			last = last && stack[i].at == stack[i].end;
		if ((child->mode & S_IFMT) != S_IFLNK || (last && !follow)) {
			n = child;
			continue;
		}
		if (++links > LINKS_MAX)
			return -ELOOP;
		if (!child->size)
			return -ENOENT;
		/* A path whose rest is empty needs no place on the stack any more. */
		if (w->at != w->end && ++depth == LINK_DEPTH)
			return -ELOOP;
		stack[depth].at = child->data;
		stack[depth].end = child->data + child->size;
		if (child->data[0] == '/')
			n = &tree.root;
	}
	*out = n;
	return 0;
}
