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
#
# and may set $(mod)-srcs-y := ..., $(mod)-srcs-$(CONFIG_X) := ... for sources that depend on an option.

MODULES :=
KERNEL_OBJS :=
PORT_OBJS :=

define read_module
mod := undefined
include $(1)
$$(mod)-dir := $(patsubst %/,%,$(dir $(1)))
MODULES += $$(mod)
endef
$(foreach m,$(sort $(wildcard $(foreach d,lib sync arch/$(ARCH) plat mm sched alloc posix libc ports init,\
	$(d)/module.mk $(d)/*/module.mk))),$(eval $(call read_module,$(m))))

# An object that depends on a replaced upstream source lives in the variant's own folder.
objdir = $(if $(and $($(1)-port),$(ALLOC_SRC_$($(1)-port))),$(BUILD),$(BASE))/obj
srcs = $(addprefix $($(1)-dir)/,$($(1)-srcs) $($(1)-srcs-y))
objs = $(patsubst %,$(call objdir,$(1))/%.o,$(basename $(call srcs,$(1))))
libc_flags = $(if $(filter internal,$($(1)-libc)),$(MUSL_INTERNAL_CFLAGS),$(if $($(1)-libc),$(MUSL_CFLAGS)))

# Headers that have to be there before the first compilation.
module_order = $(BASE)/gen/config.h $(if $($(1)-libc)$($(1)-port),$(MUSL_DONE)) \
	$(if $($(1)-port),$(PORT_READY_$($(1)-port)))

define compile_rules
$(call objdir,$(1))/$($(1)-dir)/%.o: $($(1)-dir)/%.c mk/flags.mk | $$$$(call module_order,$(1))
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(KERNEL_CFLAGS) $$(call libc_flags,$(1)) $$(PORT_INCLUDE_$($(1)-port)) $$($(1)-cflags) \
		-MMD -MP -c $$< -o $$@
$(call objdir,$(1))/$($(1)-dir)/%.o: $($(1)-dir)/%.S mk/flags.mk | $(BASE)/gen/config.h
	$$(call say,AS,$$<)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(KERNEL_ASFLAGS) $$($(1)-asflags) -MMD -MP -c $$< -o $$@
endef

.SECONDEXPANSION:
ENABLED := $(foreach m,$(MODULES),$(if $(filter undefined,$(origin $(m)-if)),$(m),$(if $($(m)-if),$(m))))
$(foreach m,$(ENABLED),$(eval $(call compile_rules,$(m))))
KERNEL_OBJS := $(foreach m,$(ENABLED),$(call objs,$(m)))

# For lint and editors: one line per source, `module|source|command` (without -c and the output).
print-commands: $(BASE)/gen/config.h $(foreach m,$(ENABLED),$(call module_order,$(m)))
	$(foreach m,$(ENABLED),$(foreach s,$(filter %.c,$(call srcs,$(m))),$(info $(m)|$s|$(CC) \
		$(KERNEL_CFLAGS) $(call libc_flags,$(m)) $(PORT_INCLUDE_$($(m)-port)) $($(m)-cflags))))@:
.PHONY: print-commands
