// SPDX-License-Identifier: BSD-3-Clause
/*
 * The chosen allocator as CHECK=memory presents it: a copy of its table in which the functions that hand out and take back
 * blocks are those of check/heap.c. Only part of such builds. Filled by the boot CPU while it is alone, constant from then on.
 */
#include "alloc/checked.h"

#include "check/check.h"

static struct tutti_allocator checked;

const struct tutti_allocator *allocator_checked(const struct tutti_allocator *a)
{
	const struct check_heap under = { .malloc = a->malloc, .calloc = a->calloc, .free = a->free };

	check_heap_init(&under);
	checked = *a;
	checked.malloc = check_malloc;
	checked.calloc = check_calloc;
	checked.realloc = check_realloc;
	checked.free = check_free;
	checked.posix_memalign = check_posix_memalign;
	checked.aligned_alloc = check_aligned_alloc;
	checked.memalign = check_memalign;
	checked.usable_size = check_usable_size;
	return &checked;
}
