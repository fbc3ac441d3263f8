// SPDX-License-Identifier: BSD-3-Clause
/*
 * Descriptors, open files, and the system calls on them.
 *
 * Objects. A descriptor is a slot of one table; it holds a reference to an open file, which has a set of operations, a node
 * of the tree or none (standard streams), a position and status flags. A call takes a reference for its own time, so a
 * close() by another thread never pulls a file from under it; whoever drops the last one frees it.
 *
 * Concurrency: the table has a spin lock, held for a look-up or a change of a slot. An open file's position has a sleeping
 * mutex, taken by calls that use and move it. Nodes are constant. Thread context. Memory: slab; none left is -ENOMEM.
 * Limits: 1024 descriptors; the tree is read-only (-EROFS); no pipes and sockets yet.
 */
#include "posix/files.h"

#include <arch/paging.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/frames.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "plat/plat.h"
#include "posix/console.h"
#include "posix/cpio.h"
#include "posix/iov.h"
#include "posix/posix.h"
#include "posix/tree.h"
#include "sched/waitq.h"
#include "uk/mutex.h"

#define FILES	  1024
#define SMALL_IOV 8
#define S_IFIFO	  0010000

struct file;

struct file_ops {
	/* Up to all of the buffers from offset off; number of bytes, 0 at the end, or -errno. */
	long (*read)(struct file *f, struct iov *to, uint64_t off);
	long (*write)(struct file *f, struct iov *from, uint64_t off);
	/* Which of POLLIN and POLLOUT would not wait. Does not sleep. */
	int (*poll)(struct file *f);
	bool seekable;
};

struct file {
	int refs;		    /* [a] */
	int flags;		    /* [a] access mode [I], O_APPEND, O_NONBLOCK */
	const struct file_ops *ops; /* [I] */
	struct node *node;	    /* [I] or NULL: a standard stream */
	struct uk_mutex pos_lock;
	uint64_t pos;	   /* [pos_lock] bytes; in a folder: number of the next entry */
	char text[24];	   /* [I] contents of a generated file */
	uint32_t text_len; /* [I] */
};

LOCK_CLASS(position_class, "file position", 10, LOCK_SLEEPS,
	   "the position of one open file, for reads and writes that move it");

static struct slab_cache file_cache = SLAB_CACHE("open file", struct file);

LOCK_CLASS(files_class, "descriptor table", 20, 0, "slots of the table and their references");

static struct {
	struct uk_spinlock lock;
	struct file *file[FILES];     /* [lock] */
	uint64_t cloexec[FILES / 64]; /* [lock] kept and reported; there is no exec */
	struct node *cwd;	      /* [a] */
	int umask;		      /* [a] */
} fs = { .lock = SPINLOCK_INIT(&files_class) };

/* ---- the table ---- */

static struct file *file_new(const struct file_ops *ops, struct node *node, int flags)
{
	struct file *f = slab_alloc(&file_cache);

	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->refs = 1;
	f->flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH);
	f->ops = ops;
	f->node = node;
	mutex_init_class(&f->pos_lock, &position_class);
	return f;
}

static void file_put(struct file *f)
{
	if (f && __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) == 0)
		slab_free(&file_cache, f);
}

static struct file *file_get(int fd)
{
	struct file *f = NULL;

	if (fd < 0 || fd >= FILES)
		return NULL;
	uk_spin_lock(&fs.lock);
	f = fs.file[fd];
	if (f)
		__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	uk_spin_unlock(&fs.lock);
	return f;
}

static void set_cloexec_locked(int fd, bool on) REQUIRES(fs.lock);
static void set_cloexec_locked(int fd, bool on)
{
	uk_spin_assert_held(&fs.lock);
	if (on)
		fs.cloexec[fd / 64] |= 1ull << (fd % 64);
	else
		fs.cloexec[fd / 64] &= ~(1ull << (fd % 64));
}

/* Put f, with the caller's reference, into the lowest free slot from `min` up: descriptor or -EMFILE. */
static int fd_install(struct file *f, int min, bool cloexec)
{
	int fd;

	uk_spin_lock(&fs.lock);
	for (fd = min; fd < FILES && fs.file[fd]; fd++)
		;
	if (fd < FILES) {
		fs.file[fd] = f;
		set_cloexec_locked(fd, cloexec);
	}
	uk_spin_unlock(&fs.lock);
	return fd < FILES ? fd : -EMFILE;
}

static bool may_read(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY && !(f->flags & O_PATH);
}

static bool may_write(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY && !(f->flags & O_PATH);
}

/* ---- kinds of files ---- */

static long stdin_read(struct file *f, struct iov *to, uint64_t off)
{
	(void)off;
	return console_read(to, !(__atomic_load_n(&f->flags, __ATOMIC_RELAXED) & O_NONBLOCK));
}

static int stdin_poll(struct file *f)
{
	(void)f;
	return console_readable() ? POLLIN : 0;
}

static long stdout_write(struct file *f, struct iov *from, uint64_t off)
{
	(void)f;
	(void)off;
	return console_write(PLAT_STDOUT, from);
}

static long stderr_write(struct file *f, struct iov *from, uint64_t off)
{
	(void)f;
	(void)off;
	return console_write(PLAT_STDERR, from);
}

static int out_poll(struct file *f)
{
	(void)f;
	return POLLOUT;
}

static int both_poll(struct file *f)
{
	(void)f;
	return POLLIN | POLLOUT;
}

static long bytes_read(const char *data, size_t size, struct iov *to, uint64_t off)
{
	size_t done = 0;

	while (off + done < size && to->left) {
		long n = iov_copy_out(to, data + off + done, size - off - done);

		if (n < 0)
			return n;
		done += (size_t)n;
		if (!n)
			break;
	}
	return (long)done;
}

static long regular_read(struct file *f, struct iov *to, uint64_t off)
{
	return bytes_read(f->node->data, f->node->size, to, off);
}

static long text_read(struct file *f, struct iov *to, uint64_t off)
{
	return bytes_read(f->text, f->text_len, to, off);
}

static long null_read(struct file *f, struct iov *to, uint64_t off)
{
	(void)f;
	(void)to;
	(void)off;
	return 0;
}

static long null_write(struct file *f, struct iov *from, uint64_t off)
{
	(void)f;
	(void)off;
	return (long)from->left;
}

static long zero_read(struct file *f, struct iov *to, uint64_t off)
{
	(void)f;
	(void)off;
	return iov_zero_out(to, to->left);
}

static long random_read(struct file *f, struct iov *to, uint64_t off)
{
	char chunk[256];
	size_t done = 0;

	(void)f;
	(void)off;
	while (to->left) {
		size_t len = MIN(to->left, sizeof(chunk));
		long n;

		posix_random_bytes(chunk, len);
		n = iov_copy_out(to, chunk, len);
		if (n < 0)
			return done ? (long)done : n;
		done += (size_t)n;
	}
	return (long)done;
}

static long dir_read(struct file *f, struct iov *to, uint64_t off)
{
	(void)f;
	(void)to;
	(void)off;
	return -EISDIR;
}

static const struct file_ops stdin_ops = { .read = stdin_read, .poll = stdin_poll };
static const struct file_ops stdout_ops = { .write = stdout_write, .poll = out_poll };
static const struct file_ops stderr_ops = { .write = stderr_write, .poll = out_poll };
static const struct file_ops regular_ops = { .read = regular_read, .poll = both_poll, .seekable = true };
static const struct file_ops text_ops = { .read = text_read, .poll = both_poll, .seekable = true };
static const struct file_ops dir_ops = { .read = dir_read, .poll = both_poll, .seekable = true };
static const struct file_ops null_ops = { .read = null_read, .write = null_write, .poll = both_poll, .seekable = true };
static const struct file_ops zero_ops = { .read = zero_read, .write = null_write, .poll = both_poll, .seekable = true };
static const struct file_ops random_ops = {
	.read = random_read, .write = null_write, .poll = both_poll, .seekable = true
};

static const struct file_ops *ops_of(const struct node *n)
{
	switch (n->device) {
	case DEV_NULL:
		return &null_ops;
	case DEV_ZERO:
		return &zero_ops;
	case DEV_RANDOM:
		return &random_ops;
	case DEV_HEAP_PEAK:
		return &text_ops;
	case DEV_STDIN:
		return &stdin_ops;
	case DEV_STDOUT:
		return &stdout_ops;
	case DEV_STDERR:
		return &stderr_ops;
	case DEV_NONE:
		break;
	}
	return (n->mode & S_IFMT) == S_IFDIR ? &dir_ops : &regular_ops;
}

static void fill_text(struct file *f)
{
	struct mm_stats st;

	if (f->node->device != DEV_HEAP_PEAK)
		return;
	mm_stats(&st);
	f->text_len = (uint32_t)fmt_snprintf(f->text, sizeof(f->text), "%llu\n",
					     (unsigned long long)st.heap_resident_peak);
}

/* ---- boot ---- */

static const char *archive_base(size_t *len)
{
	const struct plat_bootinfo *bi = plat_bootinfo();

	*len = bi->initrd ? bi->initrd_len : 0;
	return bi->initrd ? arch_phys_to_virt(bi->initrd) : NULL;
}

bool posix_archive_find(const char *name, const char **data, size_t *len)
{
	size_t total, pos = 0;
	const char *base = archive_base(&total);
	struct cpio_entry e;

	while (base && cpio_next(base, total, &pos, &e) == 1) {
		if (str_eq(e.name, name)) {
			*data = e.data;
			*len = e.size;
			return true;
		}
	}
	return false;
}

void posix_files_init(void)
{
	static const struct {
		const struct file_ops *ops;
		int flags;
	} streams[3] = { { &stdin_ops, O_RDONLY }, { &stdout_ops, O_WRONLY }, { &stderr_ops, O_WRONLY } };
	size_t total, pos = 0;
	const char *base = archive_base(&total);
	struct cpio_entry e;
	int r = tree_init();

	while (!r && base) {
		r = cpio_next(base, total, &pos, &e);
		if (r == 0)
			break;
		if (r < 0)
			plat_boot_error("the initial archive is damaged at byte %lu", (unsigned long)pos);
		/* Arguments and environment are not files of the program. */
		r = str_eq(e.name, ".tutti") || str_has_prefix(e.name, ".tutti/")
			    ? 0
			    : tree_add(e.name, e.name_len, e.mode, e.mtime, e.data, e.size);
		if (r == -EINVAL)
			plat_boot_error("the initial archive has an entry that does not fit: %s", e.name);
	}
	for (int i = 0; !r && i < 3; i++) {
		struct file *f = file_new(streams[i].ops, NULL, streams[i].flags);

		r = f ? MIN(fd_install(f, i, false), 0) : -ENOMEM;
	}
	if (r)
		plat_boot_error("too little memory for the file tree");
	fs.cwd = tree_root();
	fs.umask = 022;
}

/* ---- read and write ---- */

/* A checked kernel copy of an iovec array: in `small` or in frames. */
struct vectors {
	struct abi_iovec small[SMALL_IOV];
	struct abi_iovec *vec;
	unsigned order;
	struct iov iov;
};

static void vectors_put(struct vectors *v)
{
	if (v->vec != v->small)
		frame_free(arch_virt_to_phys(v->vec), v->order);
}

static int vectors_get(struct vectors *v, const struct abi_iovec *user, size_t count)
{
	size_t bytes = count * sizeof(*user), total = 0;
	int err = 0;

	if (count > ABI_IOV_MAX)
		return -EINVAL;
	v->vec = v->small;
	v->order = 0;
	if (count > SMALL_IOV) {
		paddr_t pa;

		while ((PAGE_SIZE << v->order) < bytes)
			v->order++;
		pa = frame_alloc(v->order, 0);
		if (pa == FRAME_NONE)
			return -ENOMEM;
		v->vec = arch_phys_to_virt(pa);
	}
	if (posix_copy_in(v->vec, user, bytes))
		err = -EFAULT;
	for (size_t i = 0; !err && i < count; i++) {
		if (v->vec[i].len > (size_t)INT64_MAX - total)
			err = -EINVAL;
		total += v->vec[i].len;
	}
	if (err) {
		vectors_put(v);
		return err;
	}
	/* As Linux: one call moves at most 2 GiB less a page. */
	v->iov = (struct iov){ .vec = v->vec, .count = (unsigned)count, .left = MIN(total, 0x7ffff000ul) };
	return 0;
}

static long do_io(struct file *f, struct iov *iov, bool write, const uint64_t *at)
{
	long (*op)(struct file *, struct iov *, uint64_t) = write ? f->ops->write : f->ops->read;
	long r;

	if (!op || !(write ? may_write(f) : may_read(f)))
		return -EBADF;
	if (at) {
		if (!f->ops->seekable)
			return -ESPIPE;
		return (int64_t)*at < 0 ? -EINVAL : op(f, iov, *at);
	}
	if (!f->ops->seekable)
		return op(f, iov, 0);
	uk_mutex_lock(&f->pos_lock);
	r = op(f, iov, f->pos);
	if (r > 0)
		f->pos += (uint64_t)r;
	uk_mutex_unlock(&f->pos_lock);
	return r;
}

static long io_one(int fd, void *buf, size_t len, bool write, const uint64_t *at)
{
	struct abi_iovec vec = { buf, MIN(len, 0x7ffff000ul) };
	struct iov iov = { .vec = &vec, .count = 1, .left = vec.len };
	struct file *f = file_get(fd);
	long r;

	if (!f)
		return -EBADF;
	r = do_io(f, &iov, write, at);
	file_put(f);
	return r;
}

static long io_vec(int fd, const struct abi_iovec *user, size_t count, bool write, const uint64_t *at)
{
	struct file *f = file_get(fd);
	struct vectors v;
	long r;

	if (!f)
		return -EBADF;
	r = vectors_get(&v, user, count);
	if (!r) {
		r = do_io(f, &v.iov, write, at);
		vectors_put(&v);
	}
	file_put(f);
	return r;
}

long sys_read(const long *a)
{
	return io_one(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), false, NULL);
}

long sys_write(const long *a)
{
	return io_one(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), true, NULL);
}

long sys_pread64(const long *a)
{
	uint64_t at = (uint64_t)a[3];

	return io_one(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), false, &at);
}

long sys_pwrite64(const long *a)
{
	uint64_t at = (uint64_t)a[3];

	return io_one(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), true, &at);
}

long sys_readv(const long *a)
{
	return io_vec(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), false, NULL);
}

long sys_writev(const long *a)
{
	return io_vec(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), true, NULL);
}

long sys_preadv(const long *a)
{
	uint64_t at = (uint64_t)a[3];

	return io_vec(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), false, &at);
}

long sys_pwritev(const long *a)
{
	uint64_t at = (uint64_t)a[3];

	return io_vec(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_SIZE(a, 2), true, &at);
}

long posix_file_check_map(int fd)
{
	struct file *f = file_get(fd);
	long r = 0;

	if (!f)
		return -EBADF;
	if (!may_read(f))
		r = -EACCES;
	else if (f->ops != &regular_ops && f->ops != &zero_ops)
		r = -ENODEV;
	file_put(f);
	return r;
}

long posix_file_pread(int fd, void *user, size_t len, uint64_t offset)
{
	return io_one(fd, user, len, false, &offset);
}

/* ---- names ---- */

/* Node of (dirfd, path). */
static long lookup(int dirfd, const char *user, bool follow, bool empty_ok, struct node **out)
{
	struct node *base = __atomic_load_n(&fs.cwd, __ATOMIC_ACQUIRE);
	struct file *dir = NULL;
	char *path;
	long r = posix_path_get(user, &path);

	if (r)
		return r;
	if (dirfd != AT_FDCWD && path[0] != '/') {
		dir = file_get(dirfd);
		if (!dir)
			r = -EBADF;
		else if (!dir->node || ((dir->node->mode & S_IFMT) != S_IFDIR && path[0]))
			r = -ENOTDIR;
		else
			base = dir->node;
	}
	if (!r && !path[0] && empty_ok)
		*out = base;
	else if (!r)
		r = tree_lookup(base, path, follow, out);
	file_put(dir);
	posix_path_put(path);
	return r;
}

static long do_open(int dirfd, const char *user, int flags)
{
	bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	struct node *n;
	struct file *f;
	long r = lookup(dirfd, user, follow, false, &n);
	uint32_t type;
	int fd;

	if (r == -ENOENT && (flags & O_CREAT))
		return -EROFS;
	if (r)
		return r;
	type = n->mode & S_IFMT;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (type == S_IFLNK && !(flags & O_PATH))
		return -ELOOP;
	if ((flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type == S_IFDIR && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)))
		return -EISDIR;
	if (type == S_IFREG && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		return -EROFS;
	if (n->device && (((flags & O_ACCMODE) != O_RDONLY && !ops_of(n)->write) ||
			  ((flags & O_ACCMODE) != O_WRONLY && !ops_of(n)->read)))
		return -EACCES;
	f = file_new(ops_of(n), n, flags);
	if (!f)
		return -ENOMEM;
	fill_text(f);
	fd = fd_install(f, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_open(const long *a)
{
	return do_open(AT_FDCWD, ARG_PTR(a, 0), ARG_INT(a, 1));
}

long sys_openat(const long *a)
{
	return do_open(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_INT(a, 2));
}

long sys_close(const long *a)
{
	struct file *f = NULL;
	int fd = ARG_INT(a, 0);

	if (fd < 0 || fd >= FILES)
		return -EBADF;
	uk_spin_lock(&fs.lock);
	f = fs.file[fd];
	fs.file[fd] = NULL;
	uk_spin_unlock(&fs.lock);
	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}

static long stat_out(const struct file *f, const struct node *n, struct abi_stat *user)
{
	struct abi_stat st;

	memset(&st, 0, sizeof(st));
	st.blksize = 4096;
	if (n) {
		st.dev = n->device ? 2 : 1;
		st.ino = n->ino;
		st.nlink = n->links;
		st.mode = n->mode;
		st.rdev = n->device ? 0x100u | (unsigned)n->device : 0;
		st.size = (int64_t)n->size;
		st.blocks = (st.size + 511) / 512;
		st.atime.sec = st.mtime.sec = st.ctime.sec = n->mtime;
	} else {
		st.dev = 3;
		st.ino = f->ops == &stdin_ops ? 1 : f->ops == &stdout_ops ? 2 : 3;
		st.nlink = 1;
		st.mode = S_IFIFO | 0600;
	}
	return posix_copy_out(user, &st, sizeof(st));
}

static long do_fstat(int fd, struct abi_stat *user)
{
	struct file *f = file_get(fd);
	long r;

	if (!f)
		return -EBADF;
	r = stat_out(f, f->node, user);
	file_put(f);
	return r;
}

static long do_stat(int dirfd, const char *path, struct abi_stat *user, int flags)
{
	struct node *n;
	char first;
	long r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD && !posix_copy_in(&first, path, 1) && !first)
		return do_fstat(dirfd, user);
	r = lookup(dirfd, path, !(flags & AT_SYMLINK_NOFOLLOW), flags & AT_EMPTY_PATH, &n);
	return r ? r : stat_out(NULL, n, user);
}

long sys_fstat(const long *a)
{
	return do_fstat(ARG_INT(a, 0), ARG_PTR(a, 1));
}

long sys_stat(const long *a)
{
	return do_stat(AT_FDCWD, ARG_PTR(a, 0), ARG_PTR(a, 1), 0);
}

long sys_lstat(const long *a)
{
	return do_stat(AT_FDCWD, ARG_PTR(a, 0), ARG_PTR(a, 1), AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(const long *a)
{
	return do_stat(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_PTR(a, 2), ARG_INT(a, 3));
}

static long do_access(int dirfd, const char *path, int mode)
{
	struct node *n;
	long r = lookup(dirfd, path, true, false, &n);

	if (r)
		return r;
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if ((mode & W_OK) && !n->device)
		return -EROFS;
	if ((mode & X_OK) && !(n->mode & 0111))
		return -EACCES;
	return 0;
}

long sys_access(const long *a)
{
	return do_access(AT_FDCWD, ARG_PTR(a, 0), ARG_INT(a, 1));
}

long sys_faccessat(const long *a)
{
	return do_access(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_INT(a, 2));
}

static long do_readlink(int dirfd, const char *path, char *buf, long len)
{
	struct node *n;
	long r;

	if (len <= 0)
		return -EINVAL;
	r = lookup(dirfd, path, false, true, &n);
	if (r)
		return r;
	if ((n->mode & S_IFMT) != S_IFLNK)
		return -EINVAL;
	len = MIN(len, (long)n->size);
	return posix_copy_out(buf, n->data, (size_t)len) ? -EFAULT : len;
}

long sys_readlink(const long *a)
{
	return do_readlink(AT_FDCWD, ARG_PTR(a, 0), ARG_PTR(a, 1), ARG_INT(a, 2));
}

long sys_readlinkat(const long *a)
{
	return do_readlink(ARG_INT(a, 0), ARG_PTR(a, 1), ARG_PTR(a, 2), ARG_INT(a, 3));
}

long sys_chdir(const long *a)
{
	struct node *n;
	long r = lookup(AT_FDCWD, ARG_PTR(a, 0), true, false, &n);

	if (r)
		return r;
	if ((n->mode & S_IFMT) != S_IFDIR)
		return -ENOTDIR;
	__atomic_store_n(&fs.cwd, n, __ATOMIC_RELEASE);
	return 0;
}

long sys_getcwd(const long *a)
{
	struct node *n = __atomic_load_n(&fs.cwd, __ATOMIC_ACQUIRE);
	paddr_t pa = frame_alloc(0, 0);
	char *page;
	size_t at = PAGE_SIZE;
	long r = 0;

	if (pa == FRAME_NONE)
		return -ENOMEM;
	page = arch_phys_to_virt(pa);
	page[--at] = 0;
	if (n == tree_root())
		page[--at] = '/';
	for (; n != tree_root() && !r; n = n->parent) {
		if (n->name_len + 1 > at) {
			r = -ENAMETOOLONG;
			break;
		}
		at -= n->name_len;
		memcpy(page + at, n->name, n->name_len);
		page[--at] = '/';
	}
	if (!r && PAGE_SIZE - at > ARG_SIZE(a, 1))
		r = -ERANGE;
	if (!r)
		r = posix_copy_out(ARG_PTR(a, 0), page + at, PAGE_SIZE - at) ? -EFAULT : (long)(PAGE_SIZE - at);
	frame_free(pa, 0);
	return r;
}

static uint8_t dirent_type(const struct node *n)
{
	return (uint8_t)((n->mode & S_IFMT) >> 12);
}

/* Entry number i of a folder: ".", "..", then its children. */
static struct node *dir_entry(struct node *dir, uint64_t i, const char **name, size_t *len, struct node *last)
{
	struct node *n;

	if (i < 2) {
		*name = "..";
		*len = i + 1;
		return i ? dir->parent : dir;
	}
	if (last) {
		n = last->next_sibling;
	} else {
		n = dir->first_child;
		for (i -= 2; n && i; i--)
			n = n->next_sibling;
	}
	if (n) {
		*name = n->name;
		*len = n->name_len;
	}
	return n;
}

static long dir_fill(struct file *f, char *buf, size_t size)
{
	union {
		struct abi_dirent64 d;
		char space[offsetof(struct abi_dirent64, name) + ABI_NAME_MAX + 8];
	} e;
	struct node *last = NULL;
	size_t done = 0;

	for (;;) {
		const char *name = NULL;
		size_t len = 0, reclen;
		struct node *n = dir_entry(f->node, f->pos, &name, &len, last);

		if (!n)
			return (long)done;
		reclen = ALIGN_UP(offsetof(struct abi_dirent64, name) + len + 1, 8ul);
		if (reclen > size - done)
			return done ? (long)done : -EINVAL;
		memset(&e, 0, reclen);
		e.d.ino = n->ino;
		e.d.off = (int64_t)f->pos + 1;
		e.d.reclen = (uint16_t)reclen;
		e.d.type = dirent_type(n);
		memcpy(e.d.name, name, len);
		if (posix_copy_out(buf + done, &e, reclen))
			return done ? (long)done : -EFAULT;
		if (f->pos >= 2)
			last = n;
		f->pos++;
		done += reclen;
	}
}

long sys_getdents64(const long *a)
{
	struct file *f = file_get(ARG_INT(a, 0));
	long r;

	if (!f)
		return -EBADF;
	if (f->ops != &dir_ops) {
		r = -ENOTDIR;
	} else {
		uk_mutex_lock(&f->pos_lock);
		r = dir_fill(f, ARG_PTR(a, 1), ARG_SIZE(a, 2));
		uk_mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return r;
}

long sys_umask(const long *a)
{
	return __atomic_exchange_n(&fs.umask, ARG_INT(a, 0) & 0777, __ATOMIC_RELAXED);
}

/* ---- descriptors ---- */

long sys_lseek(const long *a)
{
	struct file *f = file_get(ARG_INT(a, 0));
	int64_t off = a[1], base = 0;
	long r = 0;

	if (!f)
		return -EBADF;
	if (!f->ops->seekable) {
		file_put(f);
		return -ESPIPE;
	}
	uk_mutex_lock(&f->pos_lock);
	switch (ARG_INT(a, 2)) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)f->pos;
		break;
	case SEEK_END:
		base = f->ops == &text_ops ? (int64_t)f->text_len : (int64_t)f->node->size;
		break;
	default:
		r = -EINVAL;
	}
	if (!r && (__builtin_add_overflow(base, off, &off) || off < 0))
		r = -EINVAL;
	if (!r) {
		/* A device has no positions; a folder's are numbers of entries. */
		f->pos = f->node->device && f->ops != &text_ops ? 0 : (uint64_t)off;
		r = (long)f->pos;
	}
	uk_mutex_unlock(&f->pos_lock);
	file_put(f);
	return r;
}

static long dup_from(int fd, int min, bool cloexec)
{
	struct file *f;
	int new;

	if (min < 0 || min >= FILES)
		return -EINVAL;
	f = file_get(fd);
	if (!f)
		return -EBADF;
	new = fd_install(f, min, cloexec);
	if (new < 0)
		file_put(f);
	return new;
}

static long dup_to(int fd, int new, bool cloexec)
{
	struct file *f, *old;

	if (new < 0 || new >= FILES)
		return -EBADF;
	f = file_get(fd);
	if (!f)
		return -EBADF;
	uk_spin_lock(&fs.lock);
	old = fs.file[new];
	fs.file[new] = f;
	set_cloexec_locked(new, cloexec);
	uk_spin_unlock(&fs.lock);
	file_put(old);
	return new;
}

long sys_dup(const long *a)
{
	return dup_from(ARG_INT(a, 0), 0, false);
}

long sys_dup2(const long *a)
{
	if (a[0] == a[1]) {
		struct file *f = file_get(ARG_INT(a, 0));

		file_put(f);
		return f ? ARG_INT(a, 1) : -EBADF;
	}
	return dup_to(ARG_INT(a, 0), ARG_INT(a, 1), false);
}

long sys_dup3(const long *a)
{
	if (ARG_INT(a, 0) == ARG_INT(a, 1) || (ARG_INT(a, 2) & ~O_CLOEXEC))
		return -EINVAL;
	return dup_to(ARG_INT(a, 0), ARG_INT(a, 1), ARG_INT(a, 2) & O_CLOEXEC);
}

long sys_fcntl(const long *a)
{
	const int settable = O_APPEND | O_NONBLOCK;
	int fd = ARG_INT(a, 0), old;
	struct file *f;
	long r = 0;

	if (ARG_INT(a, 1) == F_DUPFD || ARG_INT(a, 1) == F_DUPFD_CLOEXEC)
		return dup_from(fd, ARG_INT(a, 2), ARG_INT(a, 1) == F_DUPFD_CLOEXEC);
	f = file_get(fd);
	if (!f)
		return -EBADF;
	switch (ARG_INT(a, 1)) {
	case F_GETFD:
		uk_spin_lock(&fs.lock);
		r = fs.cloexec[fd / 64] >> (fd % 64) & 1;
		uk_spin_unlock(&fs.lock);
		break;
	case F_SETFD:
		uk_spin_lock(&fs.lock);
		set_cloexec_locked(fd, ARG_INT(a, 2) & FD_CLOEXEC);
		uk_spin_unlock(&fs.lock);
		break;
	case F_GETFL:
		r = __atomic_load_n(&f->flags, __ATOMIC_RELAXED) | O_LARGEFILE;
		break;
	case F_SETFL:
		old = __atomic_load_n(&f->flags, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&f->flags, &old, (old & ~settable) | (ARG_INT(a, 2) & settable),
						    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
		break;
	default:
		r = -EINVAL;
	}
	file_put(f);
	return r;
}

/* Nothing here is a terminal. */
long sys_ioctl(const long *a)
{
	struct file *f = file_get(ARG_INT(a, 0));

	file_put(f);
	return f ? -ENOTTY : -EBADF;
}

long sys_fsync(const long *a)
{
	struct file *f = file_get(ARG_INT(a, 0));
	bool stream = f && !f->ops->seekable;

	file_put(f);
	return !f ? -EBADF : stream ? -EINVAL : 0;
}

/* ---- poll and select ---- */

static int scan(struct abi_pollfd *p, unsigned n)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		struct file *f;
		int have;

		p[i].revents = 0;
		if (p[i].fd < 0)
			continue;
		f = file_get(p[i].fd);
		have = f ? f->ops->poll(f) : POLLNVAL;
		file_put(f);
		if (have & POLLIN)
			have |= POLLRDNORM;
		if (have & POLLOUT)
			have |= POLLWRNORM;
		p[i].revents = (int16_t)(have & (p[i].events | POLLERR | POLLHUP | POLLNVAL));
		ready += p[i].revents != 0;
	}
	return ready;
}

/* Standard input is the only file that can make somebody wait. */
static int wait_ready(struct abi_pollfd *p, unsigned n, uint64_t deadline)
{
	int ready = 0, r;

	/* without files too: a program may wait for a signal like that */
	thread_external_wait_begin();
	r = waitq_wait_intr(&console_input, (ready = scan(p, n)) != 0, deadline);
	thread_external_wait_end();
	return r == -EINTR ? -ERESTART_NOHAND : ready;
}

static long do_poll(struct abi_pollfd *user, unsigned n, uint64_t deadline)
{
	unsigned order = 0;
	struct abi_pollfd *p;
	paddr_t pa;
	long r;

	if (n > FILES)
		return -EINVAL;
	while ((PAGE_SIZE << order) < n * sizeof(*p))
		order++;
	pa = frame_alloc(order, 0);
	if (pa == FRAME_NONE)
		return -ENOMEM;
	p = arch_phys_to_virt(pa);
	r = posix_copy_in(p, user, n * sizeof(*p));
	if (!r)
		r = wait_ready(p, n, deadline);
	if (r >= 0 && posix_copy_out(user, p, n * sizeof(*p)))
		r = -EFAULT;
	frame_free(pa, order);
	return r;
}

long sys_poll(const long *a)
{
	int ms = ARG_INT(a, 2);

	return do_poll(ARG_PTR(a, 0), (unsigned)a[1], ms < 0 ? UINT64_MAX : posix_deadline_in((uint64_t)ms * 1000000));
}

/* The signal mask that goes with it. */
static long with_mask(const uint64_t *user, size_t size, uint64_t *old)
{
	struct posix_thread *pt = current_thread()->posix;
	uint64_t set;
	const long args[4] = { SIG_SETMASK, (long)(uintptr_t)user, 0, (long)size };

	*old = pt->mask;
	if (!user)
		return 0;
	if (posix_copy_in(&set, user, sizeof(set)))
		return -EFAULT;
	return sys_rt_sigprocmask(args);
}

long sys_ppoll(const long *a)
{
	struct posix_thread *pt = current_thread()->posix;
	uint64_t ns, old, deadline = UINT64_MAX;
	long r;

	if (a[2]) {
		r = posix_timespec_in(ARG_PTR(a, 2), &ns);
		if (r)
			return r;
		deadline = posix_deadline_in(ns);
	}
	r = with_mask(ARG_PTR(a, 3), ARG_SIZE(a, 4), &old);
	if (r)
		return r;
	r = do_poll(ARG_PTR(a, 0), (unsigned)a[1], deadline);
	if (a[3]) {
		/* On the way out after a signal the old mask comes back with the handler's frame, or before a restart. */
		pt->saved_mask = old;
		pt->restore_mask = true;
		if (r != -ERESTART_NOHAND)
			posix_signal_restore_mask();
	}
	return r;
}

long sys_select(const long *a)
{
	uint64_t in[FILES / 64] = { 0 }, out[FILES / 64] = { 0 }, deadline = UINT64_MAX;
	int n = ARG_INT(a, 0);
	size_t bytes = ALIGN_UP((size_t)MAX(n, 0), 64ul) / 8;
	struct abi_pollfd *p;
	struct abi_timeval tv;
	unsigned count = 0;
	paddr_t pa;
	long r, ready = 0;

	if (n < 0 || n > FILES)
		return -EINVAL;
	if ((a[1] && posix_copy_in(in, ARG_PTR(a, 1), bytes)) || (a[2] && posix_copy_in(out, ARG_PTR(a, 2), bytes)))
		return -EFAULT;
	if (a[4]) {
		if (posix_copy_in(&tv, ARG_PTR(a, 4), sizeof(tv)))
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0 || tv.sec > INT32_MAX)
			return -EINVAL;
		deadline = posix_deadline_in((uint64_t)tv.sec * NSEC_PER_SEC + (uint64_t)tv.usec * 1000);
	}
	pa = frame_alloc(1, 0); /* 1024 of them */
	if (pa == FRAME_NONE)
		return -ENOMEM;
	p = arch_phys_to_virt(pa);
	for (int fd = 0; fd < n; fd++) {
		bool want_in = in[fd / 64] >> (fd % 64) & 1, want_out = out[fd / 64] >> (fd % 64) & 1;

		if (want_in || want_out)
			p[count++] = (struct abi_pollfd){ fd,
							  (int16_t)((want_in ? POLLIN : 0) | (want_out ? POLLOUT : 0)),
							  0 };
	}
	r = wait_ready(p, count, deadline);
	memset(in, 0, sizeof(in));
	memset(out, 0, sizeof(out));
	for (unsigned i = 0; r >= 0 && i < count; i++) {
		if (p[i].revents & POLLNVAL) {
			r = -EBADF;
			break;
		}
		if (p[i].revents & POLLIN)
			in[p[i].fd / 64] |= 1ull << (p[i].fd % 64);
		if (p[i].revents & POLLOUT)
			out[p[i].fd / 64] |= 1ull << (p[i].fd % 64);
		ready += !!(p[i].revents & POLLIN) + !!(p[i].revents & POLLOUT);
	}
	frame_free(pa, 1);
	if (r < 0)
		return r;
	if ((a[1] && posix_copy_out(ARG_PTR(a, 1), in, bytes)) || (a[2] && posix_copy_out(ARG_PTR(a, 2), out, bytes)))
		return -EFAULT;
	if (a[3]) {
		memset(in, 0, sizeof(in));
		if (posix_copy_out(ARG_PTR(a, 3), in, bytes))
			return -EFAULT;
	}
	return ready;
}
