// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=check/memory.c,check/heap.c,check/report.c,arch/x86_64/stack.c,lib/fmt.c timeout=120
// host: cflags=-Itests/host/fake_check -Itests/host/fake -Iarch/soft -fno-builtin
// host: ldflags=-Xlinker --defsym=__text_start=__executable_start -Xlinker --defsym=__text_end=etext -Xlinker --defsym=__image_start=__executable_start
/*
 * Promises of check/memory.c and check/heap.c, with the calls the compiler would make written out: every kind of wrong access is
 * reported with its kind, its place in the block and the stacks of allocation and freeing; what is allowed never is; the heap
 * keeps the promises of malloc and its relatives; freed blocks stay away for a while, and what is kept has a bound.
 *
 * The shadow is mapped where it is on the host platform. Each case is a process of its own, because a report ends the run.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/check.h"
#include "check/shadow.h"
#include "../../plat/plat.h" /* not the fake: its functions are defined here */
#include "tests/host/fake_check/said.h"
#include "sync/percpu.h"

void __asan_load1_noabort(uintptr_t);
void __asan_load4_noabort(uintptr_t);
void __asan_store1_noabort(uintptr_t);
void __asan_store8_noabort(uintptr_t);
void __asan_store16_noabort(uintptr_t);
void __asan_loadN_noabort(uintptr_t, size_t);
void __asan_storeN_noabort(uintptr_t, size_t);
void __asan_alloca_poison(uintptr_t, size_t);
void __asan_allocas_unpoison(uintptr_t, uintptr_t);
void __asan_poison_stack_memory(uintptr_t, size_t);
void __asan_handle_no_return(void);
void __asan_register_globals(const void *, size_t);
void __asan_unregister_globals(const void *, size_t);

#define LOAD1(p)    __asan_load1_noabort((uintptr_t)(p))
#define LOAD4(p)    __asan_load4_noabort((uintptr_t)(p))
#define STORE1(p)   __asan_store1_noabort((uintptr_t)(p))
#define STORE8(p)   __asan_store8_noabort((uintptr_t)(p))
#define STORE(p, n) __asan_storeN_noabort((uintptr_t)(p), (n))
#define LOAD(p, n)  __asan_loadN_noabort((uintptr_t)(p), (n))

#define MEMORY	  (64ul << 20)
#define EXPECT(x) (void)((x) || (printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #x), fflush(stdout), _exit(1), 0))

/* ---- the machine ---- */

bool plat_crash_begun;

bool arch_safe_read(uintptr_t addr, uint64_t *value)
{
	*value = *(const volatile uint64_t *)addr;
	return true;
}

const struct plat_bootinfo *plat_bootinfo(void)
{
	static const struct plat_bootinfo info = { .mem = { { 0, MEMORY } }, .mem_count = 1 };

	return &info;
}

void *plat_reserve_fixed(uintptr_t addr, size_t len)
{
	void *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The allocator behind: counts what it has given. */
static size_t under_live, under_refuse;

static void *under_malloc(size_t n)
{
	void *p = __atomic_load_n(&under_refuse, __ATOMIC_RELAXED) ? NULL : malloc(n);

	if (!p)
		errno = ENOMEM;
	else
		__atomic_add_fetch(&under_live, n, __ATOMIC_RELAXED);
	return p;
}

static void *under_calloc(size_t m, size_t n)
{
	void *p = calloc(m, n);

	if (p)
		__atomic_add_fetch(&under_live, m * n, __ATOMIC_RELAXED);
	return p;
}

static size_t under_freed;

static void under_free(void *p)
{
	under_freed++;
	free(p);
}

/* ---- right ---- */

static void allowed(void)
{
	char *p = check_malloc(13), *q, *big;
	void *v = NULL;

	EXPECT(p && (uintptr_t)p % 16 == 0 && check_usable_size(p) == 13);
	STORE(p, 13);
	for (int i = 0; i < 13; i++)
		STORE1(p + i);
	LOAD(p + 5, 8);
	STORE8(p + 5); /* over two granules, the second in part */
	memcpy(p, "twelve bytes", 13);
	q = check_realloc(p, 5000);
	EXPECT(q && !memcmp(q, "twelve bytes", 13) && q != p);
	STORE(q, 5000);
	q = check_realloc(q, 3);
	EXPECT(!memcmp(q, "twe", 3) && check_usable_size(q) == 3);
	check_free(q);
	check_free(NULL);

	p = check_calloc(100, 7);
	for (int i = 0; i < 700; i++)
		EXPECT(!p[i]);
	LOAD(p, 700);
	check_free(p);
	errno = 0;
	EXPECT(!check_calloc(SIZE_MAX / 2, 3) && errno == ENOMEM);
	errno = 0;
	EXPECT(!check_malloc(SIZE_MAX - 8) && errno == ENOMEM);
	EXPECT(!check_malloc(PTRDIFF_MAX) && errno == ENOMEM);

	for (size_t align = 8; align <= 65536; align *= 2) {
		EXPECT(!check_posix_memalign(&v, align, 100) && (uintptr_t)v % align == 0);
		STORE(v, 100);
		check_free(v);
		v = check_aligned_alloc(align, 3 * align);
		EXPECT(v && (uintptr_t)v % align == 0 && check_usable_size(v) == 3 * align);
		STORE(v, 3 * align);
		check_free(v);
	}
	EXPECT(check_posix_memalign(&v, 3, 1) == EINVAL && check_posix_memalign(&v, 4, 1) == EINVAL);
	errno = 0;
	EXPECT(!check_memalign(24, 1) && errno == EINVAL);
	v = check_memalign(1, 10);
	EXPECT(v);
	check_free(v);
	v = check_malloc(0);
	EXPECT(v && v != check_malloc(0) && check_usable_size(v) == 0);
	check_free(v);

	big = check_malloc(3 << 20);
	STORE(big, 3 << 20);
	LOAD1(big + (3 << 20) - 1);
	check_free(big);
}

/* Refused memory: quarantine is emptied, then NULL. */
static void refused(void)
{
	void *p = check_malloc(1000), *q = check_malloc(10);

	check_free(q);
	under_freed = 0;
	under_refuse = 1;
	errno = 0;
	EXPECT(!check_malloc(10) && errno == ENOMEM && under_freed == 1);
	errno = 7;
	EXPECT(check_posix_memalign(&q, 16, 10) == ENOMEM && errno == 7);
	EXPECT(!check_realloc(p, 2000));
	STORE(p, 1000); /* still there */
	under_refuse = 0;
	check_free(p);
}

/* Freed blocks come back late, but come back; the shadow of what came back is clean. */
static void quarantine_bound(void)
{
	size_t freed = 0;
	char *first = check_malloc(10000), *raw;

	check_free(first);
	under_freed = 0;
	for (; !under_freed && freed < 2 * MEMORY; freed += 10000) {
		char *p = check_malloc(10000);

		EXPECT(p != first);
		check_free(p);
	}
	EXPECT(freed > MEMORY / 32 && freed < MEMORY / 8);
	raw = under_malloc(10000 + 128);
	STORE(raw, 10000 + 128);
}

static void stacks(void)
{
	static char area[4096] __attribute__((aligned(64)));

	__asan_alloca_poison((uintptr_t)area + 64, 13);
	STORE(area + 64, 13);
	__asan_allocas_unpoison((uintptr_t)area, (uintptr_t)area + 512);
	STORE(area, 512);
	check_memory_take(area, 1000);
	check_memory_give(area, 1000);
	STORE(area, 1000);
	/* a kernel stack whose frames are left for good */
	fake_set_cpu(0);
	fake_percpu.kstack_base = (uintptr_t)__builtin_frame_address(0) - 65536;
	fake_percpu.kstack_top = ((uintptr_t)__builtin_frame_address(0) & -16ul) + 1024;
	__asan_poison_stack_memory(((uintptr_t)__builtin_frame_address(0) & -16ul) + 64, 64);
	__asan_handle_no_return();
	STORE((char *)((uintptr_t)__builtin_frame_address(0) & -16ul) + 64, 64);
}

static void forgotten(void)
{
	const size_t len = 64ul << 20;
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t i = 4096; i < len; i += 4096 * 64)
		check_memory_take(map + i, 64);
	check_memory_take(map + len, 64); /* the neighbour keeps its own */
	check_memory_forget((uintptr_t)map + 4096, 8192);
	STORE(map + 4096, 8192);
	check_memory_forget((uintptr_t)map, len);
	STORE(map, len);
	LOAD1(map + len);
}

/* Wild addresses have no shadow and are left to the processor. */
static void wild(void)
{
	LOAD1(0x8000000000000000ul);
	STORE8(0xfffffffffffffff8ul);
	LOAD(0x7ffffffffff8ul, 100);
	LOAD4(0);
}

#define THREADS 4

static void *churn(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 77 + 1;
	char *held[64] = { 0 };
	size_t size[64];

	fake_set_cpu((unsigned)(uintptr_t)arg);
	for (int i = 0; i < 60000; i++) {
		unsigned slot;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		slot = seed % 64;
		if (held[slot]) {
			for (size_t j = 0; j < size[slot]; j += 16)
				EXPECT(held[slot][j] == (char)slot);
			LOAD(held[slot], size[slot]);
			check_free(held[slot]);
			held[slot] = NULL;
		} else {
			size[slot] = 1 + (seed >> 20) % (seed & 1 << 30 ? 300 : 5000);
			held[slot] = check_malloc(size[slot]);
			STORE(held[slot], size[slot]);
			memset(held[slot], (int)slot, size[slot]);
		}
	}
	return NULL;
}

static void many_threads(void)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* ---- wrong ---- */

static char *volatile p;

static void past_end(void)
{
	p = check_malloc(10);
	STORE1(p + 10);
}

static void far_past_end(void)
{
	p = check_malloc(64);
	LOAD4(p + 80);
}

static void before_start(void)
{
	p = check_malloc(10);
	STORE1(p - 3);
}

static void straddling(void)
{
	p = check_malloc(12);
	STORE8(p + 8);
}

static void range_past_end(void)
{
	p = check_malloc(100000);
	STORE(p, 100001);
}

static void sixteen(void)
{
	p = check_malloc(24);
	__asan_store16_noabort((uintptr_t)p + 16);
}

static void of_nothing(void)
{
	p = check_malloc(0);
	LOAD1(p);
}

static void after_free(void)
{
	p = check_malloc(20);
	check_free(p);
	LOAD4(p + 8);
}

static void after_realloc(void)
{
	char *q;

	p = check_malloc(20);
	q = check_realloc(p, 30);
	STORE1(q + 29);
	STORE1(p);
}

static void twice(void)
{
	p = check_malloc(20);
	check_free(p);
	check_free(p);
}

static void middle(void)
{
	p = check_malloc(20);
	check_free(p + 16);
}

static void odd(void)
{
	p = check_malloc(20);
	check_free(p + 1);
}

static void stranger(void)
{
	static char local[64] __attribute__((aligned(16)));

	check_free(local + 16);
}

static void usable_of_freed(void)
{
	p = check_malloc(20);
	check_free(p);
	check_usable_size(p);
}

static void *free_it(void *arg)
{
	fake_set_cpu((unsigned)(uintptr_t)arg);
	check_free(p);
	return NULL;
}

static void two_at_once(void)
{
	pthread_t t[2];

	p = check_malloc(20);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, free_it, (void *)i);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static struct {
	char data[64];
} globals[2] __attribute__((aligned(64)));

static void global(void)
{
	static const struct {
		uintptr_t start;
		size_t size, room;
		const char *name, *module;
		uintptr_t rest[3];
	} list[] = { { (uintptr_t)&globals[0], 10, 64, "first", "a.c", { 0 } },
		     { (uintptr_t)&globals[1], 32, 64, "second", "b.c", { 0 } } };

	__asan_register_globals(list, 2);
	STORE(&globals[0], 10);
	STORE(&globals[1], 32);
	LOAD1(&globals[0].data[12]);
}

/* A frame as gcc 12 lays it out: margin with magic and description, variables, margins. */
static void frame(void)
{
	static uint64_t stack[64] __attribute__((aligned(64)));
	uint8_t *shadow = (uint8_t *)(CHECK_SHADOW_START + (uintptr_t)stack / 8);

	stack[0] = 0x41b58ab3;
	stack[1] = (uintptr_t) "2 32 4 3 n:7 64 20 5 buf:9";
	memset(shadow, 0xf1, 4);
	memset(shadow + 4, 0xf2, 4);
	shadow[4] = 4;
	memset(shadow + 8, 0, 2);
	shadow[10] = 4;
	memset(shadow + 11, 0xf3, 5);
	STORE((char *)stack + 64, 20);
	LOAD4((char *)stack + 32);
	STORE1((char *)stack + 85);
}

static void scope(void)
{
	static char area[64] __attribute__((aligned(64)));

	__asan_poison_stack_memory((uintptr_t)area, 32);
	LOAD1(area + 4);
}

static void alloca_end(void)
{
	static char area[256] __attribute__((aligned(64)));

	__asan_alloca_poison((uintptr_t)area + 64, 40);
	STORE1(area + 64 + 40);
}

static void taken(void)
{
	static char area[4096] __attribute__((aligned(4096)));

	check_memory_take(area + 16, sizeof(area) - 16);
	LOAD(area, 16);
	LOAD4(area + 16);
}

/* ---- */

static const struct {
	const char *name;
	void (*fn)(void);
	const char *said[3]; /* nothing: it is right */
} cases[] = {
	{ "allowed", allowed, { 0 } },
	{ "refused", refused, { 0 } },
	{ "quarantine", quarantine_bound, { 0 } },
	{ "stacks", stacks, { 0 } },
	{ "wild", wild, { 0 } },
	{ "threads", many_threads, { 0 } },
	{ "forgotten", forgotten, { "use of kernel memory that nobody has" } },
	{ "past end",
	  past_end,
	  { "heap-buffer-overflow: write of 1 byte at 0x", ", 0 bytes after a block of 10 bytes\n",
	    "was allocated by:\n    0x" } },
	{ "far past end",
	  far_past_end,
	  { "heap-buffer-overflow: read of 4 bytes", ", 16 bytes after a block of 64 bytes\n" } },
	{ "before start",
	  before_start,
	  { "heap-buffer-underflow: write of 1 byte", ", 3 bytes before a block of 10 bytes\n" } },
	{ "straddling",
	  straddling,
	  { "heap-buffer-overflow: write of 8 bytes", ", 0 bytes after a block of 12 bytes\n" } },
	{ "range", range_past_end, { "write of 100001 bytes", ", 0 bytes after a block of 100000 bytes\n" } },
	{ "sixteen", sixteen, { "write of 16 bytes", ", 0 bytes after a block of 24 bytes\n" } },
	{ "of nothing", of_nothing, { "read of 1 byte", ", 0 bytes after a block of 0 bytes\n" } },
	{ "after free",
	  after_free,
	  { "heap-use-after-free: read of 4 bytes", ", 8 bytes into a freed block of 20 bytes\n",
	    "was freed by:\n    0x" } },
	{ "after realloc",
	  after_realloc,
	  { "heap-use-after-free: write of 1 byte", ", 0 bytes into a freed block of 20 bytes\n" } },
	{ "twice", twice, { "double free: of 0x", "a block of 20 bytes\n", "was freed by:\n    0x" } },
	{ "middle", middle, { "invalid free: 0x", "was not returned by malloc, 16 bytes into a block of 20 bytes\n" } },
	{ "odd", odd, { "invalid free: 0x", ", 1 byte into a block of 20 bytes\n" } },
	{ "stranger", stranger, { "invalid free: 0x", "was not returned by malloc\n" } },
	{ "usable size", usable_of_freed, { "double free" } },
	{ "two at once", two_at_once, { "double free: of 0x", "a block of 20 bytes\n" } },
	{ "global",
	  global,
	  { "global-buffer-overflow: read of 1 byte", ", 2 bytes after global variable 'first' of 10 bytes (a.c)\n" } },
	{ "frame",
	  frame,
	  { "stack-buffer-overflow: write of 1 byte", ", 1 byte after local variable 'buf' of 20 bytes\n" } },
	{ "scope", scope, { "stack-use-after-scope: read of 1 byte" } },
	{ "alloca", alloca_end, { "dynamic-stack-buffer-overflow: write of 1 byte" } },
	{ "taken", taken, { "use of kernel memory that nobody has", "read of 4 bytes" } },
};

static void run(unsigned i)
{
	char text[sizeof(said) + 1] = "";
	const bool wrong = cases[i].said[0];
	int pipefd[2], status;
	bool good;
	size_t len = 0;
	ssize_t n;
	pid_t child;

	if (pipe(pipefd))
		exit(1);
	fflush(stdout);
	child = fork();
	if (!child) {
		const struct check_heap under = { under_malloc, under_calloc, under_free };

		dup2(pipefd[1], 3);
		alarm(60);
		if (!plat_reserve_fixed(CHECK_SHADOW_START, CHECK_SHADOW_SIZE)) {
			puts("no address space for the shadow here");
			fflush(stdout);
			_exit(77);
		}
		check_heap_init(&under);
		cases[i].fn();
		_exit(0);
	}
	close(pipefd[1]);
	while (len < sizeof(text) - 1 && (n = read(pipefd[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(pipefd[0]);
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		exit(77);
	printf("%-14s %.*s\n", cases[i].name, (int)strcspn(text, "\n"), text);
	good = WIFEXITED(status) && WEXITSTATUS(status) == (wrong ? 134 : 0);
	for (unsigned j = 0; good && j < 3 && cases[i].said[j]; j++)
		good = strstr(text, cases[i].said[j]) != NULL;
	if (!good) {
		printf("%s: status 0x%x\n%s", cases[i].name, (unsigned)status, text);
		exit(1);
	}
}

int main(void)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run(i);
	return 0;
}
