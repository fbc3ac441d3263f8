# SPDX-License-Identifier: BSD-3-Clause
#
# musl: from its unpacked, unmodified sources to libc.a and to mallocng's objects.
#
# Compiled once per set of flags, in build/musl/<key>/, and shared by all configurations that use the same flags; the key
# contains a hash of the flags and of the override header, so nothing is rebuilt without need and nothing stale is kept.
# Two things are ours: the include path (libc/override/ comes first, so system calls become calls of tutti_syscall) and
# what is left out of the archive:
#  - six members with machine code that enters a kernel by instruction, and two that do more than they need to; libc/ supplies
#    them;
#  - malloc and its relatives: tutti's entry stubs (alloc/) carry these names. mallocng's objects get names of their own
#    with objcopy, and what they ask of the kernel goes to tutti_heap_* (ports/).
#
# For replay it is built once more: every access instrumented, and its atomics, which are inline assembly that a compiler cannot
# see into, replaced by libc/override/replay/. All of it may be: no line of it runs before the kernel can answer.

MUSL_SRC := $(SRCDIR)/musl
MUSL_OPT := $(if $(CONFIG_OPTIMIZE_SIZE),-Os -fomit-frame-pointer,-O2 -fno-omit-frame-pointer)
MUSL_FLAGS := $(MUSL_OPT) -g1 -fPIE -fno-stack-protector -fcf-protection=none -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-semantic-interposition $(THIRD_PARTY_CFLAGS)
MUSL_OVERRIDES := $(if $(THIRD_PARTY_CFLAGS),libc/override/replay) libc/override
MUSL_KEY := $(if $(CONFIG_OPTIMIZE_SIZE),size,speed)$(if $(THIRD_PARTY_CFLAGS),-replay)-$(shell { $(CC) --version | head -n 1; \
	echo '$(strip $(MUSL_FLAGS))'; cat $(patsubst %,%/*.h,$(MUSL_OVERRIDES)); } | sha256sum | cut -c1-8)
MUSL_DIR := build/musl/$(MUSL_KEY)
MUSL_DONE := $(MUSL_DIR)/.done

# Compiler flags for code that uses the C library's public headers, and for our replacements of parts of it, which see
# its internal ones too.
MUSL_CFLAGS := -nostdinc -isystem $(MUSL_DIR)/include -idirafter $(GCC_INCLUDE)
MUSL_INTERNAL_CFLAGS := -nostdinc -D_XOPEN_SOURCE=700 $(addprefix -isystem ,$(MUSL_OVERRIDES)) -isystem $(MUSL_SRC)/arch/x86_64 \
	-isystem $(MUSL_SRC)/arch/generic -isystem $(MUSL_DIR)/obj/src/internal -isystem $(MUSL_SRC)/src/include \
	-isystem $(MUSL_SRC)/src/internal -isystem $(MUSL_DIR)/obj/include -isystem $(MUSL_SRC)/include

# Supplied by libc/ ...
MUSL_OURS := thread/x86_64/__set_thread_area thread/x86_64/__unmapself thread/x86_64/clone signal/x86_64/restore \
	thread/x86_64/syscall_cp process/x86_64/vfork thread/pthread_spin_unlock thread/sem_wait
# ... and by the malloc entry stubs.
MUSL_MALLOC := malloc/calloc malloc/free malloc/libc_calloc malloc/lite_malloc malloc/memalign malloc/posix_memalign \
	malloc/realloc malloc/mallocng/aligned_alloc malloc/mallocng/donate malloc/mallocng/free \
	malloc/mallocng/malloc malloc/mallocng/malloc_usable_size malloc/mallocng/realloc

# mallocng's objects: all of the above that implement it; calloc knows which blocks are zero already.
MALLOCNG_PARTS := malloc/calloc malloc/mallocng/aligned_alloc malloc/mallocng/donate malloc/mallocng/free malloc/mallocng/malloc \
	malloc/mallocng/malloc_usable_size malloc/mallocng/realloc

ifdef COUNTING
$(MUSL_DONE): $(SRCDIR)/musl.stamp
	$(call say,CC,musl)
else
$(MUSL_DONE): $(SRCDIR)/musl.stamp
	$(call say,CC,musl)
	$(Q)rm -rf $(MUSL_DIR) && mkdir -p $(MUSL_DIR)
	$(Q)cd $(MUSL_DIR) && { $(CURDIR)/$(MUSL_SRC)/configure --disable-shared --disable-wrapper --target=x86_64 \
		CC='$(CC)' AR=ar RANLIB=ranlib CROSS_COMPILE= CFLAGS='$(MUSL_FLAGS) -ffile-prefix-map=$(CURDIR)/=' \
		&& sed -i '/^AOBJS/d' config.mak; } >configure.log 2>&1 || { cat configure.log >&2; exit 1; }
	$(Q)+cd $(MUSL_DIR) && $(PYTHON) $(CURDIR)/mk/watch.py musl build.log \
		$(MAKE) --no-print-directory --no-silent lib/libc.a install-headers \
		CFLAGS_C99FSE='-std=c99 -ffreestanding -nostdinc $(addprefix -I$(CURDIR)/,$(MUSL_OVERRIDES)) -w' \
		DESTDIR= includedir=$(CURDIR)/$(MUSL_DIR)/include
	$(Q)touch $@
endif

$(BASE)/musl: $(MUSL_DONE)
	$(Q)mkdir -p $(@D) && ln -sfn ../musl/$(MUSL_KEY) $@

# `ar q`, not `ar r`: two members may have the same name (both mallocng and stdio have such).
$(BASE)/libc.a: $(MUSL_DONE) libc/musl.mk
	$(call say,AR,libc.a)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)cd $(MUSL_DIR)/obj/src && find . -name '*.o' | sed 's,^\./,,' | LC_ALL=C sort \
		| grep -vxF $(foreach m,$(MUSL_OURS) $(MUSL_MALLOC),-e $(m).o) | xargs ar qcsD $(CURDIR)/$@

MALLOCNG_OBJS := $(foreach p,$(MALLOCNG_PARTS),$(BASE)/obj/ports/mallocng/upstream/$(notdir $(p)).o)

define mallocng_rule
$(BASE)/obj/ports/mallocng/upstream/$(notdir $(1)).o: $(MUSL_DONE) ports/mallocng/symbols.map
	$$(call say,OBJCOPY,$(1))
	$$(Q)mkdir -p $$(@D) && objcopy --redefine-syms=ports/mallocng/symbols.map $(MUSL_DIR)/obj/src/$(1).o $$@ \
		&& objcopy --redefine-sym malloc=mallocng_malloc $$@
endef
$(foreach p,$(MALLOCNG_PARTS),$(eval $(call mallocng_rule,$(p))))
