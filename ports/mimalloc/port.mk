# SPDX-License-Identifier: BSD-3-Clause
#
# mimalloc: upstream's src/static.c, unmodified, without its malloc override, against musl's headers; what it asks of the
# kernel goes to tutti_heap_*. The pinned 2.0.9, or any 2.x or 3.x with ALLOC_SRC_mimalloc=DIR.

MIMALLOC_SRC := $(or $(ALLOC_SRC_mimalloc),$(SRCDIR)/mimalloc)
MIMALLOC_OUT := $(if $(ALLOC_SRC_mimalloc),$(BUILD),$(BASE))/obj/ports/mimalloc/upstream
MIMALLOC_OBJ := $(MIMALLOC_OUT)/static.o
MIMALLOC_VERSION = $(shell sed -n 's/^\#define MI_MALLOC_VERSION  *\([0-9]*\).*/\1/p' $(MIMALLOC_SRC)/include/mimalloc.h)

# Plain names, so that they also take the place of the declarations in musl's headers.
MIMALLOC_CFLAGS := -DNDEBUG -fno-builtin-malloc -Dmmap=tutti_heap_mmap -Dmunmap=tutti_heap_munmap -Dmprotect=tutti_heap_mprotect \
	-Dmadvise=tutti_heap_madvise
# Asked for by 2.2 and later, unknown to and ignored by 2.0.9: musl's headers do not say who they are; and an arena is
# reserved lazily, since a small machine has no GiB to commit.
MIMALLOC_CFLAGS += $(if $(ALLOC_SRC_mimalloc),-DMI_LIBC_MUSL=1 -DMI_DEFAULT_ARENA_EAGER_COMMIT=0)

PORT_INCLUDE_mimalloc := -isystem $(MIMALLOC_SRC)/include

ifdef ALLOC_SRC_mimalloc
ifeq ($(wildcard $(MIMALLOC_SRC)/src/static.c),)
$(error tutti: $(MIMALLOC_SRC) is not a mimalloc source tree: it has no src/static.c)
endif
PORT_READY_mimalloc :=
else
PORT_READY_mimalloc := $(SRCDIR)/mimalloc.stamp
$(MIMALLOC_OBJ): $(SRCDIR)/mimalloc.stamp
endif

$(MIMALLOC_OBJ): ports/mimalloc/port.mk mk/flags.mk $(MUSL_DONE)
	$(call say,CC,mimalloc)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 $(PORT_CFLAGS) $(MUSL_CFLAGS) $(MIMALLOC_CFLAGS) -I$(MIMALLOC_SRC)/include \
		-MMD -MP -c $(MIMALLOC_SRC)/src/static.c -o $@

PORT_OBJS += $(if $(CONFIG_ALLOC_MIMALLOC),$(MIMALLOC_OBJ))
