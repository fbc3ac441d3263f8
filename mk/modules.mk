# SPDX-License-Identifier: BSD-3-Clause
#
# Collects every module.mk. A folder's module.mk says
#
#   mod := mm                                  its name
#   $(mod)-srcs := frames.c slab.c             its sources (.c, .S), relative to the folder
#   $(mod)-deps := lib arch sync plat          the modules whose headers it may include (make check-deps)
#   $(mod)-cflags := -I...                     optional: flags of its own, after the common ones
#   $(mod)-libc := public | internal           optional: it is compiled with musl's (internal) headers
#   $(mod)-port := mimalloc                    optional: it is compiled with that upstream allocator's headers
#   $(mod)-if := $(CONFIG_X)                   optional: only built if this is y
#   $(mod)-check := no                         optional: no instrumentation in a checked build
#
# and may set $(mod)-srcs-y := ..., $(mod)-srcs-$(CONFIG_X) := ... for sources that depend on an option. The platform decides
# which folders below arch and plat are collected; check/ is there only in a build that it checks.

MODULES :=
KERNEL_OBJS :=
PORT_OBJS :=

define read_module
mod := undefined
include $(1)
$$(mod)-dir := $(patsubst %/,%,$(dir $(1)))
MODULES += $$(mod)
endef
MODULE_DIRS := $(ARCH_DIRS) plat plat/common plat/$(PLAT) $(if $(filter-out replay,$(CHECK)),check check/*) \
	$(foreach d,lib sync mm sched alloc posix libc ports init,$(d) $(d)/*)
$(foreach m,$(sort $(wildcard $(addsuffix /module.mk,$(MODULE_DIRS)))),$(eval $(call read_module,$(m))))

# The checkers themselves, and what stands under them, are never instrumented.
UNCHECKED_DIRS := check check/% arch/% plat plat/%
check_flags = $(if $(filter no,$($(1)-check))$(filter $(UNCHECKED_DIRS),$($(1)-dir)),,$(CHECK_CFLAGS))

# PLANT: the sources that the patch names.
ifneq ($(PLANT),)
PLANT_PATCH := tests/planted/$(PLANT).patch
PLANT_SRCS := $(shell sed -n 's,^+++ b/\([^[:blank:]]*\).*,\1,p' $(PLANT_PATCH))
endif

# An object that depends on a replaced upstream source, or on a patched one, lives in the variant's own folder.
objdir = $(if $(and $($(1)-port),$(ALLOC_SRC_$($(1)-port))),$(BUILD),$(BASE))/obj
srcs = $(addprefix $($(1)-dir)/,$($(1)-srcs) $($(1)-srcs-y))
objs = $(foreach s,$(call srcs,$(1)),$(if $(filter $s,$(PLANT_SRCS)),$(BUILD)/obj,$(call objdir,$(1)))/$(basename $s).o)
libc_flags = $(if $(filter internal,$($(1)-libc)),$(MUSL_INTERNAL_CFLAGS),$(if $($(1)-libc),$(MUSL_CFLAGS)))

# Headers that have to be there before the first compilation.
module_order = $(BASE)/gen/config.h $(if $($(1)-libc)$($(1)-port),$(MUSL_DONE)) \
	$(if $($(1)-port),$(PORT_READY_$($(1)-port)))

FLAG_FILES := mk/flags.mk $(if $(CHECK),$(wildcard check/flags.mk))

# $(1) module, $(2) objects, $(3) their sources
define compile_rule
$(2): $(3) $(FLAG_FILES) | $$$$(call module_order,$(1))
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(KERNEL_CFLAGS) $$(call check_flags,$(1)) $$(call libc_flags,$(1)) $$(PORT_INCLUDE_$($(1)-port)) $$($(1)-cflags) \
		-MMD -MP -c $$< -o $$@
endef

define compile_rules
$(call compile_rule,$(1),$(call objdir,$(1))/$($(1)-dir)/%.o,$($(1)-dir)/%.c)
$(call objdir,$(1))/$($(1)-dir)/%.o: $($(1)-dir)/%.S $(FLAG_FILES) | $(BASE)/gen/config.h
	$$(call say,AS,$$<)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(KERNEL_ASFLAGS) $$($(1)-asflags) -MMD -MP -c $$< -o $$@
endef

.SECONDEXPANSION:
ENABLED := $(foreach m,$(MODULES),$(if $(filter undefined,$(origin $(m)-if)),$(m),$(if $($(m)-if),$(m))))
$(foreach m,$(ENABLED),$(eval $(call compile_rules,$(m))))
KERNEL_OBJS := $(foreach m,$(ENABLED),$(call objs,$(m)))

# Copies of the patched sources; the patch has to fit exactly, or the bug might be planted where it is none.
ifneq ($(PLANT),)
PLANT_LOST := $(filter-out $(filter %.c,$(foreach m,$(ENABLED),$(call srcs,$(m)))),$(PLANT_SRCS))
ifneq ($(PLANT_LOST)$(if $(PLANT_SRCS),,x),)
$(error tutti: $(PLANT_PATCH) changes $(or $(PLANT_LOST),nothing); only C sources of this kernel can be planted in)
endif
$(addprefix $(BUILD)/src/,$(PLANT_SRCS)) &: $(PLANT_SRCS) $(PLANT_PATCH)
	$(call say,PATCH,$(PLANT_PATCH))
	$(Q)rm -rf $(BUILD)/src && mkdir -p $(BUILD)/src && cp --parents $(PLANT_SRCS) $(BUILD)/src
	$(Q)patch -p1 -s -F0 -d $(BUILD)/src <$(PLANT_PATCH) >$(BUILD)/patch.log 2>&1 \
		|| { cat $(BUILD)/patch.log; echo 'tutti: $(PLANT_PATCH) no longer applies; make it anew from the sources'; exit 1; } >&2
	$(Q)touch $(addprefix $(BUILD)/src/,$(PLANT_SRCS))
$(foreach m,$(ENABLED),$(foreach s,$(filter $(PLANT_SRCS),$(call srcs,$(m))),$(eval $(call \
	compile_rule,$(m),$(BUILD)/obj/$(basename $s).o,$(BUILD)/src/$s))))
endif

# For lint and editors: one line per source, `module|source|command` (without -c and the output). NO_LIBC=1: without seeing to
# it that the C library's and the ports' headers are there.
print-commands: $(BASE)/gen/config.h $(if $(NO_LIBC),,$(foreach m,$(ENABLED),$(call module_order,$(m))))
	$(foreach m,$(ENABLED),$(foreach s,$(filter %.c,$(call srcs,$(m))),$(info $(m)|$s|$(CC) \
		$(KERNEL_CFLAGS) $(call check_flags,$(m)) $(call libc_flags,$(m)) $(PORT_INCLUDE_$($(m)-port)) $($(m)-cflags))))@:
.PHONY: print-commands
