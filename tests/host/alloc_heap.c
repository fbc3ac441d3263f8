/* SPDX-License-Identifier: BSD-3-Clause */
// host: srcs=alloc/alloc.c,alloc/region.c,alloc/buddy.c,alloc/registry.c,ports/heap.c,ports/uk.c,ports/buddy/buddy_heap.c,ports/region/region_heap.c cflags=-Itests/host/fake,-D_GNU_SOURCE,-Wshadow sanitize=address,undefined,thread
/*
 * The boot choices `region` and `buddy` with their growing heaps, on a machine of 64 MiB that is played here:
 * reservations, commits that are charged page by page and refused when there is no more. Each grows with use and no
 * faster, survives refused commits, tells what is left, gives NULL and ENOMEM at the end and works again afterwards;
 * from four threads at once.
 */
#include <arch/image.h>

#include "alloc/allocator.h"
#include "alloc_common.h"
#include "mm/frames.h"
#include "mm/mm.h"
#include "posix/syscall.h"
#include "uk/spinlock.h"

#define MACHINE_PAGES 16384ul

__attribute__((visibility("hidden"))) unsigned char malloc_entry_stubs[8 * 16];
__asm__(".globl malloc_entry_stubs_end\n.hidden malloc_entry_stubs_end\n.set malloc_entry_stubs_end, malloc_entry_stubs + 128");

static struct {
	pthread_mutex_t lock;
	unsigned long charged; /* pages */
	unsigned long commits; /* calls */
	struct {
		uintptr_t base;
		size_t pages;
		unsigned char *charged; /* per page */
	} map[16];
	unsigned maps;
} machine = { .lock = PTHREAD_MUTEX_INITIALIZER };

int arch_text_write(void *text, const void *bytes, size_t len)
{
	memcpy(text, bytes, len);
	return 0;
}

void frame_stats(struct frame_stats *s)
{
	pthread_mutex_lock(&machine.lock);
	*s = (struct frame_stats){ .total = MACHINE_PAGES,
				   .free = MACHINE_PAGES,
				   .committed = machine.charged,
				   .heap = MACHINE_PAGES - machine.charged };
	pthread_mutex_unlock(&machine.lock);
}

static int charge(uintptr_t addr, size_t len)
{
	int err = -ENOMEM;

	pthread_mutex_lock(&machine.lock);
	for (unsigned i = 0; i < machine.maps; i++) {
		uintptr_t off = addr - machine.map[i].base;
		unsigned long more = 0;

		if (off >= machine.map[i].pages * 4096)
			continue;
		CHECK(off % 4096 == 0 && len % 4096 == 0 && off + len <= machine.map[i].pages * 4096);
		for (size_t p = off / 4096; p < (off + len) / 4096; p++)
			more += !machine.map[i].charged[p];
		if (machine.charged + more <= MACHINE_PAGES) {
			machine.charged += more;
			memset(machine.map[i].charged + off / 4096, 1, len / 4096);
			CHECK(!mprotect((void *)addr, len, PROT_READ | PROT_WRITE));
			err = 0;
		}
		break;
	}
	machine.commits++;
	pthread_mutex_unlock(&machine.lock);
	return err;
}

long mm_mmap(uintptr_t addr, size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(!addr && (flags & MM_MAP_HEAP) && p != MAP_FAILED && machine.maps < 16);
	len = (len + 4095) & ~4095ul;
	machine.map[machine.maps].base = (uintptr_t)p;
	machine.map[machine.maps].pages = len / 4096;
	machine.map[machine.maps].charged = calloc(len / 4096, 1);
	machine.maps++;
	return prot && charge((uintptr_t)p, len) ? -ENOMEM : (long)p;
}

long tutti_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	CHECK(fake_preempt_count() == 0);
	switch (nr) {
	case 10:
		CHECK(c == 3);
		return charge((uintptr_t)a, (size_t)b);
	default:
		return -ENOSYS;
	}
}

static void c_names(const struct tutti_allocator *t)
{
	void *v;
	char *p = t->malloc(0), *q = t->malloc(0);

	CHECK(p && q && p != q && t->usable_size(p) >= 1 && t->usable_size(NULL) == 0);
	p = t->realloc(p, 0);
	CHECK(p);
	t->free(p);
	p = t->calloc(0, 5);
	CHECK(p);
	t->free(p);
	errno = 0;
	CHECK(!t->calloc(SIZE_MAX / 2, 3) && errno == ENOMEM);
	errno = 0;
	CHECK(!t->malloc(SIZE_MAX - 4100) && errno == ENOMEM);
	CHECK(!t->posix_memalign(&v, 65536, 0) && (uintptr_t)v % 65536 == 0);
	t->free(v);
	CHECK(t->posix_memalign(&v, 12, 1) == EINVAL);
	errno = 0;
	CHECK(!t->aligned_alloc(24, 24) && errno == EINVAL);
	for (size_t al = 1; al < 65536; al *= 2) {
		p = t->aligned_alloc(al, 5);
		CHECK(p && (uintptr_t)p % al == 0);
		t->free(p);
	}
	t->free(NULL);
}

static void one(const char *name, bool frees)
{
	const struct tutti_allocator *t = allocator_find(name);
	unsigned long before = machine.charged, commits;
	struct uk_alloc *a;
	void **list = NULL, **p;
	size_t got = 0, n = 0;
	long avail;

	CHECK(t && !strcmp(t->name, name) && t->description[0]);
	CHECK(!t->init());
	a = t->uk();
	/* tables: at most 1 % of the machine */
	CHECK(machine.charged - before <= MACHINE_PAGES / 100);
	avail = uk_alloc_availmem(a);
	CHECK(avail > 60l << 20 && avail < 64l << 20);
	CHECK(uk_alloc_maxalloc(a) >= (31l << 20) && uk_alloc_maxalloc(a) < avail);
	c_names(t);
	before = machine.charged;
	CHECK(t->malloc(100));
	CHECK(machine.charged - before <= 256);
	CHECK(t->malloc((5 << 20) + 1));
	CHECK(machine.charged - before <= 256 + (frees ? 2048 : 1536));
	p = t->malloc((size_t)uk_alloc_maxalloc(a));
	CHECK(p);
	t->free(p);
	if (frees) {
		p = t->malloc((size_t)uk_alloc_maxalloc(a));
		CHECK(p);
		t->free(p);
		torture_all(a, 4, 5000, 200000);
	} else {
		CHECK(!t->malloc(1 << 20) && errno == ENOMEM);
	}
	for (size_t size = 1 << 20; size >= 16; size /= 16)
		while ((p = t->malloc(size))) {
			*p = list;
			list = p;
			got += size;
			n++;
		}
	CHECK(errno == ENOMEM && (!frees || got > 16 << 20));
	CHECK(MACHINE_PAGES - machine.charged < 32);
	CHECK(uk_alloc_maxalloc(a) <= 65536);
	commits = machine.commits;
	while ((p = list)) {
		list = *p;
		t->free(p);
	}
	CHECK(machine.commits == commits);
	if (frees) {
		CHECK(uk_alloc_availmem(a) > 50l << 20);
		for (int i = 0; i < 100; i++) {
			p = t->malloc(1 << 20);
			CHECK(p);
			t->free(p);
		}
		/* with all memory committed, and from another machine's memory once there is none left to commit */
		torture_all(a, 4, 5000, 200000);
		CHECK(!uk_alloc_addmem(a, pages(80 << 20), 80 << 20));
		p = t->malloc(20 << 20);
		CHECK(p);
		t->free(p);
	}
	printf("%s: %lu commits, %zu objects at the end\n", name, machine.commits, n);
	/* a new machine */
	machine.charged = machine.commits = 0;
}

/* Four threads grow the same heap until the machine refuses. */
static void *grower(void *arg)
{
	const struct tutti_allocator *t = arg;
	unsigned long n = 0;
	long *p;

	while ((p = t->malloc(3000))) {
		*p = (long)&n;
		CHECK(*p == (long)&n);
		n++;
	}
	CHECK(errno == ENOMEM);
	return (void *)n;
}

static void together(const char *name, unsigned long least)
{
	const struct tutti_allocator *t = allocator_find(name);
	pthread_t th[4];
	unsigned long n = 0;
	void *r;

	CHECK(!t->init());
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&th[i], NULL, grower, (void *)(uintptr_t)t));
	for (int i = 0; i < 4; i++) {
		pthread_join(th[i], &r);
		n += (unsigned long)r;
	}
	CHECK(n >= least);
	machine.charged = machine.commits = 0;
}

int main(void)
{
	one("buddy", true);
	one("region", false);
	together("buddy", MACHINE_PAGES * 98 / 100);
	together("region", MACHINE_PAGES * 13 / 10);
	puts("ok");
	return 0;
}
