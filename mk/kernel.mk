# SPDX-License-Identifier: BSD-3-Clause
#
# One configuration of tutti for one platform: build/$(VARIANT)/{tutti.o,libc.a,link.json,gen/config.h}.
#
#   make -f mk/kernel.mk [CONFIG=default] [PLAT=vm|host] [CHECK=race|memory|undefined|replay] [ALLOC_SRC_mimalloc=DIR]
#        [PLANT=NAME] [V=1] [WERROR=1] [all|print-builddir]
#
# VARIANT is CONFIG, `-host` for that platform, `-KIND` for a checked build. With ALLOC_SRC_mimalloc the result goes to
# build/$(VARIANT)+mimalloc-<hash of DIR>/; all that does not depend on the allocator's source is shared with
# build/$(VARIANT)/. PLANT builds the kernel with a bug in it, tests/planted/NAME.patch, in build/$(VARIANT)+plant-NAME/,
# and shares all but the patched sources. The root Makefile runs set-up first; this one only builds.

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += -rR

CONFIG ?= default
PLAT ?= vm
CHECK ?=
PLANT ?=
CC := gcc
LD := ld
OBJCOPY := objcopy
PYTHON ?= python3
SRCDIR := build/src
VARIANT := $(CONFIG)$(if $(filter host,$(PLAT)),-host)$(addprefix -,$(CHECK))
BASE := build/$(VARIANT)
ifdef ALLOC_SRC_mimalloc
override ALLOC_SRC_mimalloc := $(abspath $(ALLOC_SRC_mimalloc))
BUILD := $(BASE)+mimalloc-$(shell printf %s '$(ALLOC_SRC_mimalloc)' | sha256sum | cut -c1-8)
else ifneq ($(PLANT),)
BUILD := $(BASE)+plant-$(PLANT)
else
BUILD := $(BASE)
endif

ifeq ($(wildcard configs/$(CONFIG).config),)
$(error tutti: no configuration $(CONFIG); known: $(patsubst configs/%.config,%,$(wildcard configs/*.config)))
endif

ifneq ($(filter-out vm host,$(PLAT))$(words $(PLAT)),1)
$(error tutti: no platform $(PLAT); known: vm host)
endif
ifneq ($(filter-out race memory undefined replay,$(CHECK)),)
$(error tutti: no check $(CHECK); known: race memory undefined replay)
endif

ifneq ($(PLANT),)
ifdef ALLOC_SRC_mimalloc
$(error tutti: PLANT and ALLOC_SRC_mimalloc are different builds; one of them)
endif
ifeq ($(wildcard tests/planted/$(PLANT).patch),)
$(error tutti: no planted bug $(PLANT); known: $(sort $(patsubst tests/planted/%.patch,%,$(wildcard tests/planted/*.patch))))
endif
endif

ifeq ($(MAKECMDGOALS),print-builddir)
print-builddir:
	@echo $(BUILD)
else

include $(BASE)/gen/config.mk
-include check/flags.mk
include mk/flags.mk
include mk/progress.mk
include mk/modules.mk
include libc/musl.mk
include $(wildcard ports/*/port.mk)

all: $(BUILD)/tutti.o $(BUILD)/libc.a $(BUILD)/link.json $(BUILD)/musl

# Options. make starts over when this changes config.mk.
$(BASE)/gen/config.mk $(BASE)/gen/config.h &: Kconfig configs/$(CONFIG).config tools/tuttilib/config.py
	@$(PYTHON) tools/tuttilib/config.py Kconfig configs/$(CONFIG).config $(BASE)/gen $(PLAT) $(CHECK)
	@touch $(BASE)/gen/config.mk $(BASE)/gen/config.h.checked

# Sources of third parties. `.checked` is as new as the last look, `.stamp` as the last change.
$(SRCDIR)/%.checked: third_party/sources.lock tools/tuttilib/sources.py
	@$(PYTHON) tools/tuttilib/sources.py $*
	@touch $@
$(SRCDIR)/%.stamp: $(SRCDIR)/%.checked
	@:
.PRECIOUS: $(SRCDIR)/%.checked $(SRCDIR)/%.stamp

# Kernel and upstream allocators as one object in which only the names of mk/exports are global. Its sections stay apart,
# so what an image does not use is still left out.
$(BUILD)/tutti.o: $(KERNEL_OBJS) $(PORT_OBJS) $(BUILD)/.objects mk/exports
	$(call say,LD,tutti.o)
	$(Q)mkdir -p $(@D) && $(LD) -r -o $@.all $(KERNEL_OBJS) $(PORT_OBJS)
	$(Q)sed '/^#/d' mk/exports >$@.exports
	$(Q)$(OBJCOPY) -w --keep-global-symbols=$@.exports $@.all $@ && rm -f $@.all

# The list of objects itself is an input: a source that goes away must leave the archive.
$(BUILD)/.objects: FORCE
	@mkdir -p $(@D); echo '$(KERNEL_OBJS) $(PORT_OBJS)' | cmp -s - $@ || echo '$(KERNEL_OBJS) $(PORT_OBJS)' >$@

ifneq ($(BUILD),$(BASE))
$(BUILD)/libc.a: $(BASE)/libc.a
	$(Q)mkdir -p $(@D) && ln -f $< $@
$(BUILD)/musl: $(BASE)/musl
	$(Q)mkdir -p $(@D) && ln -sfn ../musl/$(MUSL_KEY) $@
endif

ALLOCATORS := $(if $(CONFIG_ALLOC_REGION),region) $(if $(CONFIG_ALLOC_BUDDY),buddy) \
	$(if $(CONFIG_ALLOC_MALLOCNG),mallocng) $(if $(CONFIG_ALLOC_MIMALLOC),mimalloc)

# Programs say -lm, -lpthread ...: all of it is in libc.a.
EMPTY_LIBS := $(addprefix $(BUILD)/lib/lib,$(addsuffix .a,m rt pthread crypt util xnet resolv dl))
$(EMPTY_LIBS):
	$(Q)mkdir -p $(@D) && rm -f $@ && ar qcD $@

$(BUILD)/link.json: mk/link.py mk/flags.mk mk/kernel.mk $(wildcard check/flags.mk) $(BASE)/gen/config.mk $(EMPTY_LIBS)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) mk/link.py $(CC) $(BUILD) $(LDSCRIPT) '$(ARCH_DIRS)' '$(APP_CFLAGS)' '$(APP_LDFLAGS)' \
		'$(CONFIG_DEFAULT_ALLOC)' '$(ALLOCATORS)' >$@.new && mv $@.new $@

FORCE:
.PHONY: all print-builddir FORCE

-include $(shell find $(sort $(BASE)/obj $(BUILD)/obj) -name '*.d' 2>/dev/null)
endif
