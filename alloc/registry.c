/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The choice at boot: find an allocator by name, initialise and register it, and aim the malloc entry stubs at it.
 *
 * Allocators are found through the section `tutti_allocators` (TUTTI_ALLOCATOR() in alloc/allocator.h), so that
 * leaving one out of the image takes no change here. The choice is made once, by the boot CPU, before any other CPU
 * runs and before text is sealed; after that everything in this file is constant, which is why there is no lock. Order
 * in the list: by link order; the names decide, not the order.
 *
 * Stubs: malloc_entry.S holds one `jmp rel32` per function. choose() aims a copy of them, has it written over the text
 * (arch_text_write(), possible until mm_seal()), then executes a serializing instruction (Intel SDM vol. 3, 9.1.3:
 * self-modifying code through another linear address). A call of malloc() is therefore one direct jump and nothing
 * else.
 */
#include "alloc/allocator.h"

#include <uk/alloc_impl.h>

#include "alloc/checked.h"
#include <arch/image.h>

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/util.h"
#include "plat/plat.h"

extern const struct tutti_allocator *const __start_tutti_allocators[] __attribute__((visibility("hidden")));
extern const struct tutti_allocator *const __stop_tutti_allocators[] __attribute__((visibility("hidden")));

/* In the order of malloc_entry.S: a one-byte opcode, then the offset from the end of the instruction. */
#define STUB_SIZE  16
#define JMP_LENGTH 5
extern const unsigned char malloc_entry_stubs[] __attribute__((visibility("hidden")));
extern const unsigned char malloc_entry_stubs_end[] __attribute__((visibility("hidden")));

static struct {
	const struct tutti_allocator *chosen;
} registry;

void malloc_entry_unset(void);

const struct tutti_allocator *allocator_at(unsigned i)
{
	return i < (size_t)(__stop_tutti_allocators - __start_tutti_allocators) ? __start_tutti_allocators[i] : NULL;
}

const struct tutti_allocator *allocator_find(const char *name)
{
	const struct tutti_allocator *a;

	for (unsigned i = 0; (a = allocator_at(i)); i++)
		if (str_eq(a->name, name))
			return a;
	return NULL;
}

const struct tutti_allocator *allocator_chosen(void)
{
	return registry.chosen;
}

static void serialize(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

static void aim_stub(unsigned char *copy, unsigned i, uintptr_t target)
{
	const unsigned char *stub = malloc_entry_stubs + i * STUB_SIZE;
	long rel = (long)(target - ((uintptr_t)stub + JMP_LENGTH));
	int32_t rel32 = (int32_t)rel;

	/* all of it is in one image */
	UK_CHECK(target && rel == rel32 && stub[0] == 0xe9);
	memcpy(copy + i * STUB_SIZE + 1, &rel32, sizeof(rel32));
}

int allocator_choose(const struct tutti_allocator *a)
{
	const struct tutti_allocator *const e = allocator_checked(a);
	const uintptr_t targets[] = {
		(uintptr_t)e->malloc,	(uintptr_t)e->calloc,	      (uintptr_t)e->realloc,
		(uintptr_t)e->free,	(uintptr_t)e->posix_memalign, (uintptr_t)e->aligned_alloc,
		(uintptr_t)e->memalign, (uintptr_t)e->usable_size,
	};
	unsigned char stubs[ARRAY_SIZE(targets) * STUB_SIZE];
	int err;

	if (registry.chosen)
		return -EBUSY;
	err = a->init();
	if (err)
		return err;
	err = uk_alloc_register(a->uk());
	/* an allocator whose own set-up registers it may have done so, but it has to be the first */
	if ((err && err != -EEXIST) || uk_alloc_get_default() != a->uk())
		return err ? err : -EBUSY;
	UK_CHECK(malloc_entry_stubs_end - malloc_entry_stubs == (long)sizeof(stubs));
	memcpy(stubs, malloc_entry_stubs, sizeof(stubs));
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++)
		aim_stub(stubs, i, targets[i]);
	err = arch_text_write((void *)(uintptr_t)malloc_entry_stubs, stubs, sizeof(stubs));
	if (err)
		return err;
	serialize();
	registry.chosen = a;
	return 0;
}

/* Where the stubs point until then. */
void malloc_entry_unset(void)
{
	plat_crash(NULL, "malloc or a relative was called before the allocator was chosen (allocator_choose)");
}
