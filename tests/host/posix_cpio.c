// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=posix/cpio.c,posix/tree.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/*
 * The initial archive: what is in one is found, with every name form; one that is cut or changed at any byte is read without
 * an access outside of it (the copy ends at the end of its allocation) and ends after a finite number of entries. And the
 * tree built from entries: folders that are only implied, links in every position, loops, names that are too long, "..".
 */
#include "posix/cpio.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "lib/errno.h"
#include "mm/slab.h"
#include "posix/tree.h"

#define REG 0100644
#define DIR 0040755
#define LNK 0120777

void *slab_alloc(struct slab_cache *c)
{
	return malloc(c->size); /* kept for the life of the test */
}

static char *archive;
static size_t archive_len;

static void put(const void *data, size_t len)
{
	archive = realloc(archive, archive_len + len + 4);
	memcpy(archive + archive_len, data, len);
	archive_len += len;
	while (archive_len % 4)
		archive[archive_len++] = 0;
}

static void add(const char *name, unsigned mode, const char *data, size_t len)
{
	char h[4352];
	int n = snprintf(h, sizeof(h), "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X%s", 1, mode, 0, 0,
			 1, 1234, len, 0, 0, 0, 0, strlen(name) + 1, 0, name);

	put(h, (size_t)n + 1);
	put(data, len);
}

/* Entries up to the end or an error, each looked at in full. */
static int read_all(const char *base, size_t len, unsigned *entries)
{
	struct cpio_entry e;
	size_t pos = 0;
	unsigned long sum = 0;
	int r;

	*entries = 0;
	while ((r = cpio_next(base, len, &pos, &e)) == 1) {
		for (size_t i = 0; i < e.size; i++)
			sum += (unsigned char)e.data[i];
		sum += strlen(e.name);
		EXPECT_EQ(strlen(e.name), e.name_len);
		EXPECT(pos <= len);
		EXPECT(++*entries < 100);
	}
	__asm__ volatile("" ::"r"(sum));
	return r;
}

static void test_damage(void)
{
	char *copy;
	unsigned n;

	for (size_t len = 0; len < archive_len; len++) {
		copy = malloc(len ? len : 1);
		memcpy(copy, archive, len);
		read_all(copy, len, &n);
		free(copy);
	}
	copy = malloc(archive_len);
	for (size_t i = 0; i < archive_len; i++) {
		static const char values[] = { 0, '0', 'f', 'F', '/', '.', -1, 'g' };

		for (unsigned k = 0; k < sizeof(values); k++) {
			memcpy(copy, archive, archive_len);
			copy[i] = values[k];
			read_all(copy, archive_len, &n);
		}
	}
	free(copy);
}

static void expect_node(const char *path, int follow, const char *data)
{
	struct node *n = NULL;

	EXPECT_EQ(tree_lookup(tree_root(), path, follow, &n), 0);
	EXPECT(n->size == strlen(data) && !memcmp(n->data, data, n->size));
}

static void expect_error(const char *path, int error)
{
	struct node *n;

	EXPECT_EQ(tree_lookup(tree_root(), path, true, &n), -error);
}

static void plant(const char *name, unsigned mode, const char *data)
{
	EXPECT_EQ(tree_add(name, strlen(name), mode, 1, data, strlen(data)), 0);
}

static void test_tree(void)
{
	struct node *n, *dir;
	char longname[300];
	size_t pos = 0;
	struct cpio_entry e;

	EXPECT_EQ(tree_init(), 0);
	while (cpio_next(archive, archive_len, &pos, &e) == 1)
		EXPECT_EQ(tree_add(e.name, e.name_len, e.mode, e.mtime, e.data, e.size), 0);
	expect_node("/hello.txt", 1, "hello\n");
	expect_node("a/b/c/deep", 1, "deep");
	expect_node("//a//./b/../b/c/deep", 1, "deep");
	expect_node("/../../a/b/c/deep", 1, "deep");
	expect_node("/link", 1, "deep");
	expect_node("/link", 0, "a/b/c/deep");
	expect_node("/dirlink/c/deep", 1, "deep");
	expect_node("/abs", 1, "hello\n");
	expect_node("/chain1", 1, "hello\n");
	expect_error("/loop1", ELOOP);
	expect_error("/nowhere", ENOENT);
	expect_error("/dangling", ENOENT);
	expect_error("/hello.txt/x", ENOTDIR);
	expect_error("/hello.txt/", ENOTDIR);
	expect_error("", ENOENT);
	memset(longname, 'n', sizeof(longname));
	longname[sizeof(longname) - 1] = 0;
	expect_error(longname, ENAMETOOLONG);
	/* a chain that ends in a link's middle, with a rest at every level: bounded, not recursive */
	for (char c = 'a'; c < 'z'; c++) {
		char *name = malloc(8), *target = malloc(8);

		snprintf(name, 8, "m%c", c);
		snprintf(target, 8, "m%c/.", c + 1);
		plant(name, LNK, target);
	}
	plant("mz", DIR, "");
	EXPECT(tree_lookup(tree_root(), "/ma/.", true, &n) == 0 ||
	       tree_lookup(tree_root(), "/ma/.", true, &n) == -ELOOP);
	/* relative to a folder */
	EXPECT_EQ(tree_lookup(tree_root(), "a/b", true, &dir), 0);
	EXPECT_EQ(tree_lookup(dir, "c/deep", true, &n), 0);
	EXPECT_EQ(tree_lookup(dir, "../../hello.txt", true, &n), 0);
	EXPECT_EQ(n->mtime, 1234);
	/* what does not fit */
	EXPECT_EQ(tree_add("hello.txt/x", 11, REG, 1, "", 0), -EINVAL);
	EXPECT_EQ(tree_add("a", 1, REG, 1, "", 0), -EINVAL);
	EXPECT_EQ(tree_add("../x", 4, REG, 1, "", 0), -EINVAL);
	/* the last of two wins */
	plant("hello.txt", REG, "new");
	expect_node("/hello.txt", 1, "new");
	EXPECT_EQ(tree_lookup(tree_root(), "/dev/null", true, &n), 0);
	EXPECT_EQ(n->device, DEV_NULL);
}

int main(void)
{
	unsigned n;

	add(".", DIR, "", 0);
	add("./hello.txt", REG, "hello\n", 6);
	add("a/b/c/deep", REG, "deep", 4);
	add("/link", LNK, "a/b/c/deep", 10);
	add("dirlink", LNK, "a/b", 3);
	add("abs", LNK, "/hello.txt", 10);
	add("chain1", LNK, "chain2", 6);
	add("chain2", LNK, "./abs", 5);
	add("loop1", LNK, "loop2", 5);
	add("loop2", LNK, "/loop1", 6);
	add("dangling", LNK, "x/y", 3);
	add("TRAILER!!!", 0, "", 0);
	EXPECT_EQ(read_all(archive, archive_len, &n), 0);
	EXPECT_EQ(n, 11);
	EXPECT_EQ(read_all(archive, 0, &n), -EINVAL);
	EXPECT_EQ(read_all(archive + 2, archive_len - 2, &n), -EINVAL);
	test_damage();
	test_tree();
	return 0;
}
